"""A program sends into a meeting (WHIP, RFC 9725): from its offer to a participant that everybody sees.

The order matters. The media worker takes the offer first, while nothing of it is permitted yet, so that a
refusal leaves no trace; then the stream enters the room; then the worker may show it. Browsers thus never get
a picture of somebody they have not heard of.
"""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import dataclass, replace
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from media_gateway import client
from media_gateway.client import GatewayError
from media_gateway.descriptions import BadDescription, Offer, for_any_client, fragment_head, read_offer
from meetings.live import joining, media, placement, presence
from meetings.live.errors import RoomError
from meetings.live.guards import lock_session
from meetings.live.models import Participant
from meetings.permissions.actor import SYSTEM, Actor
from meetings.permissions.capabilities import Role
from meetings.scheduling.models import Meeting
from meetings.scheduling.selectors import JOIN_EARLY, may_join_now
from meetings.streams.ending import end_connection
from meetings.streams.models import StreamConnection, StreamKey, new_stream_peer
from meetings.streams.problems import StreamProblem

log = logging.getLogger("plenum.streams")

Request = tuple[str, dict[str, Any]]
"""What is asked of a worker: the operation and its data."""

NOT_OPEN_RETRY = 30  # seconds
IN_USE_RETRY = 5
BUSY_RETRY = 5
CONNECT_WITHIN = dt.timedelta(seconds=15)
"""So long a connection that has not begun to send may still be about to."""
SOURCES = {
    StreamKey.Source.CAMERA: {"audio": "mic", "video": "camera"},
    StreamKey.Source.SCREEN: {"audio": "screen_audio", "video": "screen"},
}


@dataclass(frozen=True)
class Answered:
    """What the response to the POST needs."""

    connection: StreamConnection
    sdp: str
    ice_servers: list[dict[str, Any]]


def check_open(meeting: Meeting) -> None:
    """Streams may come from the early-join time on, and while the session runs. Raises StreamProblem."""
    if meeting.is_cancelled:
        raise StreamProblem("cancelled", _("This meeting was cancelled."))
    now = timezone.now()
    if may_join_now(meeting, now, is_live=presence.live_session_of(meeting) is not None):
        return
    if now < meeting.starts_at:
        opens = timezone.localtime(meeting.starts_at - JOIN_EARLY, meeting.zone)
        text = _("The meeting is not open yet. Streams can come from %(time)s on.")
        detail = text % {"time": f"{opens:%Y-%m-%d %H:%M} {meeting.time_zone}"}
        raise StreamProblem("not_open", detail, retry_after=NOT_OPEN_RETRY)
    raise StreamProblem("not_open", _("The meeting is over. A host can open the room again."))


def sources_of(offer: Offer, key: StreamKey) -> list[dict[str, str]]:
    """Which m-line carries what: at most one audio and one video, both sent. Raises StreamProblem."""
    names = SOURCES[StreamKey.Source(key.source)]
    strange = [line.kind for line in offer.media if line.kind not in names]
    if strange:
        text = _("The offer has an m-line of kind %(kind)s. Offer audio and video alone.")
        raise StreamProblem("not_acceptable", text % {"kind": strange[0][:20]})
    for kind in names:
        if len(offer.of_kind(kind)) > 1:
            text = _("The offer has more than one track of kind %(kind)s. Send one of each.")
            raise StreamProblem("not_acceptable", text % {"kind": kind})
    if not offer.media or not all(line.sends for line in offer.media):
        raise StreamProblem("not_acceptable", _("Each m-line must be sendonly or sendrecv."))
    return [{"mid": line.mid, "source": names[line.kind]} for line in offer.media]


def publish_stream(key: StreamKey, text: str, *, ip: str | None) -> Answered:
    """Take an offer on for the holder of `key` (usable, to publish). Raises StreamProblem."""
    try:
        offer = read_offer(text)
    except BadDescription as error:
        raise StreamProblem("bad_sdp", _("The offer cannot be read: %(why)s.") % {"why": error}) from error
    tracks = sources_of(offer, key)
    check_open(key.meeting)
    _clear_way(key)
    connection = _reserve(key, offer, ip=ip)
    actor = Actor(participant=connection.participant, ip=ip)
    try:
        # A stream that was muted before it came back speaks again.
        heard = ("peer.pause", {"sources": list(media.SOURCES), "paused": False})
        answer = negotiate(connection, "peer.publish", {"sdp": text, "tracks": tracks}, heard)
        _enter(connection, [track["source"] for track in tracks], answer, actor=actor)
        _permit(connection, [track["source"] for track in tracks])
    except BaseException:
        end_connection(connection, reason="failed", actor=actor)
        raise
    assert connection.participant is not None
    return Answered(connection, answer, media.ice_servers(connection.participant))


def _clear_way(key: StreamKey) -> None:
    """End what the key did before, unless it still sends: an encoder that crashed may come back at once."""
    before = key.connections.filter(ended_at=None).select_related("session").first()
    if before is None:
        return
    if _still_sends(before):
        detail = _("This key is in use by another program. Stop that one, or make a key of its own for this.")
        raise StreamProblem("in_use", detail, retry_after=IN_USE_RETRY)
    end_connection(before, reason="replaced", actor=SYSTEM)


def _still_sends(connection: StreamConnection) -> bool:
    if (
        connection.node != connection.session.node
        or connection.node_instance != connection.session.node_instance
    ):
        return connection.opened_at is None and _is_young(connection)
    try:
        stats = client.sync_request(connection.node, "room.stats", room=str(connection.session.room_id))
    except GatewayError as error:
        # Whether it sends is not known, so it is not thrown out; a worker that is gone is soon found out.
        if error.code == "not_found":
            return False
        raise _unavailable() from error
    for peer in stats.get("peers", []):
        if peer["peer"] == connection.peer:
            state = (peer.get("publish") or {}).get("state")
            return state == "connected" or (state in ("new", "connecting") and _is_young(connection))
    return connection.opened_at is None and _is_young(connection)


def _is_young(connection: StreamConnection) -> bool:
    return timezone.now() - connection.created_at < CONNECT_WITHIN


def _reserve(key: StreamKey, offer: Offer, *, ip: str | None) -> StreamConnection:
    """The stream's participant, not in the room yet, and its connection. Raises StreamProblem."""
    try:
        with transaction.atomic():
            session = joining.running_session(key.meeting)
            participant = session.participants.filter(identity=key.identity).first()
            if participant is None:
                participant = Participant(
                    public_id=new_stream_peer(),
                    session=session,
                    identity=key.identity,
                    role=Role.STREAM.value,
                    state=Participant.State.LEFT,
                )
            if participant.state == Participant.State.REMOVED:
                raise _removed()
            participant.name, participant.last_seen_at = key.name, timezone.now()
            participant.save()
            Participant.objects.filter(pk=participant.pk).update(generation=F("generation") + 1)
            participant.refresh_from_db(fields=["generation"])
            participant.session = session
            StreamKey.objects.filter(pk=key.pk).update(last_used_at=timezone.now())
            return StreamConnection.objects.create(
                key=key,
                session=session,
                participant=participant,
                peer=participant.public_id,
                generation=participant.generation,
                remote_ufrag=offer.ufrag,
                ip=ip,
            )
    except IntegrityError as error:
        detail = _("This key is in use by another program. Stop that one, or make a key of its own for this.")
        raise StreamProblem("in_use", detail, retry_after=IN_USE_RETRY) from error


def place(connection: StreamConnection) -> placement.Placement:
    """The media worker of the session, noted in the connection. Raises StreamProblem."""
    try:
        placed = placement.place_session(connection.session_id)
    except RoomError as error:
        raise _unavailable() if error.code == "media_unavailable" else _over() from error
    connection.node, connection.node_instance = placed.node, placed.instance
    connection.save(update_fields=["node", "node_instance"])
    return placed


def ask(connection: StreamConnection, op: str, data: dict[str, Any]) -> dict[str, Any]:
    """Have the connection's worker do `op`. Raises StreamProblem."""
    room = str(connection.session.room_id)
    data = {"generation": connection.generation, **data}
    try:
        return client.sync_request(connection.node, op, room=room, peer=connection.peer, data=data)
    except GatewayError as error:
        log.warning("%s of stream %s at %s: %s", op, connection.peer, connection.node, error)
        raise _as_problem(error) from error


def _as_problem(error: GatewayError) -> StreamProblem:
    if error.code == "bad_sdp":
        text = _("The media server cannot take this offer: %(why)s.")
        return StreamProblem("not_acceptable", text % {"why": error.message})
    if error.code in ("not_found", "stale_generation"):
        return StreamProblem("not_found", _("This stream has ended. Connect anew."))
    return _unavailable()


def _unavailable() -> StreamProblem:
    detail = _("Audio and video are not available just now. Try again in a few seconds.")
    return StreamProblem("unavailable", detail, retry_after=BUSY_RETRY)


def _removed() -> StreamProblem:
    detail = _("A host removed this stream. It may come back in the next session of the meeting.")
    return StreamProblem("removed", detail)


def _over() -> StreamProblem:
    return StreamProblem("not_open", _("The meeting has ended."), retry_after=NOT_OPEN_RETRY)


def negotiate(connection: StreamConnection, op: str, data: dict[str, Any], *before: Request) -> str:
    """The worker's answer, ready for any client, to an offer it is given by `op`. Raises StreamProblem.

    Nothing that is sent is shown yet. `before` is asked of the worker first.
    """
    placed = place(connection)
    try:
        for request in (("peer.add", {"name": connection.key.name, "publish": []}), *before):
            ask(connection, *request)
        reply = ask(connection, op, data)
    except StreamProblem:
        if placed.moved:
            placement.unplace_session(connection.session_id, placed)
        raise
    if placed.moved:
        media.announce_placed(connection.session_id)
    return for_any_client(reply["sdp"])


def _enter(connection: StreamConnection, sources: list[str], answer: str, *, actor: Actor) -> None:
    with transaction.atomic():
        session = lock_session(connection.session_id)
        if session.ended_at is not None:
            raise _over()
        assert connection.participant_id is not None
        participant = Participant.objects.get(pk=connection.participant_id)
        if participant.state == Participant.State.REMOVED:
            raise _removed()
        connection.opened_at = timezone.now()
        connection.fragment_head = fragment_head(answer)
        rows = StreamConnection.objects.filter(pk=connection.pk, ended_at=None)
        if not rows.update(opened_at=connection.opened_at, fragment_head=connection.fragment_head):
            raise StreamProblem("not_found", _("This stream has ended. Connect anew."))
        participant.session = session
        participant.last_seen_at = connection.opened_at
        participant.mic, participant.camera = "mic" in sources, "camera" in sources
        participant.screen = "screen" in sources or "screen_audio" in sources
        connection.participant = participant
        joining.enter(participant, actor=replace(actor, participant=participant), verb="stream.join")


def _permit(connection: StreamConnection, sources: list[str]) -> None:
    ask(connection, "peer.permit", {"publish": sources})
