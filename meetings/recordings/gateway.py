"""The sequence of requests that makes the workers record, and stop recording, one session.

`recording.start` at a recording worker opens (or resumes) the journal and says where packets go; then
`room.record` at the media worker sends them there. Both may be repeated: the recorder resumes in the same
directory, the media worker replaces where it sends to. So arming is also what heals after a worker came back.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from media_gateway import client, nodes
from media_gateway.client import GatewayError
from media_gateway.models import MediaNode
from meetings.recordings.errors import MediaUnavailable
from meetings.recordings.models import Recording

log = logging.getLogger(__name__)
TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Target:
    """What the requests need to know of a recording: its key and room, and who holds them (names or "")."""

    key: str
    room: str
    media_node: str
    recorder: str

    @classmethod
    def of(cls, recording: Recording) -> Target:
        session = recording.session
        return cls(str(recording.key), str(session.room_id), session.node, recording.node)


@dataclass(frozen=True)
class Armed:
    """`recorder` journals; `attached` says that the media worker sends to it, or that no worker has the
    room yet.
    """

    recorder: str
    attached: bool


def choose_recorder(target: Target) -> str:
    """The name of the recording worker to use. Raises MediaUnavailable if none runs where it is needed.

    The feed is loopback only, so the recorder must stand on the media worker's machine; the one that already
    has the journal is kept if it runs, otherwise the least busy one is taken.
    """
    recorders = nodes.alive(MediaNode.Kind.RECORDER)
    if target.media_node:
        host = MediaNode.objects.filter(name=target.media_node).values_list("host", flat=True).first()
        if host is not None:
            recorders = recorders.filter(host=host)
    candidates = list(recorders)
    if not candidates:
        raise MediaUnavailable("no recording worker is connected")
    best = min(
        candidates, key=lambda node: (node.name != target.recorder, node.load.get("rooms", 0), node.name)
    )
    return best.name


def arm(target: Target) -> Armed:
    """Make the workers record. Raises MediaUnavailable: then nothing was started."""
    recorder = choose_recorder(target)
    start = {"recording": target.key, "directory": target.key}
    try:
        reply = client.sync_request(recorder, "recording.start", data=start, timeout=TIMEOUT_S)
    except GatewayError as error:
        if error.code == "timeout":  # it may have done it all the same
            close_journal(target.key, recorder)
        raise MediaUnavailable(f"{recorder}: {error}") from error
    if not target.media_node:
        return Armed(recorder, attached=True)
    record = {"recording": target.key, "address": reply["address"], "token": reply["token"]}
    try:
        client.sync_request(
            target.media_node, "room.record", room=target.room, data=record, timeout=TIMEOUT_S
        )
    except GatewayError as error:
        if error.code == "not_found":
            # The room is placed there but nobody has connected yet; it exists with the first peer.
            return Armed(recorder, attached=False)
        disarm(Target(target.key, target.room, target.media_node, recorder))
        raise MediaUnavailable(f"{target.media_node}: {error}") from error
    return Armed(recorder, attached=True)


def disarm(target: Target) -> None:
    """Have the workers stop, without waiting for them: one that is gone has stopped already."""
    data = {"recording": target.key}
    if target.media_node:
        client.tell(target.media_node, "room.unrecord", room=target.room, data=data)
    if target.recorder:
        client.tell(target.recorder, "recording.stop", data=data)


def close_journal(key: str, recorder: str) -> bool:
    """Wait until the recorder has written everything. False (logged) if it could not be asked.

    Asking twice is harmless; a recorder that does not know the recording holds nothing of it in memory.
    """
    try:
        client.sync_request(recorder, "recording.stop", data={"recording": key}, timeout=TIMEOUT_S)
    except GatewayError as error:
        if error.code != "not_found":
            log.warning("recording.stop of %s at %s: %s", key, recorder, error)
            return False
    return True
