"""Recording starts and stops for those who may, once, wholly or not at all."""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from accounts.models import AuditEntry
from meetings.live.payloads import live_json
from meetings.live.signals import session_ended
from meetings.permissions.actor import SYSTEM
from meetings.permissions.decide import Refused
from meetings.recordings import services
from meetings.recordings.errors import MediaUnavailable, RecordingConflict, SessionOver
from meetings.recordings.models import Recording
from tests.meetings.minutes import world


@pytest.fixture
def commit(django_capture_on_commit_callbacks):
    """Run what waits for the commit."""
    return lambda: django_capture_on_commit_callbacks(execute=True)


def start(running, who="mei"):
    actor = world.by(getattr(running, who), participant=running.people.get(who))
    return services.start_recording(running.session, actor=actor)


# --- refusals ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["sara", "tom"])
def test_participants_and_strangers_do_not_record(running, nodes, workers, events, who):
    with pytest.raises(Refused) as refused:
        start(running, who)
    assert refused.value.decision.rule == "recording.control"
    assert not Recording.objects.exists() and not workers.calls and not events
    assert not AuditEntry.objects.exists()


def test_nobody_records_where_recording_is_switched_off(running, nodes, workers):
    running.meeting.recording_enabled = False
    running.meeting.save()
    running.session.refresh_from_db()
    with pytest.raises(Refused) as refused:
        services.start_recording(running.session, actor=world.by(running.mei))
    assert refused.value.decision.rule == "meeting.recording_enabled"
    assert not Recording.objects.exists() and not workers.calls


def test_participants_do_not_stop(running, nodes, workers, events):
    recording = start(running)
    with pytest.raises(Refused):
        services.stop_recording(
            running.session, actor=world.by(running.sara, participant=running.people["sara"])
        )
    recording.refresh_from_db()
    assert recording.state == "recording"


def test_an_ended_session_is_not_recorded(running, nodes, workers):
    running.session.ended_at = world.minutes_after(60)
    running.session.save()
    with pytest.raises(SessionOver) as over:
        start(running)
    assert over.value.code == "ended"
    assert not Recording.objects.exists() and not workers.calls


def test_a_second_press_is_a_conflict_and_the_first_goes_on(running, nodes, workers, events):
    first = start(running)
    with pytest.raises(RecordingConflict) as conflict:
        start(running, "jonas")
    assert conflict.value.code == "conflict"
    assert Recording.objects.get() == first
    assert [op for _node, op in workers.asked] == ["recording.start", "room.record"]


def test_stopping_nothing_is_a_conflict(running, nodes, workers):
    with pytest.raises(RecordingConflict):
        services.stop_recording(running.session, actor=world.by(running.mei))


def test_the_door_is_told_when_recording_begins_and_ends(
    running, nodes, workers, events, commit, monkeypatch
):
    told = []
    monkeypatch.setattr(services, "announce_live", lambda session: told.append(live_json(session.meeting)))
    with commit():
        start(running)
    with commit():
        services.stop_recording(running.session, actor=world.by(running.mei))
    assert [live["recording"] for live in told] == [True, False]


# --- what happens --------------------------------------------------------------------------------------


def test_start_asks_the_recorder_then_the_media_worker(running, nodes, workers, events, commit):
    with commit():
        recording = start(running)
    key, room = str(recording.key), str(running.session.room_id)
    assert workers.calls == [
        ("recorder-1", "recording.start", None, {"recording": key, "directory": key}),
        (
            "media-1",
            "room.record",
            room,
            {"recording": key, "address": ["127.0.0.1", 4242], "token": "00112233aabbccdd"},
        ),
    ]
    recording.refresh_from_db()
    assert (recording.state, recording.node, recording.started_by) == (
        "recording",
        "recorder-1",
        running.people["mei"],
    )
    entry = AuditEntry.objects.get(verb="recording.start")
    assert entry.actor == running.mei and entry.ip == "192.0.2.7"
    [(kind, data)] = events
    assert kind == "recording.changed"
    assert data["recording"]["id"] == key and data["recording"]["started_by"] == "Lin Mei"


def test_before_anybody_has_media_the_recorder_alone_is_armed(running, nodes, workers, events):
    running.session.node = ""
    running.session.save()
    start(running)
    # Any machine's recorder will do: the least busy one.
    assert workers.asked == [("recorder-2", "recording.start")]


def test_a_room_that_is_not_there_yet_is_tried_again_soon(running, nodes, workers, events, jobs, commit):
    workers.faults["room.record"] = "not_found"
    with commit():
        start(running)
    assert Recording.objects.get().state == "recording"
    assert jobs == [("rearm_session", (running.session.pk,), 1)]


def test_stop_composes_and_tells_everybody(running, nodes, workers, events, jobs, commit):
    recording = start(running)
    workers.calls.clear()
    with commit():
        stopped = services.stop_recording(running.session, actor=world.by(running.jonas))
    assert stopped.state == "composing" and stopped.stopped_at is not None
    assert workers.asked == [("media-1", "room.unrecord"), ("recorder-1", "recording.stop")]
    assert events[-1] == ("recording.changed", {"recording": None})
    assert jobs == [("compose_recording", (recording.pk,), None)]
    assert AuditEntry.objects.get(verb="recording.stop").actor == running.jonas


def test_a_stop_holds_even_if_the_workers_cannot_be_told(
    running, nodes, workers, events, jobs, commit, monkeypatch
):
    start(running)
    monkeypatch.setattr(
        "media_gateway.client.tell", lambda *_a, **_k: (_ for _ in ()).throw(OSError("no broker"))
    )
    with commit():
        services.stop_recording(running.session, actor=world.by(running.mei))
    assert Recording.objects.get().state == "composing"


def test_after_a_stop_one_may_record_again(running, nodes, workers, events):
    start(running)
    services.stop_recording(running.session, actor=world.by(running.mei))
    start(running)
    assert sorted(Recording.objects.values_list("state", flat=True)) == ["composing", "recording"]


def test_the_end_of_the_session_stops_it_whatever_the_settings_say(
    running, nodes, workers, events, jobs, commit
):
    start(running)
    running.meeting.recording_enabled = False
    running.meeting.save()
    with commit():
        session_ended.send(sender=None, session=running.session)
    assert Recording.objects.get().state == "composing"
    assert AuditEntry.objects.get(verb="recording.stop").actor_label == "system"
    assert services.stop_with_session(running.session, actor=SYSTEM) is None


# --- failures leave nothing half started ---------------------------------------------------------------


def nothing_is_left(settings):
    folder = settings.RECORDINGS_DIR
    return not Recording.objects.exists() and (not folder.exists() or not list(folder.iterdir()))


def test_without_a_recorder_there_is_a_clear_error(running, workers, events, settings):
    with pytest.raises(MediaUnavailable) as error:
        start(running)
    assert error.value.code == "media_unavailable" and "try again" in error.value.message
    assert nothing_is_left(settings) and not events and not workers.calls


@pytest.mark.parametrize("state", ["draining", "down"])
def test_a_recorder_that_leaves_is_not_chosen(running, nodes, workers, state):
    nodes.recorder.state = state
    nodes.recorder.save()
    with pytest.raises(MediaUnavailable):
        start(running)
    # recorder-2 runs, but on another machine than the room's media worker.
    assert not workers.calls


@pytest.mark.parametrize("code", ["unavailable", "no_space", "internal"])
def test_a_recorder_that_refuses_leaves_nothing(running, nodes, workers, events, settings, code):
    workers.faults["recording.start"] = code
    with pytest.raises(MediaUnavailable):
        start(running)
    assert nothing_is_left(settings) and not events
    assert AuditEntry.objects.get().verb == "recording.start_failed"


def test_a_recorder_that_answers_too_late_is_told_to_stop(running, nodes, workers, settings):
    workers.faults["recording.start"] = "timeout"
    with pytest.raises(MediaUnavailable):
        start(running)
    assert workers.asked == [("recorder-1", "recording.start"), ("recorder-1", "recording.stop")]
    assert nothing_is_left(settings)


def test_a_media_worker_that_refuses_undoes_the_recorder(running, nodes, workers, events, settings):
    workers.faults["room.record"] = "internal"
    with pytest.raises(MediaUnavailable):
        start(running)
    assert workers.asked[-2:] == [("media-1", "room.unrecord"), ("recorder-1", "recording.stop")]
    assert nothing_is_left(settings) and not events


def test_an_unexpected_fault_leaves_nothing_either(running, nodes, workers, settings, monkeypatch):
    def broken(*_args, **_options):
        raise RuntimeError("broker gone")

    monkeypatch.setattr("media_gateway.client.sync_request", broken)
    with pytest.raises(RuntimeError):
        start(running)
    assert nothing_is_left(settings)


def test_a_session_that_ends_while_it_starts_disarms_the_workers(running, nodes, workers, events):
    def end():
        Recording.objects.update(state="composing")

    workers.during["room.record"] = end
    with pytest.raises(SessionOver):
        start(running)
    assert workers.asked[-2:] == [("media-1", "room.unrecord"), ("recorder-1", "recording.stop")]
    assert not events


@pytest.mark.django_db(transaction=True)
def test_of_two_hosts_at_the_same_moment_one_starts(running, nodes, workers, events):
    outcomes = []
    gate = threading.Barrier(2)

    def press(who):
        try:
            gate.wait(timeout=10)
            start(running, who)
            outcomes.append("started")
        except RecordingConflict:
            outcomes.append("conflict")
        finally:
            connection.close()

    threads = [threading.Thread(target=press, args=(who,)) for who in ("mei", "jonas")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert sorted(outcomes) == ["conflict", "started"]
    assert Recording.objects.count() == 1
    assert [op for _node, op in workers.asked].count("recording.start") == 1
