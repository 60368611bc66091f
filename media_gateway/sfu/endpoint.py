"""The one UDP socket of a worker, its TCP connections, and who is behind which address.

Demultiplexing is by first byte (RFC 7983) and by remote address. Nobody is known before a binding request
with a valid MESSAGE-INTEGRITY came from there, or media that authenticates with the keys of a transport that
is here already; so a stray datagram ends at a failed dictionary look-up: no answer, no state.
"""

import asyncio
import time
from typing import TYPE_CHECKING, Protocol

from . import stun
from .faults import Faults
from .identity import Identity
from .microtimer import MicroTimer
from .strangers import Strangers
from .tcp import StreamServer, TcpStream
from .transport import Transport
from .udp import RECEIVE_SLOTS, Address, Slot, UdpSocket

if TYPE_CHECKING:
    from .layer import Layer


POLL_EVERY, POLL_SELDOM = 0.0004, 0.001
"""Seconds between looks at a busy socket: what came meanwhile is sent on together, which costs half. The
second while little comes, because a look costs as much as forwarding two packets."""
POLL_FEW = 5
"""Datagrams of a look that are little."""
POLLED_BATCHES = 4
POLL_RECEIVERS = 4
"""Fewer receivers than these are sent to at once: there is little to gain."""
IDLE_POLLS = 2
"""Looks in vain after which the socket is waited for again."""


class Follower(Protocol):
    """Something that queues what it sends."""

    def flush(self) -> None: ...


class Endpoint:
    """Owns the socket; maps user fragments and addresses to transports."""

    def __init__(self, socket: UdpSocket, identity: Identity) -> None:
        self.socket = socket
        self.identity = identity
        self.by_ufrag: dict[str, Transport] = {}
        self.by_address: dict[Address, Transport] = {}
        self.strangers = Strangers()
        self.faults = Faults()
        self.strays = 0
        self.refused = 0
        self.now = 0.0
        """monotonic time of the batch or tick under way"""
        self.outbox: list[Layer] = []
        """layers with packets to be sent to their subscribers"""
        self.followers: list[Follower] = []
        """what is flushed along: TCP connections, sockets of recorder feeds"""
        self.streams: StreamServer | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._flush_due = False
        self._timer: MicroTimer | None = None
        self._idle_polls = 0
        self._polling = False

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self.socket.fileno(), self._readable)
        self._timer = MicroTimer(self._loop, self._poll)

    def stop(self) -> None:
        if self._loop is not None:
            self._loop.remove_reader(self.socket.fileno())
            self._loop = None
        if self._timer is not None:
            self._timer.close()
            self._timer = None
        self.flush()
        if self.streams is not None:
            self.streams.stop()
        self.followers.clear()
        self.socket.close()

    def serve(self, streams: StreamServer) -> None:
        """Take TCP connections too."""
        self.streams = streams
        self.followers.append(streams)

    def register(self, ufrag: str, transport: Transport) -> None:
        self.by_ufrag[ufrag] = transport

    def unregister(self, ufrag: str) -> None:
        self.by_ufrag.pop(ufrag, None)

    def map(self, address: Address, transport: Transport) -> None:
        """An address now belongs to `transport`, whoever had it before."""
        self.by_address[address] = transport
        if isinstance(address, TcpStream):
            address.authenticated()

    def unmap(self, address: Address, transport: Transport) -> None:
        """`transport` is done with an address; a connection that nobody else uses is closed."""
        if self.by_address.get(address) is transport:
            del self.by_address[address]
            if isinstance(address, TcpStream):
                address.close()

    def stream_closed(self, stream: TcpStream) -> None:
        transport = self.by_address.pop(stream, None)
        if transport is not None:
            transport.lost(stream, time.monotonic())

    def request_flush(self) -> None:
        """Flush the send ring at the next turn of the loop.

        For packets queued outside of reading and ticking.
        """
        if self._loop is not None and not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        if self._loop is not None and not self._polling:
            self.flush()

    def flush(self) -> None:
        """Number, encrypt and hand to the kernel everything that waits."""
        if self.outbox:
            outbox, now = list(self.outbox), self.now
            self.outbox.clear()
            for layer in outbox:
                try:
                    layer.send(now)
                except Exception:
                    self.faults.note("sending")
        self.socket.flush()
        for socket in self.followers:
            socket.flush()

    def begin(self) -> None:
        """One clock reading a batch: its packets were waiting together."""
        self.now = time.monotonic()

    def take(self, slot: Slot, length: int, address: Address) -> None:
        """A datagram that came over TCP."""
        self._datagram(slot, length, address)

    def _readable(self) -> None:
        self.begin()
        if not self.socket.receive(self._datagram):
            return
        receivers = 0
        for layer in self.outbox:
            receivers += len(layer.live)
        if receivers < POLL_RECEIVERS or self._timer is None or self._loop is None:
            self.flush()
            return
        # From here on the socket is looked at by the clock, until it is quiet again: a frame's packets come
        # spread over a millisecond or more, and a wake-up for each would send each of them alone.
        self._loop.remove_reader(self.socket.fileno())
        self._polling, self._idle_polls = True, 0
        self._timer.arm(POLL_EVERY)

    def _poll(self) -> None:
        if self._loop is None or self._timer is None:
            return
        self.now = time.monotonic()
        came = 0
        for _ in range(POLLED_BATCHES):
            count = self.socket.receive(self._datagram)
            came += count
            if count < RECEIVE_SLOTS:
                break
        self.flush()
        self._idle_polls = 0 if came else self._idle_polls + 1
        if self._idle_polls < IDLE_POLLS:
            self._timer.arm(POLL_SELDOM if came < POLL_FEW else POLL_EVERY)
        else:
            self._polling = False
            self._loop.add_reader(self.socket.fileno(), self._readable)

    def _datagram(self, slot: Slot, length: int, address: Address) -> None:
        try:
            first = slot.view[0]
            if first >= 128:
                transport = self.by_address.get(address)
                if first >= 192 or length < 12:
                    self.strays += 1
                elif transport is None:
                    if not self.strangers.admit(slot, length, address, self.now):
                        self.strays += 1
                elif 192 <= slot.view[1] <= 223:
                    transport.rtcp(slot, length, self.now)
                else:
                    transport.rtp(slot, length, self.now)
            elif first < 4:
                self._stun(slot, length, address)
            elif 20 <= first < 64:
                transport = self.by_address.get(address)
                if transport is None:
                    self.strays += 1
                else:
                    transport.dtls.feed(bytes(slot.view[:length]))
            else:
                self.strays += 1
        except Exception:
            # The batch goes on: the other datagrams in it are other people's.
            self.faults.note("a datagram")

    def _stun(self, slot: Slot, length: int, address: Address) -> None:
        if length > stun.MAX_LENGTH:
            self.strays += 1
            return
        data = bytes(slot.view[:length])
        ufrag = stun.peek_ufrag(data)
        if ufrag is not None and ufrag.decode("ascii", "replace") not in self.by_ufrag:
            self.refused += 1
            return
        request = stun.parse_binding_request(data)
        if request is None:
            self.strays += 1
            return
        name = request.local_ufrag.decode("ascii", "replace")
        transport = self.by_ufrag.get(name)
        password = transport.password_for(name) if transport else None
        if transport is None or password is None or not stun.authenticates(request, password):
            self.refused += 1
            return
        ip, port = address.peer if isinstance(address, TcpStream) else self.socket.describe(address)
        reply, valid = stun.answer(request, ip, port, password)
        if valid:
            transport.consent(address, self.now, use_candidate=request.use_candidate)
        if len(reply) > length:
            return
        if isinstance(address, TcpStream):
            address.send(reply)
        else:
            self.socket.send(self.socket.destination(address), reply)
