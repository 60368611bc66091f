"""From journaled tracks to one MP4: claimed by exactly one composer, repeated on failure, never half done.

A claim is a token in the row plus the time of its last sign of life. A worker that is killed stops giving
signs, so another may claim after STALE_AFTER. The file is made under a name of its own and takes its place
only while the claim still holds.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import os
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.audit import record
from meetings.jobs import start_job
from meetings.live.models import Participant
from meetings.permissions.actor import Actor
from meetings.permissions.capabilities import Capability
from meetings.permissions.decide import Refused, decide
from meetings.recordings import gateway
from meetings.recordings.errors import RecordingConflict
from meetings.recordings.models import Recording

log = logging.getLogger(__name__)
STALE_AFTER = dt.timedelta(seconds=90)
SIGN_EVERY_S = 15.0
PROGRESS_EVERY_S = 1.0
MAX_ATTEMPTS = 3
BACKOFF_S = (20, 120)


class ClaimLost(Exception):
    """Another composer has the row now, or it was deleted: stop and leave nothing behind."""


def due_compositions() -> QuerySet[Recording]:
    """Recordings that wait for a composer: never claimed, or claimed by one that gives no sign any more."""
    stale = timezone.now() - STALE_AFTER
    return Recording.objects.filter(state=Recording.State.COMPOSING).filter(
        Q(claimed_at=None) | Q(claimed_at__lt=stale)
    )


def claim(recording_id: int) -> Recording | None:
    """Take the recording for composing: a copy of the row whose `claim` is ours, or None if it is not to be
    had.
    """
    token = uuid.uuid4()
    taken = (
        due_compositions()
        .filter(pk=recording_id)
        .update(claim=token, claimed_at=timezone.now(), attempts=F("attempts") + 1, progress=0.0)
    )
    if not taken:
        return None
    return Recording.objects.select_related("session__meeting").get(pk=recording_id, claim=token)


def _held(recording: Recording) -> QuerySet[Recording]:
    return Recording.objects.filter(pk=recording.pk, claim=recording.claim, state=Recording.State.COMPOSING)


def reporter(recording: Recording) -> Callable[[float], None]:
    """A function to call with progress from 0 to 1, as often as one likes; writes at most once a second.

    Raises ClaimLost when the row is no longer ours.
    """
    last = 0.0

    def report(fraction: float) -> None:
        nonlocal last
        now = monotonic()
        if last and now - last < PROGRESS_EVERY_S:
            return
        last = now
        fraction = min(max(float(fraction), 0.0), 1.0)
        if not _held(recording).update(progress=fraction, claimed_at=timezone.now()):
            raise ClaimLost

    return report


@contextlib.contextmanager
def signs_of_life(recording: Recording) -> Iterator[None]:
    """Keep the claim alive from a thread: some steps of the composition report nothing for long."""
    stop = threading.Event()

    def sign() -> None:
        try:
            while not stop.wait(SIGN_EVERY_S):
                _held(recording).update(claimed_at=timezone.now())
        finally:
            connection.close()

    thread = threading.Thread(target=sign, name=f"compose-{recording.pk}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def compose_claimed(recording: Recording) -> None:
    """Make the MP4 and its poster from the raw tracks and mark the row READY.

    Raises ClaimLost, or whatever the composer raises; the raw tracks stay in every case.
    """
    from media_gateway.recorder.compose import compose, make_poster

    started, stopped = recording.started_at, recording.stopped_at or timezone.now()
    if recording.node:
        gateway.close_journal(str(recording.key), recording.node)  # the last packets are on disk after this
    video = recording.directory / f".composing-{recording.claim}.mp4"
    poster = recording.directory / f".composing-{recording.claim}.jpg"
    try:
        with signs_of_life(recording):
            result = compose(
                recording.directory,
                video,
                started_at_ns=_ns(started),
                stopped_at_ns=_ns(stopped),
                title=recording.session.meeting.title,
                participants=participant_names(recording),
                progress=reporter(recording),
            )
            make_poster(video, poster)
        with transaction.atomic():
            held = _held(recording).select_for_update().first()
            if held is None:
                raise ClaimLost
            os.replace(video, recording.video_path)
            os.replace(poster, recording.poster_path)
            held.state = Recording.State.READY
            held.progress, held.error, held.claim, held.claimed_at = 1.0, "", None, None
            held.duration_seconds, held.size_bytes = result.duration_s, recording.video_path.stat().st_size
            held.save()
            record("recording.ready", held, user=None, after={"seconds": round(result.duration_s, 1)})
    finally:
        for leftover in (video, poster):
            leftover.unlink(missing_ok=True)
    log.info("recording %s is ready: %.1f s", recording.key, result.duration_s)


def participant_names(recording: Recording) -> dict[str, str]:
    """Peer id → name of everybody in the session, for the captions of the tiles."""
    people = Participant.objects.filter(session=recording.session).exclude(joined_at=None)
    return dict(people.values_list("public_id", "name"))


@transaction.atomic
def give_up_or_wait(recording: Recording, error: BaseException) -> int | None:
    """A composition failed: seconds until the next try, or None when it was the last (the row is FAILED
    then).
    """
    text = f"{type(error).__name__}: {error}"[:4000]
    held = _held(recording).select_for_update().first()
    if held is None:
        return None
    held.error, held.claim = text, None
    if held.attempts >= MAX_ATTEMPTS:
        held.state, held.claimed_at = Recording.State.FAILED, None
        held.save(update_fields=["error", "claim", "state", "claimed_at"])
        record("recording.failed", held, user=None, after={"error": text[:300]})
        return None
    wait = BACKOFF_S[min(held.attempts, len(BACKOFF_S)) - 1]
    # Written so that the claim turns stale exactly when the next try is due, whoever makes it.
    held.claimed_at = timezone.now() + dt.timedelta(seconds=wait) - STALE_AFTER
    held.save(update_fields=["error", "claim", "claimed_at"])
    return wait


@transaction.atomic
def compose_again(recording: Recording, *, actor: Actor) -> Recording:
    """Start over with the raw tracks (administrators, hosts). Raises Refused or RecordingConflict."""
    from meetings.recordings.tasks import compose_recording

    if not (actor.is_system or (actor.user is not None and actor.user.is_staff)):
        decision = decide(actor, Capability.RECORDING_CONTROL, recording.session.meeting)
        if not decision:
            raise Refused(decision)
    current = Recording.objects.select_for_update().get(pk=recording.pk)
    if current.state not in (Recording.State.FAILED, Recording.State.READY):
        raise RecordingConflict(_("This recording is already being prepared."))
    if not has_tracks(current.directory):
        raise RecordingConflict(_("The raw tracks of this recording are gone."))
    before = {"state": current.state, "error": current.error}
    current.state, current.attempts, current.progress, current.error = Recording.State.COMPOSING, 0, 0.0, ""
    current.claim = current.claimed_at = None
    current.save(update_fields=["state", "attempts", "progress", "error", "claim", "claimed_at"])
    after = {"state": current.state, "error": ""}
    record(
        "recording.compose_again",
        current,
        user=actor.user,
        label=actor.label,
        ip=actor.ip,
        before=before,
        after=after,
    )
    transaction.on_commit(lambda: start_job(compose_recording, current.pk))
    return current


def has_tracks(directory: Path) -> bool:
    """Are there journals to compose from?"""
    from media_gateway.recorder.journal import list_journals

    return directory.is_dir() and bool(list_journals(directory))


def _ns(moment: dt.datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1000
