"""The main job, as people live it: book, invite, join, talk, share, record, end, read the minutes."""

from __future__ import annotations

import datetime as dt
import re
import time
import zoneinfo
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.codes import BLUE, GREEN, RED
from tests.e2e.conftest import StartBrowser
from tests.e2e.mailbox import Mail, wait_for_mails
from tests.e2e.people import add_people, sign_in
from tests.e2e.room import frame_of, hears, participant_id, sees, wait_phase, wait_until
from tests.e2e.video import codes_at, pitches, probe
from tests.services.stack import PortalStack

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(420)]

TITLE = "Waves and interference"
STAFF, STUDENT, GUEST = "mei@school.example", "sara@school.example", "tom@guest.example"
SHANGHAI = zoneinfo.ZoneInfo("Asia/Shanghai")


def book(page: Page, stack: PortalStack) -> None:
    """The organiser books with two people and an agenda."""
    page.goto(f"{stack.url}/meetings/new/")
    page.get_by_label("Title").fill(TITLE)
    page.get_by_label("What is it about?").fill("Two slits, one wave tank.")
    start = dt.datetime.now(SHANGHAI) + dt.timedelta(minutes=5)
    page.get_by_label("Date", exact=True).fill(f"{start:%Y-%m-%d}")
    page.get_by_label("Start", exact=True).fill(f"{start:%H:%M}")
    page.get_by_label("Minutes", exact=True).first.fill("30")
    people = page.locator("[data-people] input[role=combobox]")
    people.fill(STUDENT)
    people.press("Enter")
    people.fill(f'"Tom B." <{GUEST}>')
    people.press("Enter")
    page.get_by_label("Agenda item").first.fill("Superposition")
    page.get_by_role("button", name="Book and invite").click()
    expect(page.get_by_role("heading", name=TITLE)).to_be_visible()


def check_invitation(mail: Mail, address: str) -> str:
    """The calendar part is right; returns the personal link."""
    method, calendar = mail.calendar()
    assert method == "REQUEST" and str(calendar["METHOD"]) == "REQUEST"
    event = calendar.walk("VEVENT")[0]
    zone = calendar.walk("VTIMEZONE")[0]
    assert str(zone["TZID"]) == "Asia/Shanghai" == event["DTSTART"].params["TZID"]
    assert event["UID"] and int(event["SEQUENCE"]) == 0
    assert str(event["ORGANIZER"]).lower() == f"mailto:{STAFF}"
    attendees = event["ATTENDEE"] if isinstance(event["ATTENDEE"], list) else [event["ATTENDEE"]]
    assert f"mailto:{address}" in [str(attendee).lower() for attendee in attendees]
    assert event["DTEND"].dt - event["DTSTART"].dt == dt.timedelta(minutes=30)
    link = re.search(r"https?://\S+/j/\S+", mail.body("plain"))
    assert link, mail.body("plain")
    assert link.group() in mail.body("html").replace("&amp;", "&")
    return link.group()


def enter(page: Page, url: str) -> None:
    """Through the pre-join page, camera and microphone on."""
    page.goto(url)
    wait_phase(page, "prejoin")
    expect(page.locator("#preview[data-state=video]")).to_be_visible(timeout=15_000)
    page.locator("#join-button").click()


def admit(host: Page, name: str) -> None:
    people = host.locator("#people")
    if not people.is_visible():
        host.locator("#ctl-people").click()
    people.locator("#people-waiting-list li", has_text=name).locator(".btn-room-main").click()


def test_from_booking_to_minutes(fresh_portal: PortalStack, chromium: StartBrowser, tmp_path: Path) -> None:
    stack = fresh_portal
    add_people(stack, (STAFF, "Lin Mei", "staff"), (STUDENT, "Sara Yilmaz", "student"))
    contexts = {
        name: chromium(person).new_context(
            locale="en-GB", permissions=["camera", "microphone"], accept_downloads=True
        )
        for name, person in {"mei": RED, "sara": GREEN, "tom": BLUE}.items()
    }
    pages = {name: context.new_page() for name, context in contexts.items()}
    mei, sara, tom = pages["mei"], pages["sara"], pages["tom"]
    problems: list[str] = []
    for name, page in pages.items():
        page.on("pageerror", lambda error, name=name: problems.append(f"{name}: {error}"))

    # -- booking and invitations
    sign_in(mei, stack, STAFF)
    book(mei, stack)
    detail_url = mei.url
    mails = {mail.to: mail for mail in wait_for_mails(stack.mail_dir, 2, about=TITLE)}
    assert set(mails) >= {STUDENT, GUEST}
    check_invitation(mails[STUDENT], STUDENT)
    guest_link = check_invitation(mails[GUEST], GUEST)

    # -- joining through pre-join and lobby
    mei.goto(detail_url)
    room_url = stack.url + str(mei.locator("a[href*='/m/']").first.get_attribute("href"))
    enter(mei, room_url)
    wait_phase(mei, "in")
    sign_in(sara, stack, STUDENT)
    enter(sara, room_url)
    wait_phase(sara, "lobby")
    enter(tom, guest_link)
    wait_phase(tom, "lobby")
    admit(mei, "Sara Yilmaz")
    wait_phase(sara, "in")
    admit(mei, "Tom B.")
    wait_phase(tom, "in")

    # -- everyone sees and hears everyone
    shown = {"mei": ("Lin Mei", RED), "sara": ("Sara Yilmaz", GREEN), "tom": ("Tom B.", BLUE)}
    ids = {name: participant_id(mei if name != "mei" else sara, label) for name, (label, _) in shown.items()}
    for viewer, page in pages.items():
        for other, (_, person) in shown.items():
            if other != viewer:
                sees(page, ids[other], person)
    for viewer, page in pages.items():
        for other, (_, person) in shown.items():
            if other != viewer:
                hears(page, ids[other], person, [p for _, p in shown.values() if p is not person])

    # -- chat both ways
    for sender, words in ((mei, "Is the phase shift the reason?"), (tom, "Yes, half a wavelength.")):
        if not sender.locator("#chat").is_visible():
            sender.locator("#ctl-chat").click()
        sender.locator("#chat-input").fill(words)
        sender.locator("#chat-input").press("Enter")
    for page in pages.values():
        if not page.locator("#chat").is_visible():
            page.locator("#ctl-chat").click()
        expect(page.locator("#chat-list")).to_contain_text("Is the phase shift the reason?")
        expect(page.locator("#chat-list")).to_contain_text("Yes, half a wavelength.")

    # -- screen sharing
    sara.locator("#ctl-share").click()
    for page in (mei, tom):
        wait_until(
            lambda page=page: (
                (frame := frame_of(page, ids["sara"], "screen")) is not None and np.ptp(frame) > 30
            ),
            "the shared screen",
            seconds=25,
        )
    sara.locator("#ctl-share").click()
    for page in (mei, tom):
        expect(page.locator("article.tile[data-source=screen]")).to_have_count(0)

    # -- twenty seconds of recording
    pressed = time.monotonic()
    mei.locator("#ctl-record").click()
    for page in pages.values():
        expect(page.locator("html")).to_have_attribute("data-room-state", "in")
        expect(page.locator("#room-rec").first).to_be_visible(timeout=10_000)
    shown_at = time.monotonic()
    time.sleep(20)

    # -- the end
    mei.locator("#ctl-leave").click()
    mei.locator("#leave-menu [data-action=end]").click()
    at_least = time.monotonic() - shown_at
    mei.locator("#confirm-yes").click()
    wait_phase(mei, "ended")
    at_most = time.monotonic() - pressed
    for page in pages.values():
        wait_phase(page, "ended")
    assert problems == []

    # -- minutes, mails, recording
    notices = wait_for_mails(stack.mail_dir, 3, about="inutes")
    assert {mail.to for mail in notices} == {STAFF, STUDENT, GUEST}
    links = {mail.to: re.search(r"https?://\S+", mail.body("plain")) for mail in notices}
    mei.goto(links[STAFF].group())
    body = mei.locator("main")
    for name in ("Lin Mei", "Sara Yilmaz", "Tom B.", "Superposition", "half a wavelength"):
        expect(body).to_contain_text(name)
    tom.goto(links[GUEST].group())
    expect(tom.locator("main")).to_contain_text("Lin Mei")

    mei.locator("main a[href*='/recordings/']").first.click()
    expect(mei.locator("video")).to_be_visible(timeout=120_000)
    mei.wait_for_function("() => document.querySelector('video').readyState >= 1", timeout=20_000)
    mei.evaluate("() => { document.querySelector('video').currentTime = 12; }")
    mei.wait_for_function(
        "() => { const v = document.querySelector('video');"
        " return !v.seeking && v.currentTime >= 12 && v.readyState >= 2; }"
    )
    with mei.expect_download() as download:
        mei.get_by_role("link", name=re.compile("Download")).click()
    film = tmp_path / "recording.mp4"
    download.value.save_as(film)

    facts = probe(film)
    assert facts["video"] == "h264" and facts["audio"] == "aac"
    # Between what people saw, as clicks take their time on a busy machine, and what the server noted.
    assert at_least - 1.0 <= float(facts["duration"]) <= at_most + 1.0
    noted = stack.manage(
        "shell",
        "--no-imports",
        "-c",
        "from meetings.models import Recording; r = Recording.objects.get();"
        "print((r.stopped_at - r.started_at).total_seconds())",
    )
    assert abs(float(facts["duration"]) - float(noted.split()[-1])) <= 1.0
    for moment in (4, 10, 16):
        assert codes_at(film, moment) == {RED.number, GREEN.number, BLUE.number}, f"at {moment} s"
    strengths = pitches(film, (RED.pitch, GREEN.pitch, BLUE.pitch, 1700))
    for person in (RED, GREEN, BLUE):
        assert strengths[person.pitch] > strengths[1700] + 20, strengths
