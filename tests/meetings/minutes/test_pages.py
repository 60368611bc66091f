"""What the pages of minutes and actions show, to whom, and for how many queries."""

from __future__ import annotations

import datetime as dt

import pytest
from django.core.files.base import ContentFile
from django.urls import reverse
from django.utils import timezone, translation

from meetings.chat.models import ChatMessage, SharedFile
from meetings.minutes.due import due_label
from meetings.minutes.models import ActionItem, Minutes
from meetings.minutes.selectors import actions_of, minutes_of, newest_minutes, open_action_count
from tests.meetings.minutes import world

DAY = dt.date(2026, 11, 23)


@pytest.fixture
def talked(minutes, held):
    """Chat, a file and a recording."""
    someone = held.session.participants.get(user=held.sara)
    file = SharedFile.objects.create(
        session=held.session,
        participant=someone,
        name="waves.pdf",
        size=2048,
        content_type="application/pdf",
        file=ContentFile(b"x", name="waves.pdf"),
    )
    ChatMessage.objects.create(session=held.session, participant=someone, body="Is <b>this</b> in the exam?")
    ChatMessage.objects.create(session=held.session, participant=someone, file=file)
    return world.recorded(held.session)


def detail(client, minutes):
    response = client.get(reverse("meetings:minutes_detail", args=[minutes.pk]))
    assert response.status_code == 200
    return response.content.decode()


def test_everyone_who_took_part_reads_people_notes_decisions_actions(minutes, held, talked):
    for client in (world.browser(held.mei), world.browser(held.sara), world.browser(link=held.ada)):
        page = detail(client, minutes)
        for text in ("Lin Mei", "Jonas Okafor", "Sara Yilmaz", "Ada Lovelace", "Waves", "They interfere.",
                     "The exam is on Friday", "Book the hall", "Waves were explained."):  # fmt: skip
            assert text in page
        assert "Is &lt;b&gt;this&lt;/b&gt; in the exam?" in page
        assert "waves.pdf" in page
        assert reverse("meetings:recording_detail", args=[talked.key]) in page


def test_a_guest_of_the_fixed_link_sees_no_recording(minutes, held, talked):
    world.came(held.session, held.tom, role="guest")
    page = detail(world.browser(held.tom), minutes)
    assert "in the exam" in page
    assert str(talked.key) not in page


def test_only_hosts_are_offered_to_write(minutes, held):
    edit, approve = (reverse(f"meetings:minutes_{name}", args=[minutes.pk]) for name in ("edit", "approve"))
    readers = {held.mei: True, held.jonas: True, held.sara: False}
    clients = [(world.browser(user), offered) for user, offered in readers.items()]
    for client, offered in [*clients, (world.browser(link=held.ada), False)]:
        page = detail(client, minutes)
        assert (edit in page, approve in page) == (offered, offered)


def test_approved_minutes_offer_the_organiser_to_reopen(minutes, held):
    Minutes.objects.update(state="approved", approved_by=held.jonas, approved_at=world.minutes_after(120))
    reopen = reverse("meetings:minutes_reopen", args=[minutes.pk])
    assert reopen in detail(world.browser(held.mei), minutes)
    assert reopen not in detail(world.browser(held.jonas), minutes)
    assert "Approved by Jonas Okafor" in detail(world.browser(held.sara), minutes)
    response = world.browser(held.mei).get(reverse("meetings:minutes_edit", args=[minutes.pk]))
    assert response["Location"] == f"/minutes/{minutes.pk}/"


def test_ticks_are_offered_to_those_who_may_tick(minutes, held):
    own = reverse("meetings:action_toggle", args=[minutes.actions.get(owner=held.sara).pk])
    other = reverse("meetings:action_toggle", args=[minutes.actions.get(owner=None).pk])
    page = detail(world.browser(held.sara), minutes)
    assert own in page and other not in page
    page = detail(world.browser(held.jonas), minutes)
    assert own in page and other in page


def test_the_detail_page_costs_the_same_for_many(minutes, held, talked, django_assert_max_num_queries):
    client = world.browser(held.mei)
    detail(client, minutes)
    with django_assert_max_num_queries(60) as few:
        detail(client, minutes)
    someone = held.session.participants.first()
    for number in range(20):
        world.came(held.session, f"Guest {number}", role="guest")
        ChatMessage.objects.create(session=held.session, participant=someone, body=str(number))
        ActionItem.objects.create(minutes=minutes, text=f"Do {number}", owner=held.sara, owner_name="Sara")
    with django_assert_max_num_queries(len(few)):
        detail(client, minutes)


def test_the_editor_costs_the_same_for_many(minutes, held, django_assert_max_num_queries):
    client = world.browser(held.mei)
    url = reverse("meetings:minutes_edit", args=[minutes.pk])
    with django_assert_max_num_queries(60) as few:
        assert client.get(url).status_code == 200
    for number in range(15):
        world.invite(held.meeting, world.person())
        ActionItem.objects.create(minutes=minutes, text=f"Do {number}", owner=held.sara, owner_name="Sara")
    with django_assert_max_num_queries(len(few)):
        assert client.get(url).status_code == 200


def test_the_list_shows_ones_own_with_numbers(minutes, held, django_assert_max_num_queries):
    for who in (held.mei, held.jonas, held.sara):
        row = minutes_of(who).get()
        assert (row.decision_count, row.action_count, row.people_count) == (1, 2, 4)
        assert row.editable == (who != held.sara)
    assert not minutes_of(held.tom).exists()
    client = world.browser(held.mei)
    with django_assert_max_num_queries(40) as few:
        page = client.get(reverse("meetings:minutes_list")).content.decode()
    assert "4 people came" in page and "1 decision" in page and "2 actions" in page
    for number in range(10):
        session = world.session_of(world.meeting_of(held.mei, f"Meeting {number}"))
        Minutes.objects.create(session=session)
    with django_assert_max_num_queries(len(few)):
        assert client.get(reverse("meetings:minutes_list")).status_code == 200


def test_empty_lists_teach(db):
    client = world.browser(world.person())
    assert "draft writes itself" in client.get(reverse("meetings:minutes_list")).content.decode()
    assert "owner of an action" in client.get(reverse("meetings:action_list")).content.decode()
    assert "tick off" in client.get(reverse("meetings:action_list") + "?done=1").content.decode()


def test_the_newest_minutes_are_those_of_the_last_session(held, minutes):
    later = world.session_of(
        held.meeting, started_at=world.minutes_after(600), ended_at=world.minutes_after(660)
    )
    newer = Minutes.objects.create(session=later)
    assert newest_minutes(held.meeting) == newer
    assert newest_minutes(world.meeting_of(held.mei)) is None


def test_actions_come_by_urgency(minutes, held):
    make = lambda text, due=None, done=None: ActionItem.objects.create(  # noqa: E731
        minutes=minutes, text=text, owner=held.tom, due_date=due, done_at=done
    )
    make("no date")
    make("later", DAY + dt.timedelta(days=9))
    make("late", DAY - dt.timedelta(days=2))
    make("finished", done=world.NINE)
    assert [item.text for item in actions_of(held.tom, done=False)] == ["late", "later", "no date"]
    assert [item.text for item in actions_of(held.tom, done=True)] == ["finished"]
    assert actions_of(held.tom).count() == 4
    assert open_action_count(held.tom) == 3


def test_the_action_page_shows_open_and_done(minutes, held, django_assert_max_num_queries):
    today = timezone.localdate()
    for number in range(12):
        ActionItem.objects.create(minutes=minutes, text=f"Do {number}", owner=held.sara, due_date=today)
    ActionItem.objects.create(minutes=minutes, text="Was done", owner=held.sara, done_at=timezone.now())
    client = world.browser(held.sara)
    with django_assert_max_num_queries(12):
        page = client.get(reverse("meetings:action_list")).content.decode()
    assert "Do 11" in page and "Was done" not in page and "today" in page
    assert '<span class="nav-count">13' in page
    assert "Was done" in client.get(reverse("meetings:action_list") + "?done=1").content.decode()


@pytest.mark.parametrize(
    ("days", "text", "kind"),
    [(-2, "2 days late", "bad"), (-1, "1 day late", "bad"), (0, "today", "warn"), (1, "tomorrow", ""),
     (3, "Thu", ""), (7, "30 Nov", ""), (41, "3 Jan 2027", "")],
)  # fmt: skip
def test_due_in_a_word(days, text, kind):
    with translation.override("en"):
        due = due_label(DAY + dt.timedelta(days=days), DAY)
    assert (due.text, due.kind) == (text, kind)


def test_no_date_is_no_word():
    assert due_label(None, DAY) is None


def test_pages_hold_no_inline_script_or_style(minutes, held, talked):
    client = world.browser(held.mei)
    for url in (f"/minutes/{minutes.pk}/", f"/minutes/{minutes.pk}/edit/", "/minutes/", "/actions/"):
        page = client.get(url).content.decode()
        assert 'style="' not in page and "onclick=" not in page
        assert all("src=" in tag.split(">")[0] for tag in page.split("<script")[1:])


def test_all_times_are_in_the_zone_that_is_named(minutes, held):
    # 9:05 UTC is 10:05 in the meeting's zone and 17:05 in Mei's.
    guest = detail(world.browser(link=held.ada), minutes)
    assert "Europe/Berlin" in guest and "10:05 – 11:00" in guest and "data-local-time" not in guest
    held.mei.time_zone = "Asia/Shanghai"
    held.mei.save()
    own = detail(world.browser(held.mei), minutes)
    assert "Asia/Shanghai" in own and "17:05 – 18:00" in own and "10:05" not in own
