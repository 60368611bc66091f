"""Booking in a real browser: picker, agenda rows, the door that opens in time; and without scripts."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Page, expect

from accounts.models import ClassGroup, ClassMembership, User
from meetings.scheduling.models import Meeting
from meetings.scheduling.services import AgendaDraft, Attendee
from tests.meetings.scheduling import builders
from tests.services.browser import page_browser

AXE = Path(__file__).resolve().parents[3] / "node_modules/axe-core/axe.min.js"
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with page_browser() as browser:
        yield browser


@pytest.fixture
def signed_in(browser: Browser, live_server, settings) -> Iterator[Callable[..., Page]]:  # type: ignore[no-untyped-def]
    """`signed_in(user, width=390)`: a page of that person; an error in its console fails the test."""
    opened: list[BrowserContext] = []
    faults: list[str] = []

    def make(user: User, *, width: int = 1280, **options: object) -> Page:
        context = browser.new_context(
            base_url=live_server.url,
            viewport={"width": width, "height": 800},
            **options,  # type: ignore[arg-type]
        )
        opened.append(context)
        client = Client()
        client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
        name = settings.SESSION_COOKIE_NAME
        context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": live_server.url}])
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
        return page

    yield make
    for context in opened:
        context.close()
    assert not faults


def invited(meeting: Meeting) -> set[tuple[str, str]]:
    return set(meeting.invitations.values_list("email", "role"))


def test_books_with_picker_and_agenda(signed_in: Callable[..., Page], staff: User) -> None:
    jonas = builders.person(name="Jonas Okafor", email="jonas@example.org")
    group = ClassGroup.objects.create(name="Physics 101")
    for email in ("ben@example.org", "cleo@example.org"):
        ClassMembership.objects.create(class_group=group, user=builders.person("student", email=email))
    page = signed_in(staff)
    page.goto("/meetings/new/")
    page.get_by_label("Title").fill("Waves")
    page.get_by_label("Date").fill(str(timezone.localdate() + dt.timedelta(days=2)))
    people = page.get_by_role("combobox", name=re.compile("People"))
    # A person, by the keyboard.
    people.press_sequentially("oka")
    expect(page.get_by_role("option", name=re.compile("Jonas"))).to_be_visible()
    people.press("Enter")
    page.get_by_role("button", name="Co-host").click()
    # A whole class, by the pointer; one of it is taken off again.
    people.fill("phys")
    page.get_by_role("option", name=re.compile("Physics 101")).click()
    expect(page.locator(".picked-row")).to_have_count(3)
    page.locator(".picked-row", has_text="cleo@example.org").get_by_role(
        "button", name=re.compile("Remove")
    ).click()
    # Pasted addresses; then one typed and never confirmed.
    people.fill('"Okafor, Other" <other@elsewhere.example>; guest@elsewhere.example,')
    expect(page.locator(".picked-row")).to_have_count(4)
    people.fill("last@elsewhere.example")
    # Agenda by Enter from row to row.
    page.get_by_label("Agenda item").first.fill("Look back")
    page.get_by_label("Minutes", exact=True).nth(1).fill("5")
    page.get_by_label("Agenda item").first.press("Enter")
    page.get_by_label("Agenda item").nth(1).fill("Waves")
    page.get_by_role("button", name="Move up").nth(1).click()
    page.get_by_role("button", name="Book and invite").click()
    expect(page.get_by_text("The meeting is booked")).to_be_visible()
    meeting = Meeting.objects.get()
    assert invited(meeting) == {
        (jonas.email, "cohost"),
        ("ben@example.org", "participant"),
        ("other@elsewhere.example", "participant"),
        ("guest@elsewhere.example", "participant"),
        ("last@elsewhere.example", "participant"),
    }
    assert [(item.title, item.minutes) for item in meeting.agenda.all()] == [
        ("Waves", None),
        ("Look back", 5),
    ]
    assert meeting.time_zone == "Europe/Berlin"


def test_enter_in_the_picker_never_sends_the_form(signed_in: Callable[..., Page], staff: User) -> None:
    page = signed_in(staff)
    page.goto("/meetings/new/")
    people = page.get_by_role("combobox", name=re.compile("People"))
    people.fill("nobody at all")
    people.press("Enter")
    expect(page.get_by_text("neither a person of the portal")).to_be_visible()
    assert people.input_value() == "nobody at all"
    assert page.url.endswith("/meetings/new/")


def test_who_chose_no_zone_gets_the_browsers(signed_in: Callable[..., Page]) -> None:
    page = signed_in(builders.person(), timezone_id="Asia/Tokyo")
    page.goto("/meetings/new/")
    expect(page.get_by_label("Time zone")).to_have_value("Asia/Tokyo")


def test_books_without_scripts(signed_in: Callable[..., Page], staff: User) -> None:
    page = signed_in(staff, java_script_enabled=False)
    page.goto("/meetings/new/")
    page.locator("[name=title]").fill("Plain")
    page.locator("[name=date]").fill(str(timezone.localdate() + dt.timedelta(days=2)))
    page.locator("[name=attendees]").fill("anna@example.org\nben@example.org")
    page.locator("[name=attendees_cohosts]").fill("ben@example.org")
    page.get_by_role("button", name="Book and invite").click()
    assert invited(Meeting.objects.get()) == {
        ("anna@example.org", "participant"),
        ("ben@example.org", "cohost"),
    }


def test_an_edit_keeps_what_the_picker_was_given(signed_in: Callable[..., Page], staff: User) -> None:
    meeting = builders.booked(staff, Attendee("a@b.de", 'Ben "B", Jr.', cohost=True), Attendee("c@d.de"))
    before = (meeting.updated_at, invited(meeting))
    page = signed_in(staff)
    page.goto(f"/meetings/{meeting.pk}/edit/")
    expect(page.locator(".picked-row")).to_have_count(2)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    meeting.refresh_from_db()
    assert (meeting.updated_at, invited(meeting)) == before


def test_the_door_opens_while_one_looks_on(
    signed_in: Callable[..., Page], staff: User, student: User
) -> None:
    meeting = builders.row(staff, timezone.now() + dt.timedelta(minutes=17))
    builders.invite(meeting, student)
    page = signed_in(student)
    page.clock.install(time=timezone.now())
    page.goto("/")
    expect(page.get_by_role("link", name="Join", exact=True)).to_be_hidden()
    page.clock.fast_forward(3 * 60 * 1000)
    expect(page.get_by_role("link", name="Join", exact=True)).to_be_visible()
    expect(page.get_by_text("Starts in 14 min")).to_be_visible()


@pytest.mark.parametrize("width", [320, 390])
def test_nothing_scrolls_sideways_on_a_phone(signed_in: Callable[..., Page], width: int) -> None:
    admin = builders.person("admin", name="Wolfeschlegelsteinhausenbergerdorff Senior")
    meeting = builders.booked(
        admin,
        Attendee(
            "a.very.long.address.that.does.not.end@a-very-long-domain-name.example.org",
            "Donaudampfschifffahrt" * 3,
        ),
        title="Rindfleischetikettierungsüberwachungsaufgabenübertragungsgesetz",
        description="https://example.org/" + "x" * 200,
        agenda=[AgendaDraft("Y" * 120, 1440)],
    )
    past = builders.row(admin, builders.soon(-30), title="Z" * 80)
    builders.held(past, admin, owner=admin)
    page = signed_in(admin, width=width)
    for path in (
        "/",
        "/meetings/",
        "/meetings/?show=past",
        f"/meetings/{meeting.pk}/",
        f"/meetings/{past.pk}/",
        f"/meetings/{meeting.pk}/edit/",
        f"/meetings/{meeting.pk}/cancel/",
        "/mail/",
        "/join/",
    ):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    page.goto("/mail/")
    page.locator(".row-link").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (390, "dark")])
def test_axe_finds_nothing(signed_in: Callable[..., Page], width: int, theme: str) -> None:
    admin = builders.person("admin", name="Lin Mei")
    meeting = builders.booked(
        admin,
        Attendee("anna@example.org", "Anna", cohost=True),
        description="Words",
        agenda=[AgendaDraft("One", 5)],
        starts_at=builders.soon(1),
    )
    builders.booked(admin, Attendee("anna@example.org"), starts_at=builders.soon(2))
    past = builders.row(admin, builders.soon(-30))
    builders.held(past, admin, owner=admin)
    page = signed_in(admin, width=width, color_scheme=theme, bypass_csp=True)
    found: list[str] = []
    for path in (
        "/",
        "/meetings/",
        f"/meetings/{meeting.pk}/",
        f"/meetings/{past.pk}/",
        f"/meetings/{meeting.pk}/edit/",
        f"/meetings/{meeting.pk}/cancel/",
        "/mail/",
        "/join/",
    ):
        page.goto(path)
        page.evaluate(AXE.read_text())
        result = page.evaluate(
            "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice']})"
        )
        found += [f"{path} {v['id']}: {node['target']}" for v in result["violations"] for node in v["nodes"]]
    assert found == []
