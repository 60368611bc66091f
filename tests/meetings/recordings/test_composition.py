"""One composer at a time, tried again on failure, never half a film, and the raw tracks stay."""

from __future__ import annotations

import datetime as dt
import threading
from types import SimpleNamespace

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import AuditEntry
from media_gateway.recorder import compose as composer
from meetings.permissions.actor import SYSTEM
from meetings.permissions.decide import Refused
from meetings.recordings import composition, tasks
from meetings.recordings.errors import RecordingConflict
from meetings.recordings.models import Recording
from tests.meetings.minutes import world


@pytest.fixture
def waiting(running, workers):
    """A stopped recording with raw tracks on disk."""
    recording = world.recorded(running.session, state="composing")
    recording.directory.mkdir(parents=True)
    (recording.directory / "track-1.plj").write_bytes(b"packets")
    return recording


@pytest.fixture
def studio(monkeypatch):
    """Stands for the composer: writes a small file; `calls` has its arguments, `faults` what it raises in
    turn.
    """
    made = SimpleNamespace(calls=[], faults=[], during=lambda _progress: None)

    def compose(directory, output, *, progress, **options):
        made.calls.append({"directory": directory, "output": output, **options})
        progress(0.5)
        made.during(progress)
        output.write_bytes(b"film")
        if made.faults:
            raise made.faults.pop(0)
        return SimpleNamespace(duration_s=20.0, width=1280, height=720, size_bytes=4)

    monkeypatch.setattr(composer, "compose", compose)
    monkeypatch.setattr(composer, "make_poster", lambda video, image: image.write_bytes(b"picture"))
    return made


def files(recording):
    return sorted(path.name for path in recording.directory.iterdir())


def test_a_film_is_made_from_the_recorded_time(waiting, studio, running, workers):
    tasks.compose_recording(waiting.pk)
    waiting.refresh_from_db()
    assert (waiting.state, waiting.progress, waiting.attempts) == ("ready", 1.0, 1)
    assert (waiting.duration_seconds, waiting.size_bytes, waiting.error, waiting.claim) == (20.0, 4, "", None)
    assert files(waiting) == ["poster.jpg", "recording.mp4", "track-1.plj"]
    [call] = studio.calls
    assert call["directory"] == waiting.directory and call["title"] == "Physics 101"
    assert call["stopped_at_ns"] - call["started_at_ns"] == 20 * 60 * 10**9
    assert call["started_at_ns"] == int(world.minutes_after(5).timestamp()) * 10**9
    assert call["participants"][running.people["sara"].public_id] == "Sara Yilmaz"
    assert AuditEntry.objects.get(verb="recording.ready").actor is None


def test_the_recorder_writes_everything_down_first(waiting, studio, workers):
    tasks.compose_recording(waiting.pk)
    assert workers.calls[0] == ("recorder-1", "recording.stop", None, {"recording": str(waiting.key)})


def test_a_recorder_that_is_gone_does_not_hold_it_up(waiting, studio, workers):
    workers.faults["recording.stop"] = "unavailable"
    tasks.compose_recording(waiting.pk)
    waiting.refresh_from_db()
    assert waiting.state == "ready"


@pytest.mark.parametrize("state", ["recording", "ready", "failed"])
def test_only_what_waits_is_composed(running, studio, workers, state):
    recording = world.recorded(running.session, state=state)
    tasks.compose_recording(recording.pk)
    assert studio.calls == []


def test_what_is_gone_is_no_error(db, studio):
    tasks.compose_recording(4711)
    assert studio.calls == []


def test_a_claim_is_given_once_until_it_is_stale(waiting):
    first = composition.claim(waiting.pk)
    assert first is not None and first.attempts == 1
    assert composition.claim(waiting.pk) is None
    Recording.objects.update(claimed_at=timezone.now() - composition.STALE_AFTER - dt.timedelta(seconds=1))
    second = composition.claim(waiting.pk)
    assert second is not None and second.claim != first.claim


@pytest.mark.django_db(transaction=True)
def test_of_many_composers_one_gets_the_claim(waiting):
    got = []
    gate = threading.Barrier(4)

    def attempt():
        try:
            gate.wait(timeout=10)
            got.append(composition.claim(waiting.pk))
        finally:
            connection.close()

    threads = [threading.Thread(target=attempt) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(got) == 4 and sum(claim is not None for claim in got) == 1


def test_who_lost_the_claim_stops_and_leaves_nothing(waiting, studio):
    other = {}

    def stolen(_progress):
        Recording.objects.update(claimed_at=timezone.now() - dt.timedelta(hours=1))
        other["claim"] = composition.claim(waiting.pk)

    studio.during = stolen
    tasks.compose_recording(waiting.pk)
    waiting.refresh_from_db()
    assert waiting.state == "composing" and waiting.claim == other["claim"].claim
    assert files(waiting) == ["track-1.plj"]


def test_progress_is_written_at_most_once_a_second(waiting, monkeypatch, django_assert_num_queries):
    claimed = composition.claim(waiting.pk)
    now = iter([100.0, 100.2, 100.9, 101.1, 250.0])
    monkeypatch.setattr(composition, "monotonic", lambda: next(now))
    report = composition.reporter(claimed)
    with django_assert_num_queries(3):
        for share in (0.1, 0.2, 0.3, 0.4, 7.0):
            report(share)
    waiting.refresh_from_db()
    assert waiting.progress == 1.0


def test_progress_of_a_deleted_recording_ends_the_work(waiting):
    claimed = composition.claim(waiting.pk)
    Recording.objects.all().delete()
    with pytest.raises(composition.ClaimLost):
        composition.reporter(claimed)(0.5)


def test_a_recording_deleted_meanwhile_is_not_resurrected(waiting, studio, workers):
    studio.during = lambda _progress: Recording.objects.all().delete()
    tasks.compose_recording(waiting.pk)
    assert not Recording.objects.exists()
    assert files(waiting) == ["track-1.plj"]


@pytest.mark.django_db(transaction=True)
def test_a_long_silent_step_keeps_the_claim(waiting, monkeypatch):
    monkeypatch.setattr(composition, "SIGN_EVERY_S", 0.05)
    claimed = composition.claim(waiting.pk)
    Recording.objects.update(claimed_at=world.NINE)
    with composition.signs_of_life(claimed):
        for _ in range(100):
            if Recording.objects.get().claimed_at > world.NINE:
                break
            threading.Event().wait(0.05)
    assert Recording.objects.get().claimed_at > world.NINE


def test_a_failure_is_tried_again_later_with_the_error_kept(waiting, studio, jobs):
    studio.faults = [OSError("disk full")]
    tasks.compose_recording(waiting.pk)
    waiting.refresh_from_db()
    assert waiting.state == "composing" and waiting.error == "OSError: disk full" and waiting.claim is None
    assert jobs == [("compose_recording", (waiting.pk,), composition.BACKOFF_S[0] + 1)]
    assert files(waiting) == ["track-1.plj"]
    # Nobody takes it before the time has come, also not the periodic search.
    assert composition.claim(waiting.pk) is None
    later = timezone.now() + dt.timedelta(seconds=composition.BACKOFF_S[0] + 1)
    assert waiting.claimed_at + composition.STALE_AFTER < later


def again(waiting):
    Recording.objects.update(claimed_at=None)
    tasks.compose_recording(waiting.pk)
    waiting.refresh_from_db()


def test_after_three_failures_it_has_failed_and_the_tracks_stay(waiting, studio, jobs):
    studio.faults = [ValueError("one"), ValueError("two"), ValueError("three")]
    for _ in range(3):
        again(waiting)
    assert (waiting.state, waiting.attempts, waiting.error) == ("failed", 3, "ValueError: three")
    assert [countdown for _name, _args, countdown in jobs] == [
        seconds + 1 for seconds in composition.BACKOFF_S
    ]
    assert files(waiting) == ["track-1.plj"]
    assert AuditEntry.objects.filter(verb="recording.failed").count() == 1
    again(waiting)
    assert len(studio.calls) == 3


def test_a_success_after_a_failure_forgets_the_error(waiting, studio, jobs):
    studio.faults = [ValueError("one")]
    again(waiting)
    again(waiting)
    assert (waiting.state, waiting.error, waiting.attempts) == ("ready", "", 2)


def test_a_failed_poster_is_a_failed_attempt(waiting, studio, jobs, monkeypatch):
    def broken(_video, _image):
        raise OSError("no picture")

    monkeypatch.setattr(composer, "make_poster", broken)
    tasks.compose_recording(waiting.pk)
    waiting.refresh_from_db()
    assert waiting.state == "composing" and files(waiting) == ["track-1.plj"]


# --- found again ---------------------------------------------------------------------------------------


def test_lost_jobs_and_killed_workers_are_found(waiting, running, jobs):
    Recording.objects.update(stopped_at=timezone.now() - dt.timedelta(minutes=5))
    killed = world.recorded(running.session, state="composing")
    Recording.objects.filter(pk=killed.pk).update(
        stopped_at=timezone.now() - dt.timedelta(minutes=5),
        claimed_at=timezone.now() - dt.timedelta(minutes=5),
    )
    alive = world.recorded(running.session, state="composing")
    Recording.objects.filter(pk=alive.pk).update(
        stopped_at=timezone.now() - dt.timedelta(minutes=5), claimed_at=timezone.now()
    )
    fresh = world.recorded(running.session, state="composing", stopped_at=timezone.now())
    assert tasks.resume_compositions() == 2
    started = {args[0] for _name, args, _countdown in jobs}
    assert started == {waiting.pk, killed.pk} and fresh.pk not in started


# --- again ---------------------------------------------------------------------------------------------


@pytest.fixture
def failed(waiting):
    Recording.objects.update(state="failed", attempts=3, error="ValueError: three")
    waiting.refresh_from_db()
    (waiting.directory / "track-1.plj").unlink()
    return waiting


@pytest.fixture
def with_tracks(monkeypatch):
    monkeypatch.setattr(composition, "has_tracks", lambda _directory: True)


def test_participants_do_not_compose_again(failed, running, with_tracks, jobs):
    with pytest.raises(Refused):
        composition.compose_again(failed, actor=world.by(running.sara))
    failed.refresh_from_db()
    assert failed.state == "failed" and jobs == []


@pytest.mark.parametrize("who", ["host", "admin"])
def test_composing_again_starts_over(
    failed, running, with_tracks, jobs, who, django_capture_on_commit_callbacks
):
    user = running.mei if who == "host" else world.person(role="admin")
    with django_capture_on_commit_callbacks(execute=True):
        composition.compose_again(failed, actor=world.by(user))
    failed.refresh_from_db()
    assert (failed.state, failed.attempts, failed.error) == ("composing", 0, "")
    assert jobs == [("compose_recording", (failed.pk,), None)]
    assert AuditEntry.objects.get(verb="recording.compose_again").actor == user


def test_without_raw_tracks_there_is_nothing_to_compose(failed):
    with pytest.raises(RecordingConflict, match="raw tracks"):
        composition.compose_again(failed, actor=SYSTEM)


@pytest.mark.parametrize("state", ["recording", "composing"])
def test_what_is_on_its_way_is_not_started_again(running, with_tracks, state):
    recording = world.recorded(running.session, state=state)
    with pytest.raises(RecordingConflict):
        composition.compose_again(recording, actor=SYSTEM)


def test_tracks_are_told_from_other_files(tmp_path):
    from media_gateway.recorder.journal import SUFFIX

    assert not composition.has_tracks(tmp_path / "missing")
    (tmp_path / "recording.mp4").touch()
    assert not composition.has_tracks(tmp_path)
    (tmp_path / f"a{SUFFIX}").touch()
    assert composition.has_tracks(tmp_path)
