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

from .counters import Counters, sizes
from .counters import count as count_all
from .endpoint import Endpoint
from .errors import GatewayError
from .identity import Identity
from .operations import Operations
from .pacer import Pacer
from .peer import Services
from .publisher import PublishConnection
from .room import Room
from .sdp_write import Candidate
from .speaker import PERIOD
from .tcp import StreamServer, open_listener
from .transport import LOST_AFTER
from .udp import open_socket

__all__ = ["Gateway", "GatewayConfig", "GatewayError"]

log = logging.getLogger(__name__)

TICK = 0.025
ROOM_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
PEER_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")


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
    data_rate: float = 1000.0
    """pointers and reactions a second in a room, twice that at once"""
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
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._tick_due = 0.0
        self._speakers_at = 0.0
        self._second_at = 0.0
        self._lag = 0.0
        self._counters = Counters(time.monotonic())
        self._operations: Operations | None = None

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
        self._pacer = Pacer(self._loop, endpoint.flush)
        services = Services(
            endpoint=endpoint,
            candidates=tuple(candidates),
            emit=self._emit,
            busy=self._busy.add,
            call_later=self._loop.call_later,
            pacer=self._pacer,
            loudest=self.config.loudest,
            data_rate=self.config.data_rate,
            max_bitrate=self.config.max_bitrate,
            numbers=self._numbers,
        )
        self._operations = Operations(self.config, self.instance, services, self._rooms)
        now = time.monotonic()
        self._tick_due = now + TICK
        self._speakers_at = self._second_at = now
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
            self._pacer.close()
            self._endpoint.stop()
        if self._operations is not None:
            self._operations.close()

    def rooms(self) -> list[str]:
        """The ids of the rooms that are open here."""
        return list(self._rooms)

    def load(self) -> dict[str, Any]:
        """What a heartbeat tells: sizes, rates over the last second, and how late the event loop is (ms)."""
        lag = round(1000 * self._lag, 2)
        streams = self._started.streams
        return {
            **sizes(self._rooms.values()),
            "tcp_connections": 0 if streams is None else len(streams.streams),
            "lag_ms": lag,
            "faults": self._started.faults.count,
            **self._counters.describe(),
        }

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
        try:
            self._work(endpoint, now)
            endpoint.flush()
        finally:
            self._tick_due = now + TICK
            self._timer = self._loop.call_later(TICK, self._tick)

    def _work(self, endpoint: Endpoint, now: float) -> None:
        """What is due now. A fault in one room or connection is noted and leaves the others alone."""
        assert self._operations is not None
        faults = endpoint.faults
        busy = list(self._busy)
        self._busy.clear()
        for connection in busy:
            connection.is_busy = False
            try:
                connection.tick(now)
            except Exception:
                faults.note("a connection's tick")
            if connection.missing:
                connection.is_busy = True
                self._busy.add(connection)
        speakers_due = now - self._speakers_at >= PERIOD
        second_due = now - self._second_at >= 1
        for room in list(self._rooms.values()):
            try:
                room.tick(now)
                if speakers_due:
                    room.evaluate_speakers(now)
                if second_due:
                    room.every_second(now, self.config.lost_after)
                    self._operations.close_if_empty(room)
            except Exception:
                faults.note("a room's tick")
        if speakers_due:
            self._speakers_at = now
        if second_due:
            self._second_at = now
            self._counters.measure(now, count_all(endpoint, self._rooms.values()))

    # -- operations ------------------------------------------------------------

    async def handle(
        self, op: str, room: str | None, peer: str | None, data: dict[str, Any]
    ) -> dict[str, Any]:
        """Do one operation and return the reply data. GatewayError (code, message) when it is refused."""
        operation = self._operations.table.get(op) if self._operations is not None else None
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
