"""What the mails say: in the reader's language, in both zones where they differ, and what changed."""

from __future__ import annotations

import datetime as dt
import zoneinfo

import icalendar
import pytest
from django.utils import timezone, translation
from django.utils.html import escape

from accounts.models import User
from meetings.invitations.mails import when_text
from meetings.invitations.models import OutboxMail
from meetings.permissions.actor import Actor
from meetings.scheduling.services import AgendaDraft, Attendee, cancel_meeting, change_meeting
from tests.meetings.scheduling import builders

pytestmark = pytest.mark.django_db
GUEST = Attendee("guest@elsewhere.example", "Guest")


def mail_to(email: str) -> OutboxMail:
    return OutboxMail.objects.filter(to_email=email).latest("pk")


def winter() -> dt.datetime:
    return dt.datetime(timezone.now().year + 1, 12, 7, 9, 0, tzinfo=dt.UTC)


def test_when_text_over_midnight() -> None:
    berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    start = dt.datetime(2026, 11, 23, 22, 30, tzinfo=dt.UTC)
    assert (
        when_text(start, start + dt.timedelta(minutes=20), berlin)
        == "Monday 23 November 2026, 23:30 – 23:50 (Europe/Berlin)"
    )
    assert (
        when_text(start, start + dt.timedelta(hours=1), berlin)
        == "Monday 23 November 2026, 23:30 – Tuesday 24 November 2026, 00:30 (Europe/Berlin)"
    )


def test_both_zones_where_they_differ(staff: User) -> None:
    tokyo = builders.person(time_zone="Asia/Tokyo")
    paris = builders.person(time_zone="Europe/Paris")
    builders.booked(staff, Attendee(tokyo.email), Attendee(paris.email), GUEST, starts_at=winter())
    for part in (mail_to(tokyo.email).text, mail_to(tokyo.email).html):
        assert "10:00 – 10:45 (Europe/Berlin)" in part
        assert "18:00 – 18:45 (Asia/Tokyo)" in part
    for email in (paris.email, GUEST.email):
        assert "10:00 – 10:45 (Europe/Berlin)" in mail_to(email).text
        assert "Your time" not in mail_to(email).text


def test_each_in_their_own_language(staff: User, settings) -> None:  # type: ignore[no-untyped-def]
    """Whatever language the one who books uses; the portal's for people who told none."""
    mei = builders.person(language="zh-hans")
    tom = builders.person(language="en")
    settings.LANGUAGE_CODE = "zh-hans"
    with translation.override("zh-hans"):
        builders.booked(staff, Attendee(tom.email), GUEST, Attendee(mei.email))
        assert translation.get_language() == "zh-hans"
    assert 'lang="en"' in mail_to(tom.email).html
    assert "Hello" in mail_to(tom.email).text
    for email in (mei.email, GUEST.email):
        assert 'lang="zh-hans"' in mail_to(email).html


def test_everyone_reads_their_own_name_and_link(staff: User) -> None:
    """Also names that look like markup, and among many who read the same words."""
    crowd = [Attendee(f"p{number}@example.org", f"<b>Person</b> & {number}.") for number in range(60)]
    builders.booked(staff, *crowd)
    links = set()
    for attendee in crowd:
        mail = mail_to(attendee.email)
        assert f"Hello {attendee.name}, Lin Mei" in mail.text
        assert f"Hello {escape(attendee.name)}, Lin Mei" in mail.html
        (event,) = icalendar.Calendar.from_ical(mail.calendar).walk("VEVENT")
        link = str(event["URL"])
        links.add(link)
        assert mail.text.count(link) == 1
        assert mail.html.count(link) == 3  # the button, and the address to copy with its link
        assert event["ATTENDEE"].params["CN"] == attendee.name
        for part in (mail.text, mail.html, mail.calendar):
            assert "name-" not in part
            assert "link-" not in part
    assert len(links) == 60


def test_an_invitation_tells_what_for_and_by_whom(staff: User) -> None:
    builders.booked(
        staff,
        Attendee("co@example.org", "Co", cohost=True),
        GUEST,
        description="Bring <b>pens</b> & paper",
        agenda=[AgendaDraft("Look back", 5), AgendaDraft("A < B")],
    )
    mail = mail_to(GUEST.email)
    assert mail.subject.startswith("Invitation: Waves and interference, ")
    assert mail.reply_to == staff.email
    for part in (mail.text, mail.html):
        assert "Lin Mei" in part
        assert "1. Look back (5 min)" in part
        assert "co-host" not in part
    assert "Bring <b>pens</b> & paper" in mail.text
    assert "2. A < B" in mail.text
    assert "Bring &lt;b&gt;pens&lt;/b&gt; &amp; paper" in mail.html
    assert "A &lt; B" in mail.html
    assert "co-host" in mail_to("co@example.org").text


def test_an_update_shows_before_and_now(staff: User) -> None:
    meeting = builders.booked(staff, GUEST, starts_at=winter(), title="Old <name>")
    change_meeting(meeting, actor=Actor(user=staff), title="New name", duration_minutes=60)
    mail = mail_to(GUEST.email)
    assert mail.subject.startswith("Updated: New name")
    for words in ("before: Old <name>", "now: New name", "10:00 – 10:45", "10:00 – 11:00"):
        assert words in mail.text
    assert "Old &lt;name&gt;" in mail.html


def test_a_cancellation_carries_the_note(staff: User) -> None:
    meeting = builders.booked(staff, GUEST)
    cancel_meeting(meeting, actor=Actor(user=staff), note="Sorry, <flu>.")
    mail = mail_to(GUEST.email)
    assert mail.subject.startswith("Cancelled: ")
    assert "Sorry, <flu>." in mail.text
    assert "Sorry, &lt;flu&gt;." in mail.html


def test_text_mails_have_no_holes_and_no_markup(staff: User) -> None:
    meeting = builders.booked(
        staff, GUEST, agenda=[AgendaDraft("One")], description="Words.\n\n\n\nMore words."
    )
    change_meeting(meeting, actor=Actor(user=staff), title="Other")
    cancel_meeting(meeting, actor=Actor(user=staff))
    for mail in OutboxMail.objects.all():
        assert "\n\n\n" not in mail.text
        assert "<" not in mail.text
        assert "{%" not in mail.text
        assert "&" not in mail.text


def test_the_time_to_book_for_a_lecture_hall(staff: User, django_assert_max_num_queries, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr("meetings.invitations.outbox.dispatch", lambda pks: None)
    crowd = [Attendee(f"p{number}@example.org") for number in range(120)]
    with django_assert_max_num_queries(45):
        builders.booked(staff, *crowd)
    assert OutboxMail.objects.count() == 120
