"""The calendar parts, read back by a calendar library and by the rules of the RFCs."""

from __future__ import annotations

import datetime as dt
import zoneinfo

import icalendar
import pytest
from django.utils import timezone, translation
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.models import User
from meetings.invitations.ics import SHOWN_ATTENDEES, build_calendar
from meetings.invitations.models import OutboxMail
from meetings.invitations.vtimezone import observances, vtimezone
from meetings.permissions.actor import Actor
from meetings.scheduling.models import Meeting
from meetings.scheduling.services import Attendee, cancel_meeting, change_meeting
from tests.meetings.scheduling import builders

ZONES = sorted(name for name in zoneinfo.available_timezones() if "/" in name and not name.startswith("Etc/"))
ANNA, BEN = Attendee("anna@example.org", 'Anna “A.” "Q" Keller; x'), Attendee("ben@example.org", "Ben")


def parsed(mail: OutboxMail) -> tuple[icalendar.Calendar, icalendar.Event]:
    calendar = icalendar.Calendar.from_ical(mail.calendar)
    (event,) = calendar.walk("VEVENT")
    return calendar, event


def mail_to(email: str) -> OutboxMail:
    return OutboxMail.objects.filter(to_email=email).latest("pk")


def people(event: icalendar.Event) -> list[icalendar.vCalAddress]:
    found = event.get("ATTENDEE", [])
    return found if isinstance(found, list) else [found]


@pytest.fixture
def meeting(staff: User) -> Meeting:
    # 10:00 in Shanghai; the title has every character that must be escaped.
    start = dt.datetime(timezone.now().year + 1, 7, 6, 2, 0, tzinfo=dt.UTC)
    return builders.booked(
        staff,
        ANNA,
        BEN,
        title="波 waves, tides; \\ more",
        description="One\nTwo",
        starts_at=start,
        time_zone="Asia/Shanghai",
    )


def test_an_invitation_says_all_a_calendar_needs(meeting: Meeting, staff: User) -> None:
    mail = mail_to("anna@example.org")
    calendar, event = parsed(mail)
    assert mail.calendar_method == calendar["METHOD"] == "REQUEST"
    assert calendar["VERSION"] == "2.0"
    assert calendar["PRODID"]
    assert event["UID"] == meeting.uid
    assert event["SEQUENCE"] == 0
    assert event["SUMMARY"] == "波 waves, tides; \\ more"
    assert event["DTSTART"].params["TZID"] == event["DTEND"].params["TZID"] == "Asia/Shanghai"
    assert event["DTSTART"].dt == meeting.starts_at
    assert event["DTEND"].dt - event["DTSTART"].dt == dt.timedelta(minutes=45)
    assert event["DTSTAMP"].dt.tzinfo is not None
    assert event["LAST-MODIFIED"].dt == meeting.updated_at.replace(microsecond=0)
    assert event["STATUS"] == "CONFIRMED"
    assert str(event["ORGANIZER"]) == f"mailto:{staff.email}"
    assert event["ORGANIZER"].params["CN"] == "Lin Mei"
    assert [str(one) for one in people(event)] == ["mailto:anna@example.org", "mailto:ben@example.org"]
    anna = people(event)[0].params
    assert anna["CN"] == "Anna “A.” 'Q' Keller; x"
    assert (anna["ROLE"], anna["PARTSTAT"], anna["RSVP"], anna["CUTYPE"]) == (
        "REQ-PARTICIPANT",
        "NEEDS-ACTION",
        "TRUE",
        "INDIVIDUAL",
    )
    (alarm,) = event.walk("VALARM")
    assert alarm["TRIGGER"].dt == dt.timedelta(minutes=-10)
    assert [zone["TZID"] for zone in calendar.walk("VTIMEZONE")] == ["Asia/Shanghai"]


def test_the_personal_link_is_only_in_ones_own_calendar(meeting: Meeting) -> None:
    anna, ben = mail_to("anna@example.org"), mail_to("ben@example.org")
    links = {}
    for mail in (anna, ben):
        _calendar, event = parsed(mail)
        link = str(event["LOCATION"])
        assert "/j/" in link
        assert link == str(event["URL"]) == str(event["CONFERENCE"])
        assert event["CONFERENCE"].params["VALUE"] == "URI"
        assert event["DESCRIPTION"].startswith("One\nTwo\n\n")
        assert event["DESCRIPTION"].endswith(link)
        assert link in mail.text
        assert link in mail.html
        links[mail.pk] = link
    assert links[anna.pk] not in ben.calendar + ben.text + ben.html
    assert links[ben.pk] not in anna.calendar + anna.text + anna.html


def test_lines_are_folded_and_ended_as_the_rfc_says(meeting: Meeting) -> None:
    text = mail_to("anna@example.org").calendar
    assert "\n" not in text.replace("\r\n", "")
    assert max(len(line.encode()) for line in text.split("\r\n")) <= 75


def test_an_update_has_the_same_uid_and_a_higher_sequence(meeting: Meeting, staff: User) -> None:
    change_meeting(meeting, actor=Actor(user=staff), starts_at=meeting.starts_at + dt.timedelta(hours=2))
    calendar, event = parsed(mail_to("ben@example.org"))
    assert calendar["METHOD"] == "REQUEST"
    assert (event["UID"], event["SEQUENCE"]) == (meeting.uid, 1)
    assert event["DTSTART"].dt == meeting.starts_at + dt.timedelta(hours=2)


def test_cancelling_cancels_for_everybody(meeting: Meeting, staff: User) -> None:
    cancel_meeting(meeting, actor=Actor(user=staff), note="Flu.")
    for email in ("anna@example.org", "ben@example.org"):
        calendar, event = parsed(mail_to(email))
        assert calendar["METHOD"] == "CANCEL"
        assert (event["UID"], event["SEQUENCE"], event["STATUS"]) == (meeting.uid, 1, "CANCELLED")
        assert [str(one) for one in people(event)] == [f"mailto:{email}"]
        assert event["COMMENT"] == "Flu."
        assert not event.walk("VALARM")
        assert "/j/" not in mail_to(email).calendar + mail_to(email).text


def test_uninviting_one_leaves_the_meeting_standing(meeting: Meeting, staff: User) -> None:
    change_meeting(meeting, actor=Actor(user=staff), attendees=[BEN], title="Secret new title")
    mail = mail_to("anna@example.org")
    calendar, event = parsed(mail)
    assert calendar["METHOD"] == "CANCEL"
    assert event["SEQUENCE"] == 1
    # RFC 5546 section 3.2.5: no STATUS when only this attendee is concerned.
    assert "STATUS" not in event
    assert [str(one) for one in people(event)] == ["mailto:anna@example.org"]
    # What it is called now is no longer theirs to know.
    assert "Secret" not in mail.calendar + mail.text + mail.html + mail.subject
    assert event["SUMMARY"] == meeting.title


def test_large_meetings_show_nobody_the_whole_list(staff: User) -> None:
    builders.booked(staff, *[Attendee(f"p{number}@example.org") for number in range(SHOWN_ATTENDEES + 1)])
    mail = mail_to("p7@example.org")
    assert "p8@example.org" not in mail.calendar
    _calendar, event = parsed(mail)
    assert [str(one) for one in people(event)] == ["mailto:p7@example.org"]


def test_a_file_to_save_schedules_nothing(meeting: Meeting) -> None:
    calendar = icalendar.Calendar.from_ical(
        build_calendar(meeting, method="PUBLISH", join_url=meeting.join_url)
    )
    (event,) = calendar.walk("VEVENT")
    assert calendar["METHOD"] == "PUBLISH"
    assert "ATTENDEE" not in event
    assert str(event["URL"]) == meeting.join_url


def test_the_second_of_two_equal_hours_is_written_in_utc(staff: User) -> None:
    year = timezone.now().year + 1
    last_sunday = max(day for day in range(25, 32) if dt.date(year, 10, day).weekday() == 6)
    second = dt.datetime(year, 10, last_sunday, 1, 30, tzinfo=dt.UTC)  # 02:30 for the second time in Berlin
    meeting = builders.booked(staff, ANNA, starts_at=second, time_zone="Europe/Berlin")
    text = mail_to("anna@example.org").calendar
    assert f"DTSTART:{second:%Y%m%dT%H%M%SZ}" in text
    assert "DTEND;TZID=Europe/Berlin:" in text
    _calendar, event = parsed(mail_to("anna@example.org"))
    assert event["DTSTART"].dt == meeting.starts_at


def test_words_are_the_readers(meeting: Meeting) -> None:
    with translation.override("zh-hans"):
        text = build_calendar(meeting, method="PUBLISH", join_url="https://x.example/")
    assert icalendar.Calendar.from_ical(text)


def offset_by_calendar(zone: icalendar.Timezone, local: dt.datetime) -> dt.timedelta:
    """The offset a calendar program finds for a wall-clock time: that of the last observance begun before it
    (RFC 5545 section 3.6.5, DTSTART being on the clock before the change)."""
    begun = [part for part in zone.subcomponents if part["DTSTART"].dt <= local]
    return max(begun, key=lambda part: part["DTSTART"].dt)["TZOFFSETTO"].td


@settings(max_examples=300, deadline=None)
@given(
    st.datetimes(min_value=dt.datetime(1975, 1, 1), max_value=dt.datetime(2037, 1, 1)),
    st.sampled_from(ZONES),
)
def test_vtimezone_gives_the_moment_the_portal_means(moment: dt.datetime, name: str) -> None:
    zone = zoneinfo.ZoneInfo(name)
    utc = moment.replace(tzinfo=dt.UTC, microsecond=0)
    local = utc.astimezone(zone)
    part = icalendar.Calendar.from_ical(
        b"BEGIN:VCALENDAR\r\n" + vtimezone(zone, utc, utc).to_ical() + b"END:VCALENDAR\r\n"
    ).walk("VTIMEZONE")[0]
    if local.fold or local.replace(fold=1).utcoffset() != local.utcoffset():
        return  # wall clocks that are shown twice are written in UTC, or are the first
    assert offset_by_calendar(part, local.replace(tzinfo=None)) == local.utcoffset()


def test_a_change_begins_on_the_clock_before_it() -> None:
    spring = next(one for one in observances("Europe/Berlin", 2026, 2027) if one.daylight)
    assert spring.start == dt.datetime(2026, 3, 29, 2, 0)
    assert (spring.before, spring.after) == (dt.timedelta(hours=1), dt.timedelta(hours=2))
    assert spring.name == "CEST"
