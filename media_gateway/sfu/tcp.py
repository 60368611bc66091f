"""ICE over TCP for networks that let no UDP out: passive candidates (RFC 6544), framing of RFC 4571.

A connection is a way to a peer as an address is: `TcpStream` objects stand where addresses stand, as keys of
the endpoint and as the path of a transport. Until its first valid STUN request a connection may send a few
small STUN messages and nothing else, and has five seconds for it; nothing unauthenticated is answered.
"""

import asyncio
import ipaddress
import logging
import socket
import sys
from collections import Counter
from typing import Protocol

from . import stun
from .backlog import Backlog
from .framing import Deframer, FrameTooLong, framed
from .udp import SLOT_SIZE, Address, Slot, bind, plain_ip

log = logging.getLogger(__name__)

AUTHENTICATE_WITHIN = 5.0
"""Seconds a connection has for its first valid STUN request."""
MAX_STRANGE_FRAMES = 8
"""Frames it may send until then."""
MAX_STREAMS = 2000
MAX_STRANGERS = 256
"""Connections that have not authenticated; the oldest makes way, since browsers authenticate at once."""
MAX_PER_NETWORK = 200
"""Connections from one IPv4 address or IPv6 /64: a company behind one address has two for each person."""
READ_BUFFER = 64 * 1024
KERNEL_BUFFER = 128 * 1024
"""Bytes of the kernel's send buffer; left to itself it would queue megabytes."""
OTHER_DESCRIPTORS = 256
"""Open files kept for everything else."""


class Hub(Protocol):
    """What a server needs of the endpoint."""

    def begin(self) -> None: ...
    def take(self, slot: Slot, length: int, address: Address) -> None: ...
    def flush(self) -> None: ...
    def stream_closed(self, stream: "TcpStream") -> None: ...


def open_listener(host: str, port: int) -> socket.socket:
    """A listening socket; `host` with a colon takes IPv6 and IPv4. OSError when it cannot be had."""
    # The buffer is inherited by what is accepted.
    options = {socket.SO_SNDBUF: KERNEL_BUFFER}
    if sys.platform != "win32":
        options[socket.SO_REUSEADDR] = 1
    return bind(host, port, socket.SOCK_STREAM, options)


def network_of(ip: str) -> str:
    """What counts as one origin: an IPv4 address, or the /64 that every IPv6 host has to itself."""
    address = ipaddress.ip_address(ip.partition("%")[0])
    return ip if address.version == 4 else str(ipaddress.ip_network((address, 64), strict=False))


class TcpStream(asyncio.BufferedProtocol):
    """One accepted connection: datagrams go in and come out whole."""

    def __init__(self, server: "StreamServer") -> None:
        self.server = server
        self.peer = ("", 0)
        self.network = ""
        self.known = False
        """whether a valid STUN request came over it"""
        self.closed = False
        self.backlog = Backlog()
        self._strange_frames = 0
        self._deframer = Deframer(SLOT_SIZE)
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._out: list[bytes] = []
        self._waiting = 0

    # -- life ------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        name = transport.get_extra_info("peername")
        if name is None:
            self.abort()
            return
        self.peer = plain_ip(name[0]), name[1]
        self.network = network_of(self.peer[0])
        self._timer = asyncio.get_running_loop().call_later(AUTHENTICATE_WITHIN, self.abort)
        self.server.opened(self)

    def authenticated(self) -> None:
        """A valid STUN request came: from now on any frame is taken."""
        if not self.known and not self.closed:
            self.known = True
            self._stop_timer()
            self.server.strangers.pop(self, None)

    def connection_lost(self, error: Exception | None) -> None:
        self._end()

    def close(self) -> None:
        """End the connection, after what waits."""
        self.flush()
        if self._transport is not None:
            self._transport.close()
        self._end()

    def abort(self) -> None:
        """End the connection now."""
        if self._transport is not None:
            self._transport.abort()
        self._end()

    def _end(self) -> None:
        if not self.closed:
            self.closed = True
            self._out.clear()
            self._stop_timer()
            self.server.ended(self)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- in ------------------------------------------------------------

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.server.read_view

    def buffer_updated(self, count: int) -> None:
        if self.closed:
            return
        hub, slot = self.server.hub, self.server.slot
        self.server.bytes += count
        hub.begin()
        try:
            for frame in self._deframer.feed(self.server.read_view[:count]):
                if not self.known and not self._tolerates(frame):
                    self.abort()
                if self.closed:
                    break
                length = len(frame)
                slot.view[:length] = frame
                self.server.received += 1
                hub.take(slot, length, self)
        except FrameTooLong as error:
            log.debug("stream from %s: %s", self.network, error)
            self.abort()
        hub.flush()

    def _tolerates(self, frame: memoryview) -> bool:
        self._strange_frames += 1
        return self._strange_frames <= MAX_STRANGE_FRAMES and len(frame) <= stun.MAX_LENGTH and frame[0] < 4

    # -- out ------------------------------------------------------------

    def send(self, datagram: bytes) -> None:
        """Queue a datagram until the next flush; what a slow reader cannot take is left out."""
        if self.closed or self._transport is None:
            return
        waiting = self._waiting + self._transport.get_write_buffer_size()
        if not self.backlog.admits(datagram, waiting):
            self.server.dropped += 1
            return
        if not self._out:
            self.server.dirty.append(self)
        self._out.append(framed(datagram))
        self._waiting += len(datagram) + 2
        self.server.sent += 1

    def flush(self) -> None:
        """Hand what was queued to the kernel, in one write."""
        if self._out and self._transport is not None:
            data = b"".join(self._out)
            self._out.clear()
            self._waiting = 0
            self.server.bytes += len(data)
            self._transport.write(data)


class StreamServer:
    """The listening socket of a worker and its connections."""

    def __init__(self, sock: socket.socket, hub: Hub) -> None:
        self.sock = sock
        self.hub = hub
        self.port: int = sock.getsockname()[1]
        self.streams: dict[TcpStream, None] = {}
        self.strangers: dict[TcpStream, None] = {}
        """connections that have not authenticated, oldest first"""
        self.dirty: list[TcpStream] = []
        self.received = 0
        self.sent = 0
        self.bytes = 0
        self.dropped = 0
        self.refused = 0
        self.limit = MAX_STREAMS
        self.slot = Slot()
        # One for all: a read is taken apart before the next one begins.
        self.read_view = memoryview(bytearray(READ_BUFFER))
        self._networks: Counter[str] = Counter()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self.limit = min(MAX_STREAMS, descriptors_for(MAX_STREAMS + OTHER_DESCRIPTORS) - OTHER_DESCRIPTORS)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: TcpStream(self), sock=self.sock, backlog=128)

    def stop(self) -> None:
        """Close everything. What was queued still goes out as far as the kernel takes it at once."""
        if self._server is not None:
            self._server.close()
            self._server = None
        else:
            self.sock.close()
        for stream in list(self.streams):
            stream.close()

    def opened(self, stream: TcpStream) -> None:
        """Take a new connection on, or refuse it by cutting it."""
        self.streams[stream] = None
        self._networks[stream.network] += 1
        if len(self.streams) > self.limit or self._networks[stream.network] > MAX_PER_NETWORK:
            self.refused += 1
            stream.abort()
            return
        self.strangers[stream] = None
        if len(self.strangers) > MAX_STRANGERS:
            self.refused += 1
            next(iter(self.strangers)).abort()

    def ended(self, stream: TcpStream) -> None:
        if stream not in self.streams:
            return
        del self.streams[stream]
        self.strangers.pop(stream, None)
        self._networks[stream.network] -= 1
        if not self._networks[stream.network]:
            del self._networks[stream.network]
        self.hub.stream_closed(stream)

    def counts(self) -> dict[str, int]:
        """Datagrams and bytes in both directions, and what was left out for slow readers, since the start."""
        return {"packets": self.received + self.sent, "bytes": self.bytes, "drops": self.dropped}

    def flush(self) -> None:
        """Write what was queued on any connection."""
        if self.dirty:
            dirty, self.dirty = self.dirty, []
            for stream in dirty:
                stream.flush()


def descriptors_for(wanted: int) -> int:
    """How many files this process may have open, after raising its soft limit towards `wanted`."""
    if sys.platform == "win32":
        return wanted
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed
