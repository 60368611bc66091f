"""Start, stop, heal and delete recordings. Composition is in `composition.py`."""

from __future__ import annotations

import logging
import shutil
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.audit import record
from meetings.jobs import start_job
from meetings.live.events import send_to_session
from meetings.live.joining import announce_live
from meetings.live.models import Session
from meetings.live.payloads import recording_json
from meetings.permissions.actor import Actor
from meetings.permissions.capabilities import Capability
from meetings.permissions.decide import require
from meetings.recordings import gateway
from meetings.recordings.errors import MediaUnavailable, RecordingConflict, SessionOver
from meetings.recordings.models import Recording
from meetings.recordings.selectors import live_recording

log = logging.getLogger(__name__)


def _audit(verb: str, recording: Recording, actor: Actor, **changes: Any) -> None:
    record(verb, recording, user=actor.user, label=actor.label, ip=actor.ip, **changes)


def start_recording(session: Session, *, actor: Actor) -> Recording:
    """Record `session` from now on (RECORDING_CONTROL).

    Asks the workers and waits, usually some milliseconds and at most about ten seconds: call it outside a
    transaction, and from a consumer with `database_sync_to_async(start_recording, thread_sensitive=False)`.
    Raises Refused, SessionOver, RecordingConflict (it already runs: a second press, another host) or
    MediaUnavailable; after any of these nothing is recorded and no row is left.
    """
    require(actor, Capability.RECORDING_CONTROL, session.meeting)
    recording = _claim(session, actor)
    try:
        armed = gateway.arm(gateway.Target.of(recording))
    except Exception as error:
        with transaction.atomic():
            _audit("recording.start_failed", recording, actor, after={"error": str(error)})
            recording.delete()
        _remove_files(recording)
        if isinstance(error, MediaUnavailable):
            log.warning("recording of session %s cannot start: %s", session.pk, error)
            raise MediaUnavailable(
                _("Recording is not available right now. The meeting goes on; try again.")
            ) from error
        raise
    with transaction.atomic():
        recording.node = armed.recorder
        if _note_recorder(recording):
            _audit("recording.start", recording, actor, after={"node": recording.node})
            transaction.on_commit(lambda: _after_start(recording, armed.attached))
            return recording
    # The session ended between the two steps and stopped the recording, not knowing which worker had it.
    gateway.disarm(gateway.Target.of(recording))
    raise SessionOver(_("The session has ended."))


def _note_recorder(recording: Recording) -> bool:
    """Write who journals it; False if the recording does not run any more."""
    running = Recording.objects.filter(pk=recording.pk, state=Recording.State.RECORDING)
    return bool(running.update(node=recording.node))


def _after_start(recording: Recording, attached: bool) -> None:
    from meetings.recordings.tasks import rearm_session

    send_to_session(recording.session, "recording.changed", {"recording": recording_json(recording)})
    announce_live(recording.session)
    if not attached:
        start_job(rearm_session, recording.session_id, countdown=1)


def _claim(session: Session, actor: Actor) -> Recording:
    """The row is the lock: the database allows one running recording a session."""
    try:
        with transaction.atomic():
            current = Session.objects.select_for_update().get(pk=session.pk)
            if not current.is_running:
                raise SessionOver(_("The session has ended."))
            recording = Recording.objects.create(session=current, started_by=actor.participant)
    except IntegrityError as error:
        raise RecordingConflict(_("This session is already being recorded.")) from error
    recording.session = current
    current.meeting = session.meeting
    return recording


def stop_recording(session: Session, *, actor: Actor) -> Recording:
    """Stop recording `session` (RECORDING_CONTROL) and have it composed. Raises Refused or
    RecordingConflict.
    """
    require(actor, Capability.RECORDING_CONTROL, session.meeting)
    return _stop(session, actor)


def stop_with_session(session: Session, *, actor: Actor) -> Recording | None:
    """The session ended: stop what still runs, if anything does, whatever the meeting's settings say now."""
    if live_recording(session) is None:
        return None
    try:
        return _stop(session, actor)
    except RecordingConflict:  # somebody pressed stop at the same moment
        return None


@transaction.atomic
def _stop(session: Session, actor: Actor) -> Recording:
    recording = (
        Recording.objects.select_for_update(of=("self",))
        .select_related("session__meeting")
        .filter(session=session, state=Recording.State.RECORDING)
        .first()
    )
    if recording is None:
        raise RecordingConflict(_("Nothing is being recorded."))
    recording.state = Recording.State.COMPOSING
    recording.stopped_at = timezone.now()
    recording.progress = 0.0
    recording.save(update_fields=["state", "stopped_at", "progress"])
    _audit("recording.stop", recording, actor)
    # robust: the recording is stopped, whatever a worker or the broker says now; beat finds the job again.
    transaction.on_commit(lambda: _after_stop(recording), robust=True)
    return recording


def _after_stop(recording: Recording) -> None:
    from meetings.recordings.tasks import compose_recording

    send_to_session(recording.session, "recording.changed", {"recording": None})
    announce_live(recording.session)
    gateway.disarm(gateway.Target.of(recording))
    start_job(compose_recording, recording.pk)


def rearm_recording(session: Session) -> bool:
    """Make the workers follow the row again: after the room was placed anew, or a recorder came back.

    True if nothing is to be recorded or all is armed. False (logged) if a worker is not ready: try again
    later,
    as `tasks.rearm_session` does by itself.
    """
    recording = Recording.objects.filter(session_id=session.pk, state=Recording.State.RECORDING).first()
    if recording is None:
        return True
    recording.session = Session.objects.get(pk=session.pk)  # where the room is now
    former = recording.node
    try:
        armed = gateway.arm(gateway.Target.of(recording))
    except MediaUnavailable as error:
        log.warning("recording %s cannot be resumed yet: %s", recording.key, error)
        return False
    recording.node = armed.recorder
    if not _note_recorder(recording):  # stopped meanwhile
        gateway.disarm(gateway.Target.of(recording))
    elif former and former != armed.recorder:
        gateway.close_journal(str(recording.key), former)
    return armed.attached


@transaction.atomic
def delete_recording(recording: Recording, *, actor: Actor) -> None:
    """Delete row and files (RECORDING_DELETE). Raises Refused, or RecordingConflict while it runs."""
    require(actor, Capability.RECORDING_DELETE, recording.session.meeting)
    # Locked: a composition that finishes now must see that the row is gone.
    current = Recording.objects.select_for_update().filter(pk=recording.pk).first()
    if current is None:
        return
    if current.state == Recording.State.RECORDING:
        raise RecordingConflict(_("This recording still runs. Stop it first."))
    _audit(
        "recording.delete",
        recording,
        actor,
        before={"state": current.state, "seconds": current.duration_seconds, "bytes": current.size_bytes},
    )
    current.delete()
    transaction.on_commit(lambda: _remove_files(recording))


def _remove_files(recording: Recording) -> None:
    directory = recording.directory
    if directory.exists():
        shutil.rmtree(directory, onerror=_log_left)


def _log_left(_function: Any, path: str, error: Any) -> None:
    log.error("%s could not be removed: %s", path, error[1])
