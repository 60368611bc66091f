"""The media worker's facade: operations of the control link in, events out (docs/protocol.md section 2.1)."""

import asyncio
import ipaddress
import logging
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from .codecs import SOURCES
from .dtls import Identity
from .endpoint import Endpoint
from .errors import GatewayError
from .publisher import PublishConnection
from .recorder_feed import RecorderFeed
from .room import Peer, Room, Services
from .sdp import ICE_CHARS
from .sdp_write import Candidate, candidate_lines
from .speaker import PERIOD
from .tcp import StreamServer, open_listener
from .transport import LOST_AFTER
from .udp import UdpSocket, open_socket

__all__ = ["Gateway", "GatewayConfig", "GatewayError"]

log = logging.getLogger(__name__)

TICK = 0.025
ROOM_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
PEER_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
MAX_NAME = 200
EMPTY_RECORDING = 600.0
"""Seconds for which an empty room keeps its recording going."""


@dataclass(slots=True)
class GatewayConfig:
    """How a worker listens and what it takes on.

    `host` with a colon ("::") serves IPv6 and IPv4 on one socket.
    """

    port: int = 0
    host: str = "0.0.0.0"  # noqa: S104
    advertised_ips: list[str] = field(default_factory=lambda: ["127.0.0.1"])
    """addresses told to browsers, best first; behind NAT the public one"""
    tcp: bool | None = None
    """take media over TCP too (RFC 6544); True makes a port that cannot be had an error, None a warning"""
    tcp_port: int = 0
    """0: the number of the UDP port"""
    batched: bool | None = None
    """force or forbid recvmmsg/sendmmsg; None takes what the system has"""
    gso: bool | None = None
    """force or forbid UDP segmentation offload; None takes what the kernel has"""
    max_rooms: int = 500
    max_peers: int = 1000
    max_peers_per_room: int = 200
    max_bitrate: int = 0
    """bit/s a peer may publish, all its sources together; 0 is no limit"""
    loudest: int = 6
    """voices forwarded at once in a room, the loudest ones"""
    lost_after: float = LOST_AFTER
    """seconds without consent after which a peer is removed"""


class Gateway:
    """One worker: one UDP port, many rooms.

    `emit` gets every event as `{"event", "room", "peer", "generation", "data"}` and must not block.
    """

    def __init__(self, config: GatewayConfig, emit: Callable[[dict[str, Any]], None]) -> None:
        for ip in config.advertised_ips:
            ipaddress.ip_address(ip)
        if not config.advertised_ips:
            raise ValueError("at least one advertised address is needed")
        self.config = config
        self.instance = secrets.token_hex(8)
        self._emit_dict = emit
        self._rooms: dict[str, Room] = {}
        self._numbers = count(1)
        self._busy: set[PublishConnection] = set()
        self._endpoint: Endpoint | None = None
        self._feed_sockets: dict[bool, UdpSocket] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._tick_due = 0.0
        self._speakers_at = 0.0
        self._second_at = 0.0
        self._lag = 0.0
        self._rates: dict[str, float] = {}
        self._counters: tuple[float, dict[str, int]] = (0.0, {})
        self._operations: dict[str, Callable[[str, str | None, dict[str, Any]], dict[str, Any]]] = {
            "peer.add": self._peer_add,
            "peer.publish": self._peer_publish,
            "peer.answer": self._peer_answer,
            "peer.permit": self._peer_permit,
            "peer.pause": self._peer_pause,
            "peer.restart": self._peer_restart,
            "peer.remove": self._peer_remove,
            "peer.ice": self._peer_ice,
            "room.close": self._room_close,
            "room.record": self._room_record,
            "room.unrecord": self._room_unrecord,
            "room.stats": self._room_stats,
        }

    # -- life ------------------------------------------------------------

    @property
    def port(self) -> int:
        """The UDP port in use. RuntimeError before `start`."""
        return self._started.socket.port

    @property
    def tcp_port(self) -> int | None:
        """The port for media over TCP, None when there is none. RuntimeError before `start`."""
        streams = self._started.streams
        return None if streams is None else streams.port

    @property
    def _started(self) -> Endpoint:
        if self._endpoint is None:
            raise RuntimeError("the gateway is not started")
        return self._endpoint

    async def start(self) -> None:
        """Bind and begin to read. OSError when the port cannot be had."""
        self._loop = asyncio.get_running_loop()
        socket = open_socket(
            self.config.host, self.config.port, batched=self.config.batched, gso=self.config.gso
        )
        endpoint = self._endpoint = Endpoint(socket, Identity())
        endpoint.start()
        candidates = [Candidate(ip, socket.port) for ip in self.config.advertised_ips]
        streams = await self._start_streams(endpoint)
        if streams is not None:
            candidates += [Candidate(ip, streams.port, tcp=True) for ip in self.config.advertised_ips]
        self._services = Services(
            endpoint=endpoint,
            candidates=tuple(candidates),
            emit=self._emit,
            busy=self._busy.add,
            call_later=self._loop.call_later,
            numbers=self._numbers,
        )
        now = time.monotonic()
        self._tick_due = now + TICK
        self._speakers_at = self._second_at = now
        self._counters = (now, self._count())
        self._timer = self._loop.call_later(TICK, self._tick)

    async def _start_streams(self, endpoint: Endpoint) -> StreamServer | None:
        config = self.config
        if config.tcp is False:
            return None
        port = config.tcp_port or endpoint.socket.port
        try:
            listener = open_listener(config.host, port)
        except OSError as error:
            if not config.port:
                listener = open_listener(config.host, 0)
            elif config.tcp:
                endpoint.stop()
                raise OSError(error.errno, f"TCP: {error.strerror}") from error
            else:
                log.warning("no media over TCP, port %d: %s", port, error)
                return None
        streams = StreamServer(listener, endpoint)
        endpoint.serve(streams)
        await streams.start()
        return streams

    async def stop(self) -> None:
        """Say goodbye to everybody and let go of the port."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for room in list(self._rooms.values()):
            room.close()
        self._rooms.clear()
        self._busy.clear()
        if self._endpoint is not None:
            self._endpoint.stop()
        for feed in self._feed_sockets.values():
            feed.close()
        self._feed_sockets.clear()

    def rooms(self) -> list[str]:
        """The ids of the rooms that are open here."""
        return list(self._rooms)

    def load(self) -> dict[str, Any]:
        """What a heartbeat tells: sizes, rates over the last second, and how late the event loop is (ms)."""
        peers = sum(len(room.peers) for room in self._rooms.values())
        lag = round(1000 * self._lag, 2)
        streams = len(self._started.streams.streams) if self._started.streams is not None else 0
        sizes = {"rooms": len(self._rooms), "peers": peers, "tcp_connections": streams}
        return {**sizes, "lag_ms": lag, **self._rates}

    def _emit(
        self, event: str, room: str, peer: str | None, generation: int | None, data: dict[str, Any]
    ) -> None:
        self._emit_dict({"event": event, "room": room, "peer": peer, "generation": generation, "data": data})

    # -- time ------------------------------------------------------------

    def _tick(self) -> None:
        assert self._loop is not None
        now = time.monotonic()
        late = max(0.0, now - self._tick_due)
        self._lag += (late - self._lag) * 0.05
        endpoint = self._started
        endpoint.now = now
        busy = list(self._busy)
        self._busy.clear()
        for connection in busy:
            connection.is_busy = False
            connection.tick(now)
            if any(track.receiver.missing for track in connection.tracks.values()):
                connection.is_busy = True
                self._busy.add(connection)
        for room in self._rooms.values():
            room.tick(now)
        if now - self._speakers_at >= PERIOD:
            self._speakers_at = now
            for room in self._rooms.values():
                room.evaluate_speakers(now)
        if now - self._second_at >= 1:
            self._second_at = now
            for room in list(self._rooms.values()):
                room.every_second(now, self.config.lost_after)
                self._close_if_empty(room)
            self._measure(now)
        endpoint.flush()
        self._tick_due = now + TICK
        self._timer = self._loop.call_later(TICK, self._tick)

    def _count(self) -> dict[str, int]:
        endpoint = self._started
        socket = endpoint.socket
        connections = [p.publish for r in self._rooms.values() for p in r.peers.values() if p.publish]
        downs = [
            d for r in self._rooms.values() for p in r.peers.values() for d in p.subscribe.downs.values()
        ]
        streams = endpoint.streams
        by_tcp = streams.counts() if streams is not None else {"packets": 0, "bytes": 0, "drops": 0}
        return {
            "packets": socket.sent + socket.received + by_tcp["packets"],
            "bytes": socket.bytes_sent + socket.bytes_received + by_tcp["bytes"],
            "drops": socket.send_drops + by_tcp["drops"],
            "strays": endpoint.strays + endpoint.refused,
            "nacks": sum(connection.nacks for connection in connections),
            "plis": sum(connection.plis for connection in connections),
            "resends": sum(down.resends for down in downs),
            "sends": socket.sends,
        }

    def _measure(self, now: float) -> None:
        before_at, before = self._counters
        counters = self._count()
        span = max(0.001, now - before_at)
        self._rates = {
            f"{name}_per_s": round(max(0, value - before[name]) / span, 1) for name, value in counters.items()
        }
        self._counters = (now, counters)

    # -- operations ------------------------------------------------------------

    async def handle(
        self, op: str, room: str | None, peer: str | None, data: dict[str, Any]
    ) -> dict[str, Any]:
        """Do one operation and return the reply data. GatewayError (code, message) when it is refused."""
        operation = self._operations.get(op)
        if operation is None:
            raise GatewayError("bad_request", f"unknown operation {op!r:.60}")
        if not isinstance(room, str) or not ROOM_ID.fullmatch(room):
            raise GatewayError("bad_request", "bad room id")
        if op.startswith("peer.") and (not isinstance(peer, str) or not PEER_ID.fullmatch(peer)):
            raise GatewayError("bad_request", "bad peer id")
        if not isinstance(data, dict):
            raise GatewayError("bad_request", "data must be an object")
        try:
            return operation(room, peer, data)
        except GatewayError:
            raise
        except Exception as error:
            log.exception("operation %s failed", op)
            raise GatewayError("internal", f"{op} failed") from error
        finally:
            if self._endpoint is not None:
                self._endpoint.request_flush()

    def _peer_add(self, room_id: str, peer_id: str | None, data: dict[str, Any]) -> dict[str, Any]:
        assert peer_id is not None
        generation = _integer(data, "generation")
        name = data.get("name", "")
        if not isinstance(name, str) or len(name) > MAX_NAME:
            raise GatewayError("bad_request", "bad name")
        allowed = _sources(data, "publish")
        room = self._rooms.get(room_id)
        if room is None or peer_id not in room.peers:
            if room is None and len(self._rooms) >= self.config.max_rooms:
                raise GatewayError("overloaded", "no more rooms fit on this worker")
            if room is not None and len(room.peers) >= self.config.max_peers_per_room:
                raise GatewayError("overloaded", "the room is full")
            if sum(len(other.peers) for other in self._rooms.values()) >= self.config.max_peers:
                raise GatewayError("overloaded", "no more peers fit on this worker")
        if room is None:
            room = self._rooms[room_id] = Room(room_id, self._services, self.instance)
        added = room.add_peer(peer_id, generation, name, allowed, time.monotonic())
        version, text = added.subscribe.current_offer()
        return {"subscribe": {"version": version, "sdp": text}}

    def _peer_publish(self, room_id: str, peer_id: str | None, data: dict[str, Any]) -> dict[str, Any]:
        room, peer = self._peer(room_id, peer_id, data)
        return {"sdp": room.publish(peer, data.get("sdp"), _tracks(data))}

    def _peer_answer(self, room_id: str, peer_id: str | None, data: dict[str, Any]) -> dict[str, Any]:
        _, peer = self._peer(room_id, peer_id, data)
        peer.subscribe.answer(_integer(data, "version"), data.get("sdp"))
        return {}

    def _peer_permit(self, room_id: str, peer_id: str | None, data: dict[str, Any]) -> dict[str, Any]:
        room, peer = self._peer(room_id, peer_id)
        room.permit(peer, _sources(data, "publish"))
        return {}

    def _peer_pause(self, room_id: str, peer_id: str | None, data: dict[str, Any]) -> dict[str, Any]:
        room, peer = self._peer(room_id, peer_id)
        paused = data.get("paused")
        if not isinstance(paused, bool):
            raise GatewayError("bad_request", "paused must be true or false")
        room.pause(peer, _sources(data, "sources"), paused)
        return {}

    def _peer_restart(self, room_id: str, peer_id: str | None, data: dict[str, Any]) -> dict[str, Any]:
        _, peer = self._peer(room_id, peer_id, data)
        peer.subscribe.restart()
        return {}

    def _peer_remove(self, room_id: str, peer_id: str | None, data: dict[str, Any]) -> dict[str, Any]:
        room = self._rooms.get(room_id)
        peer = room.peers.get(peer_id) if room is not None and peer_id is not None else None
        if room is not None and peer is not None:
            room.remove_peer(peer)
            self._close_if_empty(room)
        return {}

    def _peer_ice(self, room_id: str, peer_id: str | None, data: dict[str, Any]) -> dict[str, Any]:
        _, peer = self._peer(room_id, peer_id, data)
        ufrag = data.get("ufrag")
        if not isinstance(ufrag, str) or not ICE_CHARS.fullmatch(ufrag):
            raise GatewayError("bad_request", "bad ufrag")
        if peer.publish is None:
            raise GatewayError("not_found", "there is no connection to restart")
        lines = peer.publish.restart(ufrag)
        return {"ufrag": lines.ufrag, "pwd": lines.pwd, "candidates": candidate_lines(lines)}

    def _room_close(self, room_id: str, peer_id: str | None, data: dict[str, Any]) -> dict[str, Any]:
        room = self._rooms.pop(room_id, None)
        if room is not None:
            room.close()
        return {}

    def _room_record(self, room_id: str, peer_id: str | None, data: dict[str, Any]) -> dict[str, Any]:
        room = self._room(room_id)
        recording = _recording(data)
        token = data.get("token")
        if not isinstance(token, str) or not re.fullmatch(r"[0-9a-fA-F]{16}", token):
            raise GatewayError("bad_request", "token must be 16 hex digits")
        socket, destination = self._feed_target(data.get("address"))
        feed = RecorderFeed(recording, bytes.fromhex(token), socket, destination, self.instance)
        return {"tracks": room.record(feed)}

    def _room_unrecord(self, room_id: str, peer_id: str | None, data: dict[str, Any]) -> dict[str, Any]:
        self._room(room_id).unrecord(_recording(data))
        return {}

    def _room_stats(self, room_id: str, peer_id: str | None, data: dict[str, Any]) -> dict[str, Any]:
        return self._room(room_id).describe()

    # -- look-ups ------------------------------------------------------------

    def _room(self, room_id: str) -> Room:
        room = self._rooms.get(room_id)
        if room is None:
            raise GatewayError("not_found", "no such room")
        return room

    def _peer(
        self, room_id: str, peer_id: str | None, data: dict[str, Any] | None = None
    ) -> tuple[Room, Peer]:
        """The room and the peer; with `data`, its `generation` must be the current one."""
        room = self._room(room_id)
        peer = room.peers.get(peer_id) if peer_id is not None else None
        if peer is None:
            raise GatewayError("not_found", "no such peer")
        if data is not None and _integer(data, "generation") != peer.generation:
            raise GatewayError("stale_generation", f"the peer's generation is {peer.generation}")
        return room, peer

    def _close_if_empty(self, room: Room) -> None:
        """Close a room nobody is in; one that is being recorded waits for somebody to come back."""
        if room.peers:
            room.empty_since = None
            return
        now = time.monotonic()
        if room.empty_since is None:
            room.empty_since = now
        if (not room.feeds or now - room.empty_since > EMPTY_RECORDING) and self._rooms.get(room.id) is room:
            room.close()
            del self._rooms[room.id]

    def _feed_target(self, address: object) -> tuple[UdpSocket, Any]:
        """A sending socket for the recorder's address, and the address in the socket's own terms."""
        if not isinstance(address, list | tuple) or len(address) != 2 or not isinstance(address[0], str):
            raise GatewayError("bad_request", "address must be [ip, port]")
        port = address[1]
        try:
            ip = ipaddress.ip_address(address[0])
        except ValueError as error:
            raise GatewayError("bad_request", "address must be [ip, port]") from error
        if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
            raise GatewayError("bad_request", "bad port")
        if ip.is_multicast or ip.is_unspecified:
            raise GatewayError("bad_request", "not the address of a recorder")
        v6 = ip.version == 6
        if v6 not in self._feed_sockets:
            socket = open_socket("::" if v6 else "0.0.0.0", 0, batched=self.config.batched)  # noqa: S104
            self._feed_sockets[v6] = socket
            self._started.followers.append(socket)
        socket = self._feed_sockets[v6]
        return socket, socket.destination(socket.address_of(str(ip), port))


def _integer(data: dict[str, Any], name: str) -> int:
    value = data.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise GatewayError("bad_request", f"{name} must be a whole number")
    return value


def _sources(data: dict[str, Any], name: str) -> frozenset[str]:
    value = data.get(name)
    if not isinstance(value, list) or any(not isinstance(s, str) or s not in SOURCES for s in value):
        raise GatewayError("bad_request", f"{name} must be a list of {', '.join(SOURCES)}")
    return frozenset(value)


def _tracks(data: dict[str, Any]) -> dict[str, str]:
    """mid -> source."""
    tracks = data.get("tracks")
    if not isinstance(tracks, list) or len(tracks) > len(SOURCES):
        raise GatewayError("bad_request", f"tracks must be a list of at most {len(SOURCES)}")
    sources: dict[str, str] = {}
    for track in tracks:
        mid = track.get("mid") if isinstance(track, dict) else None
        source = track.get("source") if isinstance(track, dict) else None
        if not isinstance(mid, str) or not isinstance(source, str) or source not in SOURCES:
            raise GatewayError("bad_request", "a track needs a mid and a known source")
        if mid in sources or source in sources.values():
            raise GatewayError("bad_request", f"{mid!r:.40} or {source} is there twice")
        sources[mid] = source
    return sources


def _recording(data: dict[str, Any]) -> str:
    value = data.get("recording")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not 0 < len(value) <= 128:
        raise GatewayError("bad_request", "bad recording id")
    return value
