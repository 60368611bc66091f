"""The objects of the room protocol (docs/protocol.md 1.7) as JSON-ready dictionaries."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.utils import timezone

from meetings.live import presence
from meetings.live.identity import Visitor
from meetings.live.models import Participant
from meetings.permissions.capabilities import Capability, Role, capabilities_of
from meetings.recordings.models import Recording
from meetings.scheduling.models import Meeting


def iso(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def now_iso() -> str:
    return iso(timezone.now())


def participant_json(participant: Participant) -> dict[str, Any]:
    """`guest` tells that this person has no account; `connected` that their network is there.

    A stream has no socket of its own: as long as it is in, its media worker hears it.
    """
    return {
        "id": participant.public_id,
        "name": participant.name,
        "kind": "stream" if participant.is_stream else "person",
        "role": participant.role,
        "guest": participant.user_id is None and not participant.is_stream,
        "mic": participant.mic,
        "camera": participant.camera,
        "screen": participant.screen,
        "hand": iso(participant.hand_at) if participant.hand_at else None,
        "joined_at": iso(participant.joined_at or participant.asked_at),
        "connected": bool(participant.channel) or participant.is_stream,
    }


def meeting_json(meeting: Meeting) -> dict[str, Any]:
    return {
        "title": meeting.title,
        "code": meeting.code,
        "starts_at": iso(meeting.starts_at),
        "ends_at": iso(meeting.ends_at),
        "organizer": str(meeting.organizer),
        "lobby": meeting.lobby_enabled,
        "recording_allowed": meeting.recording_enabled,
    }


def recording_json(recording: Recording | None) -> dict[str, Any] | None:
    if recording is None:
        return None
    return {
        "id": str(recording.key),
        "state": recording.state,
        "started_at": iso(recording.started_at),
        "started_by": recording.started_by.name if recording.started_by else "",
    }


def live_json(meeting: Meeting) -> dict[str, Any]:
    """How many are in, since when, and whether they are recorded; what one may know before joining."""
    session = presence.live_session_of(meeting)
    if session is None:
        return {"count": 0, "started_at": None, "recording": False}
    return {
        "count": presence.live_count(session),
        "started_at": iso(session.started_at),
        "recording": session.recordings.filter(state=Recording.State.RECORDING).exists(),
    }


def allowed(participant: Participant) -> list[str]:
    """The capabilities of the participant in this very meeting."""
    names = capabilities_of(Role(participant.role))
    if not participant.session.meeting.recording_enabled:
        names = [name for name in names if name != Capability.RECORDING_CONTROL]
    return names


def room_state(participant: Participant) -> dict[str, Any]:
    """RoomState: all that a browser needs to show the room to this participant."""
    from meetings.chat.payloads import history_json

    session, meeting = participant.session, participant.session.meeting
    capabilities = allowed(participant)
    waiting = presence.people_waiting(session) if Capability.LOBBY_ADMIT in capabilities else []
    recording = (
        session.recordings.filter(state=Recording.State.RECORDING).select_related("started_by").first()
    )
    return {
        "session": {"id": str(session.room_id), "started_at": iso(session.started_at)},
        "meeting": meeting_json(meeting),
        "you": {
            "id": participant.public_id,
            "resume": participant.resume_key,
            "role": participant.role,
            "capabilities": capabilities,
        },
        "participants": [participant_json(other) for other in presence.people_in(session)],
        "lobby": [participant_json(other) for other in waiting],
        "chat": history_json(session),
        "recording": recording_json(recording),
        "server_time": now_iso(),
    }


def welcome(visitor: Visitor, *, waits: bool) -> dict[str, Any]:
    """What the page shows before joining; `waits` tells that this person would come to the lobby first."""
    name = visitor.known_name or (visitor.invitation.display_name if visitor.invitation else "")
    return {
        "protocol": 1,
        "meeting": meeting_json(visitor.meeting),
        "live": live_json(visitor.meeting),
        "you": {"name": name, "known": bool(visitor.known_name), "role": visitor.role.value, "lobby": waits},
        "server_time": now_iso(),
    }
