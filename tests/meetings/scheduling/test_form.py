"""The booking form: what is typed arrives, what is wrong is told beside it, nothing typed is lost."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import ClassGroup, ClassMembership, User
from meetings.invitations.models import OutboxMail
from meetings.permissions.actor import Actor
from meetings.scheduling.models import Meeting
from meetings.scheduling.services import AgendaDraft, Attendee, change_meeting, version_of
from tests.meetings.scheduling import builders

pytestmark = pytest.mark.django_db


def filled(**fields: Any) -> dict[str, Any]:
    return {
        "title": "Waves",
        "date": str(timezone.localdate() + dt.timedelta(days=3)),
        "time": "10:00",
        "duration_minutes": "45",
        "time_zone": "Europe/Berlin",
        "attendees": "",
        "attendees_cohosts": "",
        "agenda_title": [""],
        "agenda_minutes": [""],
        "description": "",
        "lobby_enabled": "on",
        "version": "",
        **fields,
    }


def book(client: Client, **fields: Any) -> Meeting:
    response = client.post("/meetings/new/", filled(**fields))
    assert response.status_code == 302, response.context["form"].errors
    return Meeting.objects.latest("pk")


def fault(client: Client, path: str = "/meetings/new/", **fields: Any) -> dict[str, Any]:
    before = Meeting.objects.count()
    response = client.post(path, filled(**fields))
    assert response.status_code == 200
    assert Meeting.objects.count() == before
    return dict(response.context["form"].errors)


def test_books(staff_client: Client, staff: User) -> None:
    meeting = book(
        staff_client,
        attendees='"Okafor, Jonas" <jonas@example.org>\nanna@example.org, ben@example.org',
        attendees_cohosts="anna@example.org",
        agenda_title=["Look back", "", "Waves"],
        agenda_minutes=["5", "7", ""],
    )
    assert meeting.organizer == staff
    assert meeting.lobby_enabled
    assert not meeting.recording_enabled
    assert meeting.starts_at.astimezone(meeting.zone).hour == 10
    assert set(meeting.invitations.values_list("email", "name", "role")) == {
        ("jonas@example.org", "Okafor, Jonas", "participant"),
        ("anna@example.org", "", "cohost"),
        ("ben@example.org", "", "participant"),
    }
    assert [(item.title, item.minutes) for item in meeting.agenda.all()] == [
        ("Look back", 5),
        ("Waves", None),
    ]


def test_whole_classes_come_without_scripts_too(staff_client: Client) -> None:
    group = ClassGroup.objects.create(name="A")
    for _number in range(3):
        ClassMembership.objects.create(class_group=group, user=builders.person("student"))
    meeting = book(staff_client, attendees=f"class:{group.pk}\nclass:9999")
    assert meeting.invitations.count() == 3
    assert meeting.invitations.exclude(user=None).count() == 3


def test_a_fresh_form_has_ones_own_zone(staff_client: Client, sign_in) -> None:  # type: ignore[no-untyped-def]
    assert staff_client.get("/meetings/new/").context["form"].initial["time_zone"] == "Europe/Berlin"
    # Who chose none is offered the browser's, which only a script can know.
    page = sign_in(builders.person()).get("/meetings/new/")
    assert page.context["form"].initial["time_zone"] == ""
    assert "data-browser-zone" in page.content.decode()


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"title": " "}, "title"),
        ({"date": "2020-01-01"}, "date"),
        ({"date": "31.31.2026"}, "date"),
        ({"date": "9999-12-31", "time": "23:59", "time_zone": "America/New_York"}, "date"),
        ({"time": "25:00"}, "time"),
        ({"duration_minutes": "0"}, "duration_minutes"),
        ({"duration_minutes": "1441"}, "duration_minutes"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"time_zone": ""}, "time_zone"),
        ({"attendees": "anna, ben@example.org"}, "attendees"),
        ({"attendees_cohosts": "anna"}, "attendees"),
        ({"agenda_title": ["One"], "agenda_minutes": ["long"]}, "agenda"),
        ({"agenda_title": ["One"], "agenda_minutes": ["0"]}, "agenda"),
        ({"agenda_title": ["x" * 201], "agenda_minutes": [""]}, "agenda"),
        ({"agenda_title": ["x"] * 51, "agenda_minutes": [""] * 51}, "agenda"),
        ({"description": "x" * 10_001}, "description"),
        ({"attendees": "\n".join(f"p{n}@example.org" for n in range(501))}, "attendees"),
    ],
)
def test_faults_stand_beside_their_field(staff_client: Client, fields: dict[str, Any], where: str) -> None:
    assert list(fault(staff_client, **fields)) == [where]


def test_an_hour_ago_today_is_told_at_the_time(staff_client: Client, staff: User) -> None:
    before = timezone.now().astimezone(staff.zone) - dt.timedelta(minutes=10)
    errors = fault(staff_client, date=str(before.date()), time=f"{before:%H:%M}")
    assert "past" in str(errors)


def test_nothing_typed_is_lost(staff_client: Client) -> None:
    response = staff_client.post(
        "/meetings/new/",
        filled(
            title="",
            attendees="anna@example.org, nobody",
            agenda_title=["Kept <item>", "", ""],
            agenda_minutes=["7", "", ""],
        ),
    )
    page = response.content.decode()
    assert "anna@example.org, nobody" in page
    assert 'value="Kept &lt;item&gt;"' in page
    assert page.count('name="agenda_title"') == 2, "the item and one spare row"
    assert "“nobody” is not an e-mail address" in page


def test_a_time_that_is_skipped_is_moved_and_told(staff_client: Client) -> None:
    year = timezone.now().year + 1
    last_sunday = max(day for day in range(25, 32) if dt.date(year, 3, day).weekday() == 6)
    response = staff_client.post(
        "/meetings/new/", filled(date=f"{year}-03-{last_sunday}", time="02:30"), follow=True
    )
    assert "starts at 03:30" in response.content.decode()
    assert Meeting.objects.get().starts_at == dt.datetime(year, 3, last_sunday, 1, 30, tzinfo=dt.UTC)


def test_a_time_that_comes_twice_is_the_first_and_told(staff_client: Client) -> None:
    year = timezone.now().year + 1
    last_sunday = max(day for day in range(25, 32) if dt.date(year, 10, day).weekday() == 6)
    response = staff_client.post(
        "/meetings/new/", filled(date=f"{year}-10-{last_sunday}", time="02:30"), follow=True
    )
    assert "comes twice" in response.content.decode()
    assert Meeting.objects.get().starts_at == dt.datetime(year, 10, last_sunday, 0, 30, tzinfo=dt.UTC)


def test_a_fresh_form_starts_at_a_half_hour_ahead(staff_client: Client) -> None:
    form = staff_client.get("/meetings/new/").context["form"]
    start = dt.datetime.combine(form.initial["date"], form.initial["time"])
    now = timezone.now().astimezone(builders.zoneinfo_of(form)).replace(tzinfo=None)
    assert start.minute in (0, 30)
    assert dt.timedelta(minutes=28) < start - now <= dt.timedelta(minutes=60)


class TestEdit:
    @pytest.fixture
    def meeting(self, staff: User, student: User) -> Meeting:
        return builders.booked(
            staff,
            Attendee(student.email, cohost=True),
            Attendee("ben@example.org", 'Ben "B", Jr.'),
            agenda=[AgendaDraft("One", 5)],
            starts_at=builders.soon(50),
        )

    def shown(self, client: Client, meeting: Meeting) -> dict[str, Any]:
        """What a browser would send back without a change."""
        form = client.get(f"/meetings/{meeting.pk}/edit/").context["form"]
        initial = form.initial
        return {
            "title": initial["title"],
            "description": initial["description"],
            "date": str(initial["date"]),
            "time": f"{initial['time']:%H:%M}",
            "duration_minutes": str(initial["duration_minutes"]),
            "time_zone": initial["time_zone"],
            "attendees": initial["attendees"]["people"],
            "attendees_cohosts": initial["attendees"]["cohosts"],
            "agenda_title": [title for title, _minutes in initial["agenda"]] + [""],
            "agenda_minutes": [str(minutes or "") for _title, minutes in initial["agenda"]] + [""],
            "lobby_enabled": "on" if initial["lobby_enabled"] else "",
            "recording_enabled": "on" if initial["recording_enabled"] else "",
            "version": initial["version"],
        }

    def test_saving_without_a_change_changes_nothing(self, staff_client: Client, meeting: Meeting) -> None:
        mails = OutboxMail.objects.count()
        response = staff_client.post(f"/meetings/{meeting.pk}/edit/", self.shown(staff_client, meeting))
        assert response.status_code == 302
        assert version_of(Meeting.objects.get()) == version_of(meeting)
        assert OutboxMail.objects.count() == mails

    def test_changes(self, staff_client: Client, meeting: Meeting) -> None:
        data = {**self.shown(staff_client, meeting), "title": "Other", "lobby_enabled": ""}
        assert staff_client.post(f"/meetings/{meeting.pk}/edit/", data).status_code == 302
        now = Meeting.objects.get()
        assert (now.title, now.lobby_enabled, now.sequence) == ("Other", False, 1)

    def test_the_second_of_two_equal_hours_survives_an_edit(self, staff_client: Client, staff: User) -> None:
        year = timezone.now().year + 1
        last_sunday = max(day for day in range(25, 32) if dt.date(year, 10, day).weekday() == 6)
        second = dt.datetime(year, 10, last_sunday, 1, 30, tzinfo=dt.UTC)
        meeting = builders.booked(staff, starts_at=second)
        staff_client.post(
            f"/meetings/{meeting.pk}/edit/", {**self.shown(staff_client, meeting), "title": "Other"}
        )
        assert Meeting.objects.get().starts_at == second
        assert Meeting.objects.get().title == "Other"

    def test_a_running_meeting_can_be_edited(self, staff_client: Client, staff: User) -> None:
        meeting = builders.row(staff, timezone.now() - dt.timedelta(minutes=30))
        data = {**self.shown(staff_client, meeting), "duration_minutes": "90"}
        assert staff_client.post(f"/meetings/{meeting.pk}/edit/", data).status_code == 302
        assert Meeting.objects.get().duration_minutes == 90
        assert Meeting.objects.get().starts_at == meeting.starts_at

    def test_two_editors(self, staff_client: Client, staff: User, meeting: Meeting) -> None:
        data = {**self.shown(staff_client, meeting), "title": "Mine", "description": "My words"}
        change_meeting(
            meeting, actor=Actor(user=staff), title="Theirs", attendees=[Attendee("cleo@example.org")]
        )
        path = f"/meetings/{meeting.pk}/edit/"
        response = staff_client.post(path, data)
        page = response.content.decode()
        assert response.status_code == 409
        assert Meeting.objects.get().title == "Theirs"
        # Told what is there now, with what was typed still in the fields.
        assert ("Title", "Theirs") in response.context["conflict"]
        assert ("People", "cleo@example.org") in response.context["conflict"]
        assert 'value="Mine"' in page
        assert "My words" in page
        # Saving again means it.
        form = response.context["form"]
        again = {**data, "version": form["version"].value()}
        assert staff_client.post(path, again).status_code == 302
        assert Meeting.objects.get().title == "Mine"

    def test_a_cancelled_meeting_has_no_form(self, staff_client: Client, staff: User) -> None:
        meeting = builders.row(staff, builders.soon(), status="cancelled")
        response = staff_client.get(f"/meetings/{meeting.pk}/edit/", follow=True)
        assert "was cancelled" in response.content.decode()
