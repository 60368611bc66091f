"""Workers come and go: the row says what is recorded, and they are made to follow it."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone

from media_gateway.signals import node_up
from meetings.live.signals import media_placed
from meetings.recordings import services, tasks
from tests.meetings.minutes import world


@pytest.fixture
def recording(running, nodes):
    return world.recorded(running.session, state="recording")


def test_a_room_on_a_new_worker_is_recorded_there(running, nodes, recording, workers):
    assert services.rearm_recording(running.session) is True
    assert workers.asked == [("recorder-1", "recording.start"), ("media-1", "room.record")]


def test_the_recorder_that_has_the_journal_is_kept_though_another_is_idle(running, nodes, recording, workers):
    type(nodes.elsewhere).objects.filter(name="recorder-2").update(host="alpha")
    services.rearm_recording(running.session)
    assert workers.asked[0][0] == "recorder-1"


def test_a_room_that_moved_to_another_machine_takes_the_recorder_there(running, nodes, recording, workers):
    nodes.media.host = "beta"
    nodes.media.save()
    assert services.rearm_recording(running.session) is True
    recording.refresh_from_db()
    assert recording.node == "recorder-2"
    assert workers.asked[-1] == ("recorder-1", "recording.stop")


def test_nothing_is_armed_when_nothing_runs(running, nodes, workers):
    world.recorded(running.session, state="composing")
    assert services.rearm_recording(running.session) is True
    assert not workers.calls


@pytest.mark.parametrize(("op", "code"), [("recording.start", "unavailable"), ("room.record", "not_found")])
def test_a_worker_that_is_not_ready_is_tried_again(running, nodes, recording, workers, jobs, op, code):
    workers.faults[op] = code
    assert services.rearm_recording(running.session) is False
    tasks.rearm_session(running.session.pk)
    assert recording.__class__.objects.get().state == "recording"


def test_the_job_gives_up_after_a_minute_and_says_so(running, nodes, recording, workers, caplog):
    workers.faults["room.record"] = "not_found"
    tasks.rearm_session.apply((running.session.pk,))  # eager: all tries at once
    assert [op for _node, op in workers.asked].count("room.record") == len(tasks.REARM_AFTER_S) + 1
    assert "no worker could be armed" in caplog.text


def test_a_stop_in_between_disarms_again(running, nodes, recording, workers):
    workers.during["room.record"] = lambda: type(recording).objects.update(state="composing")
    services.rearm_recording(running.session)
    assert workers.asked[-2:] == [("media-1", "room.unrecord"), ("recorder-1", "recording.stop")]


def test_a_placed_room_starts_a_job_only_if_it_is_recorded(running, nodes, jobs):
    media_placed.send(sender=None, session=running.session)
    assert jobs == []
    world.recorded(running.session, state="recording")
    media_placed.send(sender=None, session=running.session)
    assert jobs == [("rearm_session", (running.session.pk,), None)]


def test_a_recorder_that_comes_back_resumes_its_recordings(running, nodes, recording, jobs, workers):
    node_up.send(sender=None, node=nodes.media)
    assert jobs == []
    node_up.send(sender=None, node=nodes.recorder)
    assert jobs == [("rearm_node", ("recorder-1",), None)]
    assert tasks.rearm_node("recorder-1") == 1
    assert jobs[-1] == ("rearm_session", (running.session.pk,), None)
    assert tasks.rearm_node("recorder-2") == 0


def test_housekeeping_picks_up_what_fell_between_two_steps(running, nodes, jobs, workers, events):
    old = timezone.now() - dt.timedelta(minutes=2)
    # A web process died between the row and the workers.
    orphan = world.recorded(running.session, state="recording", node="", started_at=old)
    assert tasks.resume_compositions() == 0
    assert jobs == [("rearm_session", (running.session.pk,), None)]
    # The end of the session was not heard.
    running.session.ended_at = old
    running.session.save()
    tasks.resume_compositions()
    orphan.refresh_from_db()
    assert orphan.state == "composing"
