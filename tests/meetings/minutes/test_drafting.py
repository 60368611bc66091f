"""The draft writes itself from facts, once; and everyone who was there is told, once."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone

from accounts.models import AuditEntry
from meetings.chat.models import ChatMessage, SharedFile
from meetings.invitations.models import OutboxMail
from meetings.live.models import Participant
from meetings.live.signals import session_ended
from meetings.minutes import tasks
from meetings.minutes.facts import attendance_of, facts_of
from meetings.minutes.models import AgendaItem, Minutes
from tests.meetings.minutes import world


def draft(held):
    pk = tasks.draft_minutes(held.session.pk)
    return Minutes.objects.get(pk=pk) if pk else None


def test_agenda_items_become_notes_in_their_order(held):
    AgendaItem.objects.create(meeting=held.meeting, position=2, title="Interference")
    AgendaItem.objects.create(meeting=held.meeting, position=1, title="Waves", minutes=20)
    row = draft(held)
    assert [note.title for note in row.notes.all()] == ["Waves", "Interference"]
    assert row.state == "draft" and row.version == 1


def test_drafting_twice_changes_nothing(held):
    AgendaItem.objects.create(meeting=held.meeting, title="Waves")
    row = draft(held)
    row.notes.update(body="written by hand")
    mails = OutboxMail.objects.count()
    assert draft(held) == row
    assert row.notes.get().body == "written by hand"
    assert OutboxMail.objects.count() == mails
    assert AuditEntry.objects.filter(verb="minutes.draft").count() == 1


def test_a_running_session_gets_none(held):
    held.session.ended_at = None
    held.session.save()
    assert draft(held) is None
    assert not Minutes.objects.exists()


def test_a_session_nobody_entered_gets_none(db):
    session = world.session_of(world.meeting_of(world.person()))
    world.came(session, "Waiting", stays=[], state=Participant.State.LOBBY)
    assert tasks.draft_minutes(session.pk) is None
    assert not Minutes.objects.exists() and not OutboxMail.objects.exists()


def test_a_session_that_is_gone_is_no_error(db):
    assert tasks.draft_minutes(4711) is None


def test_the_end_of_a_session_drafts(held, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        session_ended.send(sender=None, session=held.session)
    assert Minutes.objects.filter(session=held.session).exists()


def test_a_lost_job_is_found_again(held, monkeypatch):
    held.session.ended_at = timezone.now() - dt.timedelta(minutes=5)
    held.session.save()
    assert tasks.draft_missing() == 1
    assert Minutes.objects.filter(session=held.session).exists()
    assert tasks.draft_missing() == 0


@pytest.mark.parametrize("ago", [dt.timedelta(seconds=5), dt.timedelta(days=30)])
def test_what_ended_just_now_or_long_ago_is_left_alone(held, ago):
    held.session.ended_at = timezone.now() - ago
    held.session.save()
    assert tasks.draft_missing() == 0


def test_attendance_adds_up_visits(held):
    people = {row.name: row for row in attendance_of(held.session)}
    assert list(people) == ["Lin Mei", "Jonas Okafor", "Sara Yilmaz", "Ada Lovelace"]
    sara = people["Sara Yilmaz"]
    assert sara.total == dt.timedelta(minutes=50)
    assert (sara.joined_at, sara.left_at, sara.visits) == (world.minutes_after(5), world.minutes_after(60), 2)


def test_an_open_stay_lasts_until_the_end_of_the_session(held):
    late = world.came(held.session, "Late guest", role="guest", stays=[(45, None)])
    row = next(row for row in attendance_of(held.session) if row.participant == late)
    assert row.left_at == world.minutes_after(60)
    assert row.total == dt.timedelta(minutes=15)


def test_who_only_waited_was_not_there(held):
    world.came(held.session, "Refused", stays=[], state=Participant.State.REFUSED)
    assert "Refused" not in [row.name for row in attendance_of(held.session)]


def test_facts_leave_out_what_the_reader_may_not_see(held):
    someone = held.session.participants.first()
    ChatMessage.objects.create(session=held.session, participant=someone, body="Hello")
    SharedFile.objects.create(
        session=held.session, participant=someone, name="a.pdf", size=1, content_type="x/y"
    )
    world.recorded(held.session)
    everything = facts_of(held.session, chat=True, recordings=True)
    assert (len(everything.messages), len(everything.files), len(everything.recordings)) == (1, 1, 1)
    little = facts_of(held.session, chat=False, recordings=False)
    assert (little.messages, little.files, little.recordings) == ([], [], [])
    assert everything.duration == dt.timedelta(hours=1)


def test_very_long_chats_are_cut_and_say_so(held, monkeypatch):
    monkeypatch.setattr("meetings.minutes.facts.MAX_MESSAGES", 3)
    someone = held.session.participants.first()
    for number in range(5):
        ChatMessage.objects.create(session=held.session, participant=someone, body=str(number))
    facts = facts_of(held.session, chat=True, recordings=False)
    assert [message.body for message in facts.messages] == ["0", "1", "2"]
    assert facts.more_messages == 2
