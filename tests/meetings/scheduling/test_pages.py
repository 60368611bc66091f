"""The pages of meetings: who sees what, and at what cost."""

from __future__ import annotations

import datetime as dt
import re

import icalendar
import pytest
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import AuditEntry, Department, User
from meetings.invitations.models import OutboxMail
from meetings.live.models import Session
from meetings.recordings.models import Recording
from meetings.scheduling.models import Meeting
from meetings.scheduling.services import AgendaDraft, Attendee
from tests.meetings.scheduling import builders

pytestmark = pytest.mark.django_db


def text(client: Client, path: str, status: int = 200) -> str:
    response = client.get(path)
    assert response.status_code == status
    return response.content.decode()


def queries(client: Client, path: str) -> list[str]:
    from django.db import connection

    client.get(path)  # what is cached once for all (content types, templates) does not count
    with CaptureQueriesContext(connection) as captured:
        assert client.get(path).status_code == 200
    return [query["sql"] for query in captured.captured_queries]


@pytest.fixture
def meeting(staff: User, student: User) -> Meeting:
    return builders.booked(
        staff,
        Attendee(student.email),
        Attendee("guest@elsewhere.example", "Guest Gu"),
        description="See https://example.org/x\n<script>alert(1)</script>",
        agenda=[AgendaDraft("Look back", 5)],
    )


class TestRefusals:
    @pytest.mark.parametrize("where", ["", "edit/", "cancel/", "calendar.ics"])
    def test_outsiders_do_not_learn_that_it_exists(self, sign_in, meeting: Meeting, where: str) -> None:  # type: ignore[no-untyped-def]
        client = sign_in(builders.person())
        answers = {
            re.sub(r'value="[^"]*"', "", text(client, f"/meetings/{pk}/{where}", 404))
            for pk in (meeting.pk, 999999)
        }
        assert len(answers) == 1
        if where in ("edit/", "cancel/"):
            assert client.post(f"/meetings/{meeting.pk}/{where}", {"title": "Mine"}).status_code == 404
        assert Meeting.objects.get().title == meeting.title
        assert not Meeting.objects.get().is_cancelled

    @pytest.mark.parametrize("where", ["edit/", "cancel/"])
    def test_participants_may_look_but_not_touch(
        self, sign_in, meeting: Meeting, student: User, where: str
    ) -> None:  # type: ignore[no-untyped-def]
        client = sign_in(student)
        assert text(client, f"/meetings/{meeting.pk}/")
        assert client.get(f"/meetings/{meeting.pk}/{where}").status_code == 403
        before = AuditEntry.objects.count(), OutboxMail.objects.count()
        assert client.post(f"/meetings/{meeting.pk}/{where}", {"title": "Mine"}).status_code == 403
        assert (AuditEntry.objects.count(), OutboxMail.objects.count()) == before
        assert not Meeting.objects.get().is_cancelled

    def test_students_cannot_book(self, sign_in, student: User) -> None:  # type: ignore[no-untyped-def]
        client = sign_in(student)
        assert client.get("/meetings/new/").status_code == 403
        assert client.post("/meetings/new/", {"title": "x"}).status_code == 403
        assert client.get("/meetings/people/?q=lin").status_code == 403
        assert client.get("/meetings/people/?group=class:1").status_code == 403
        assert "/meetings/new/" not in text(client, "/") + text(client, "/meetings/")
        assert not Meeting.objects.exists()

    @pytest.mark.parametrize(
        "where",
        ["/meetings/", "/meetings/new/", "/meetings/people/?q=x", "/meetings/1/", "/meetings/1/edit/"],
    )
    def test_strangers_sign_in_first(self, client: Client, where: str) -> None:
        response = client.get(where)
        assert response.status_code == 302
        assert response["Location"].startswith("/accounts/login/")

    def test_posts_need_the_token(self, meeting: Meeting, staff: User) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(staff, backend="allauth.account.auth_backends.AuthenticationBackend")
        assert client.post(f"/meetings/{meeting.pk}/cancel/").status_code == 403
        assert not Meeting.objects.get().is_cancelled


class TestLanding:
    def test_is_for_strangers(self, client: Client) -> None:
        page = text(client, "/")
        assert 'action="/join/"' in page
        assert "/accounts/login/" in page

    def test_wrong_code(self, client: Client) -> None:
        response = client.post("/join/", {"code": '"><script>'})
        assert response.status_code == 404
        assert 'value="&quot;&gt;&lt;script&gt;"' in response.content.decode()


class TestDashboard:
    def test_empty_pages_teach(self, staff_client: Client, sign_in, student: User) -> None:  # type: ignore[no-untyped-def]
        assert "Book a meeting" in text(staff_client, "/")
        assert "Join with a code" in text(sign_in(student), "/")

    def test_the_next_meeting_is_the_hero(self, staff_client: Client, staff: User, student: User) -> None:
        soon = builders.row(
            staff, timezone.now() + dt.timedelta(minutes=8), title="Soon", recording_enabled=True
        )
        builders.invite(soon, student)
        builders.row(staff, timezone.now() + dt.timedelta(minutes=40), title="Later")
        builders.row(staff, timezone.now() + dt.timedelta(days=3), title="Ahead")
        builders.row(staff, timezone.now() + dt.timedelta(days=30), title="Far off")
        builders.row(staff, timezone.now() + dt.timedelta(minutes=5), title="Called off", status="cancelled")
        builders.row(staff, timezone.now() - dt.timedelta(days=1), title="Gone")
        builders.row(builders.person(), timezone.now() + dt.timedelta(minutes=7), title="Not mine")
        page = text(staff_client, "/")
        assert "Starts in 8 min" in page
        assert page.index("Soon") < page.index("Later") < page.index("Ahead")
        assert not any(title in page for title in ("Far off", "Called off", "Gone", "Not mine"))
        assert f'href="{soon.join_path}" data-join>' in page
        assert "1 invited" in page

    def test_the_door_is_closed_until_a_quarter_before(self, staff_client: Client, staff: User) -> None:
        meeting = builders.row(staff, timezone.now() + dt.timedelta(minutes=20))
        assert f'href="{meeting.join_path}" data-join hidden>' in text(staff_client, "/")
        builders.running(meeting)
        page = text(staff_client, "/")
        assert f'href="{meeting.join_path}" data-join>' in page
        assert "Live now" in page

    def test_people_who_wait_in_the_lobby_do_not_make_it_live(
        self, staff_client: Client, staff: User
    ) -> None:
        meeting = builders.row(staff, timezone.now() + dt.timedelta(minutes=20))
        Session.objects.create(meeting=meeting, opened_at=None)
        assert "Live now" not in text(staff_client, "/")

    def test_running_comes_first_even_beyond_its_end(self, staff_client: Client, staff: User) -> None:
        builders.row(staff, timezone.now() + dt.timedelta(minutes=5), title="Next one")
        late = builders.row(staff, timezone.now() - dt.timedelta(hours=3), title="Overrunning")
        builders.running(late)
        page = text(staff_client, "/")
        assert page.index("Overrunning") < page.index("Next one")

    def test_minutes_and_actions(self, sign_in, staff: User, student: User) -> None:  # type: ignore[no-untyped-def]
        past = builders.row(staff, timezone.now() - dt.timedelta(days=2), title="Lab safety review")
        minutes = builders.held(past, student, owner=student)
        action = student.action_items.get()
        action.due_date = timezone.localdate() - dt.timedelta(days=2)
        action.save()
        page = text(sign_in(student), "/")
        assert f"/minutes/{minutes.pk}/" in page
        assert action.text in page
        assert "2 days late" in page
        assert f'action="/actions/{action.pk}/toggle/"' in page
        others = text(sign_in(builders.person()), "/")
        assert "Lab safety review" not in others
        assert action.text not in others

    def test_costs_the_same_for_1_and_30(self, sign_in, staff: User, student: User) -> None:  # type: ignore[no-untyped-def]
        client = sign_in(student)

        def fill(count: int) -> None:
            for number in range(count):
                ahead = builders.row(builders.person(), timezone.now() + dt.timedelta(minutes=30 + number))
                for one in (student, builders.person(), builders.person(), None):
                    builders.invite(ahead, one)
                past = builders.row(builders.person(), timezone.now() - dt.timedelta(days=number + 1))
                builders.held(past, student, owner=student)

        fill(1)
        few = queries(client, "/")
        fill(29)
        many = queries(client, "/")
        assert len(many) == len(few) <= 13


class TestList:
    def test_tabs(self, staff_client: Client, staff: User) -> None:
        builders.row(staff, builders.soon(), title="Ahead")
        running = builders.row(staff, builders.soon(-5), title="Running")
        builders.running(running)
        builders.row(staff, builders.soon(-30), title="Behind")
        builders.row(staff, builders.soon(), title="Off", status="cancelled")
        shown = {
            show: [
                title
                for title in ("Ahead", "Running", "Behind", "Off<")
                if title in text(staff_client, f"/meetings/?show={show}")
            ]
            for show in ("upcoming", "past", "cancelled", "nonsense")
        }
        assert shown == {
            "upcoming": ["Ahead", "Running"],
            "past": ["Behind"],
            "cancelled": ["Off<"],
            "nonsense": ["Ahead", "Running"],
        }
        assert "badge-live" in text(staff_client, "/meetings/")
        assert "did not take place" in text(staff_client, "/meetings/?show=past")

    def test_pages(self, staff_client: Client, staff: User) -> None:
        for number in range(25):
            builders.row(staff, builders.soon(number + 1), title=f"Number {number:02}")
        assert "Number 19" in text(staff_client, "/meetings/")
        assert "Number 20" not in text(staff_client, "/meetings/")
        assert "Number 20" in text(staff_client, "/meetings/?page=2")
        assert "Number 24" in text(staff_client, "/meetings/?page=999")

    def test_is_in_the_readers_zone(self, sign_in, staff: User) -> None:  # type: ignore[no-untyped-def]
        year = timezone.now().year + 1
        meeting = builders.row(staff, dt.datetime(year, 1, 5, 23, 0, tzinfo=dt.UTC))
        tokyo = builders.person(time_zone="Asia/Tokyo")
        builders.invite(meeting, tokyo)
        page = text(sign_in(tokyo), "/meetings/")
        assert ">08:00<" in page
        assert f"6 Jan {year}" in page

    @pytest.mark.parametrize("show", ["upcoming", "past", "cancelled"])
    def test_costs_the_same_for_1_and_20(self, staff_client: Client, staff: User, show: str) -> None:
        def fill(count: int) -> None:
            for number in range(count):
                start = builders.soon(number + 1) if show == "upcoming" else builders.soon(-number - 20)
                status = "cancelled" if show == "cancelled" else "scheduled"
                meeting = builders.row(staff, start, status=status)
                for one in (builders.person(), builders.person(), None, None):
                    builders.invite(meeting, one)

        fill(1)
        few = queries(staff_client, f"/meetings/?show={show}")
        fill(19)
        many = queries(staff_client, f"/meetings/?show={show}")
        assert len(many) == len(few) <= 6


class TestDetail:
    def test_the_organiser_sees_addresses_and_mails(self, staff_client: Client, meeting: Meeting) -> None:
        OutboxMail.objects.filter(to_email="guest@elsewhere.example").update(
            state="failed", last_error="550 no such user"
        )
        page = text(staff_client, meeting.get_absolute_url())
        assert "guest@elsewhere.example" in page
        assert "Mail failed" in page
        assert "550 no such user" in page
        assert meeting.join_url in page
        assert "<script>alert" not in page
        assert '<a href="https://example.org/x"' in page

    def test_participants_see_people_but_no_addresses(self, sign_in, meeting: Meeting, student: User) -> None:  # type: ignore[no-untyped-def]
        page = text(sign_in(student), meeting.get_absolute_url())
        assert "Guest Gu" in page
        assert "guest@elsewhere.example" not in page
        assert "Mail " not in page.replace("Mail<", "")
        assert "/edit/" not in page
        assert "/cancel/" not in page

    def test_both_zones_where_they_differ(self, sign_in, staff: User) -> None:  # type: ignore[no-untyped-def]
        meeting = builders.row(
            staff, dt.datetime(timezone.now().year + 1, 1, 5, 9, 0, tzinfo=dt.UTC), time_zone="Europe/Berlin"
        )
        for zone, other in (("Asia/Tokyo", True), ("Europe/Paris", False)):
            user = builders.person(time_zone=zone)
            builders.invite(meeting, user)
            page = text(sign_in(user), meeting.get_absolute_url())
            assert zone in page
            assert ("Europe/Berlin" in page) is other

    def test_what_came_of_it(self, sign_in, staff: User, student: User) -> None:  # type: ignore[no-untyped-def]
        meeting = builders.row(staff, builders.soon(-30))
        builders.invite(meeting, student)
        minutes = builders.held(meeting, student)
        recording = Recording.objects.create(session=minutes.session, state="ready")
        failed = Recording.objects.create(session=minutes.session, state="failed")
        page = text(sign_in(student), meeting.get_absolute_url())
        assert f"/minutes/{minutes.pk}/" in page
        assert f"/recordings/{recording.key}/" in page
        assert str(failed.key) not in page
        assert "1 person came" in page
        # A guest of the fixed link may read minutes, but not watch recordings; an admin neither.
        assert f"/recordings/{recording.key}/" not in text(
            sign_in(builders.person("admin")), meeting.get_absolute_url()
        )

    def test_cancelled_says_so(self, staff_client: Client, staff: User) -> None:
        meeting = builders.row(staff, builders.soon(), status="cancelled")
        page = text(staff_client, meeting.get_absolute_url())
        assert "Cancelled" in page
        assert meeting.join_path not in page
        assert "/edit/" not in page

    def test_the_host_may_go_in_early(
        self, staff_client: Client, sign_in, meeting: Meeting, student: User
    ) -> None:  # type: ignore[no-untyped-def]
        assert f'href="{meeting.join_path}" data-join>' in text(staff_client, meeting.get_absolute_url())
        assert f'href="{meeting.join_path}" data-join hidden>' in text(
            sign_in(student), meeting.get_absolute_url()
        )

    def test_calendar_file(self, sign_in, meeting: Meeting, student: User) -> None:  # type: ignore[no-untyped-def]
        response = sign_in(student).get(f"/meetings/{meeting.pk}/calendar.ics")
        (event,) = icalendar.Calendar.from_ical(response.content).walk("VEVENT")
        assert event["UID"] == meeting.uid
        assert str(event["URL"]) == meeting.join_url
        assert response["Content-Disposition"].startswith("attachment")

    def test_costs_the_same_for_1_and_30(self, staff_client: Client, staff: User) -> None:
        meeting = builders.row(staff, builders.soon(-3))
        department = Department.objects.create(name="D")

        def fill(count: int) -> None:
            for _number in range(count):
                user = builders.person(department=department)
                builders.invite(meeting, user)
                minutes = builders.held(meeting, user)
                Recording.objects.create(session=minutes.session, state="ready")

        fill(1)
        few = queries(staff_client, meeting.get_absolute_url())
        fill(29)
        many = queries(staff_client, meeting.get_absolute_url())
        assert len(many) == len(few) <= 10


class TestCancel:
    def test_asks_first_then_cancels(self, staff_client: Client, meeting: Meeting) -> None:
        assert "2 people were invited" in text(staff_client, f"/meetings/{meeting.pk}/cancel/")
        assert not Meeting.objects.get().is_cancelled
        response = staff_client.post(f"/meetings/{meeting.pk}/cancel/", {"note": "Flu"}, follow=True)
        assert "is cancelled" in response.content.decode()
        assert Meeting.objects.get().is_cancelled
        assert "Flu" in OutboxMail.objects.latest("pk").text

    def test_running(self, staff_client: Client, meeting: Meeting) -> None:
        builders.running(meeting)
        page = staff_client.post(f"/meetings/{meeting.pk}/cancel/", follow=True).content.decode()
        assert "End it for all first" in page
        assert not Meeting.objects.get().is_cancelled
