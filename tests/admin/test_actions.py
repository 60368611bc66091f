"""Actions of the administration: ask first, do it through the services, leave an audit row."""

from __future__ import annotations

import datetime as dt

import pytest
from axes.models import AccessAttempt
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry
from meetings.invitations.models import OutboxMail
from meetings.recordings import composition
from meetings.recordings.models import Recording
from meetings.scheduling.models import Meeting
from tests.meetings.minutes import world


def act(client, model, action, *rows, confirmed=True):
    url = reverse(f"admin:{model}_changelist")
    data = {"action": action, "_selected_action": [str(row.pk) for row in rows]}
    if confirmed:
        data["confirmed"] = "yes"
    return client.post(url, data, follow=True)


@pytest.fixture
def live(root):
    meeting = world.meeting_of(world.person("Lin Mei"))
    session = world.session_of(meeting, ended=False)
    world.came(session, meeting.organizer, role="host", stays=[(0, None)], state="in")
    return session


ASKING = [
    ("meetings_session", "end", "End these sessions?"),
    ("meetings_meeting", "cancel", "Cancel these meetings?"),
    ("meetings_recording", "compose_again", "Prepare these recordings again?"),
    ("meetings_recording", "delete_recordings", "Delete these recordings?"),
]


@pytest.mark.parametrize(("model", "action", "question"), ASKING)
def test_consequences_are_asked_about_first(office, filled, live, model, action, question):
    row = {"meetings_session": live, "meetings_meeting": filled.meeting}.get(model, filled.recording)
    page = act(office, model, action, row, confirmed=False).content.decode()
    assert question in page and str(row) in page and 'name="confirmed" value="yes"' in page
    live.refresh_from_db()
    assert live.ended_at is None
    assert Recording.objects.get(pk=filled.recording.pk).state == "failed"
    assert not Meeting.objects.filter(status="cancelled").exists()


@pytest.mark.parametrize(("model", "action", "question"), ASKING)
def test_only_administrators_act(filled, live, model, action, question):
    for user in (world.person(), filled.mei):
        act(world.browser(user), model, action, filled.recording)
    live.refresh_from_db()
    assert live.ended_at is None and Recording.objects.filter(pk=filled.recording.pk, state="failed").exists()


def test_ending_a_session(office, live, root):
    page = act(office, "meetings_session", "end", live).content.decode()
    assert "1 session is ended." in page
    live.refresh_from_db()
    assert live.ended_at is not None and live.end_reason == "admin"
    assert AuditEntry.objects.get(verb="session.end").actor == root
    again = act(office, "meetings_session", "end", live).content.decode()
    assert "session is ended." not in again
    assert AuditEntry.objects.filter(verb="session.end").count() == 1


def test_the_live_filter_and_counts(office, live, filled):
    world.came(live, "Guest", role="guest", stays=[(0, None)], state="in")
    response = office.get(reverse("admin:meetings_session_changelist") + "?live=yes")
    [row] = response.context["cl"].result_list
    assert row == live and row.here_count == 2
    response = office.get(reverse("admin:meetings_session_changelist") + "?live=no")
    assert [row.pk for row in response.context["cl"].result_list] == [filled.session.pk]


def test_cancelling_a_meeting_goes_through_the_service(office, root):
    start = timezone.now() + dt.timedelta(days=3)
    meeting = world.meeting_of(world.person(), starts_at=start)
    world.invite(meeting, world.person())
    page = act(office, "meetings_meeting", "cancel", meeting).content.decode()
    assert "1 meeting is cancelled." in page
    meeting.refresh_from_db()
    assert meeting.is_cancelled
    assert AuditEntry.objects.filter(actor=root, target_id=str(meeting.pk)).exists()
    assert OutboxMail.objects.filter(meeting=meeting, calendar_method="CANCEL").exists()


def test_what_a_service_refuses_is_told(office, filled):
    page = act(office, "meetings_meeting", "cancel", filled.meeting).content.decode()  # it was held already
    assert "errorlist" in page or "error" in page
    filled.meeting.refresh_from_db()
    assert not filled.meeting.is_cancelled


def test_composing_again(office, filled, root, monkeypatch, django_capture_on_commit_callbacks):
    started = []
    monkeypatch.setattr(composition, "start_job", lambda task, *args, **_options: started.append(args))
    monkeypatch.setattr(composition, "has_tracks", lambda _directory: True)
    with django_capture_on_commit_callbacks(execute=True):
        page = act(office, "meetings_recording", "compose_again", filled.recording).content.decode()
    assert "1 recording is being prepared again." in page
    filled.recording.refresh_from_db()
    assert filled.recording.state == "composing" and started == [(filled.recording.pk,)]
    assert AuditEntry.objects.get(verb="recording.compose_again").actor == root


def test_composing_again_without_tracks_says_why(office, filled):
    page = act(office, "meetings_recording", "compose_again", filled.recording).content.decode()
    assert "raw tracks of this recording are gone" in page and "being prepared again" not in page


def test_deleting_recordings(office, filled, root):
    page = act(office, "meetings_recording", "delete_recordings", filled.recording).content.decode()
    assert "1 recording is deleted." in page
    assert not Recording.objects.exists()
    assert AuditEntry.objects.get(verb="recording.delete").actor == root


def test_failed_mails_are_sent_again(office, filled, root, monkeypatch):
    page = act(office, "meetings_outboxmail", "send_again", filled.mail).content.decode()
    assert "1 mail is sent again." in page
    filled.mail.refresh_from_db()
    assert filled.mail.state == "pending"
    assert AuditEntry.objects.get(verb="mail.retry").actor == root
    assert "sent again." not in act(office, "meetings_outboxmail", "send_again", filled.mail).content.decode()


def test_unlocking_sign_in(office, filled, root):
    AccessAttempt.objects.create(username=filled.sara.email, ip_address="192.0.2.1", failures_since_start=10)
    page = act(office, "accounts_user", "unlock_sign_in", filled.sara, filled.mei).content.decode()
    assert "1 person can sign in again." in page
    assert not AccessAttempt.objects.exists()
    assert AuditEntry.objects.get(verb="user.unlock").target_id == str(filled.sara.pk)
