"""One UDP socket for everything, read and written in batches: the interface, and which kind a system gets.

On Linux `udp_batched` reads with `recvmmsg` and writes with `sendmmsg` and, where the kernel has it, UDP
segmentation offload, called through cffi (no compiler). `udp_plain` stands on `recvfrom` and `sendto`.

Addresses are opaque here: hashable keys that only the socket itself can read (`describe`) or make
(`address_of`).
"""

import socket
import struct
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import cffi
from pylibsrtp._binding import ffi as srtp_ffi

from .burst import NUMBER_AT, SEQUENCE_AT, TIMESTAMP_AT, OwnHeader, Picture, Record, Run
from .srtp import protect_rtp

SLOT_SIZE = 2048
"""Bytes of one receive buffer; no datagram of ours or of a browser comes near."""
MAX_PLAIN = SLOT_SIZE - 160
RECEIVE_SLOTS = 64
KERNEL_BUFFER = 4 * 1024 * 1024

Address = Any

_ffi = cffi.FFI()


class Slot:
    """A fixed buffer with both a C pointer (for libsrtp) and a memoryview (for Python)."""

    __slots__ = ("pointer", "view")

    def __init__(self) -> None:
        self.pointer = _ffi.new("char[]", SLOT_SIZE)
        self.view = memoryview(_ffi.buffer(self.pointer))


class Stream(Protocol):
    """The way to a peer that is reached over TCP."""

    def send(self, datagram: bytes) -> None: ...


class Target(Protocol):
    """What sending needs of a transport: libsrtp's handle and tag length, and the way to the peer."""

    srtp_handle: Any
    tag: int
    destination: Any
    stream: Stream | None


class Sender(Protocol):
    """One subscriber's sending side: counts its packets, and may hold a run back."""

    transport: Any
    number: int
    """the next transport-wide sequence number; kept in 0 to 65535 by whoever raises it"""

    def sent(self, count: int, size: int, now: float) -> None:
        """`count` packets of `size` bytes went out, the numbers being those before `number`."""


class Offsets(Protocol):
    """What makes a layer's packets one subscriber's own (see downtrack.py)."""

    shift: int
    rewrites: bool
    header: OwnHeader | None
    clock_shift: int
    picture_shift: int
    tl0_shift: int


class Receiver(Offsets, Protocol):
    """One subscriber of a layer."""

    sender: Any
    floor: int

    def hold(self, run: Run, now: float) -> bool:
        """Whether the run was put into the subscriber's paced queue instead."""


Handler = Callable[[Slot, int, Address], None]


def bind(host: str, port: int, kind: socket.SocketKind, options: dict[int, int]) -> socket.socket:
    """A non-blocking socket of that kind; `host` with a colon takes IPv6 and IPv4.

    `options` are set before it is bound (SOL_SOCKET). OSError when the address cannot be had.
    """
    v6 = ":" in host
    sock = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, kind)
    try:
        if v6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        for option, value in options.items():
            sock.setsockopt(socket.SOL_SOCKET, option, value)
        sock.setblocking(False)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock


def open_socket(host: str, port: int, *, batched: bool | None = None, gso: bool | None = None) -> "UdpSocket":
    """Bind. `host` with a colon opens IPv6 and IPv4 on one socket. OSError when the address cannot be had.

    `batched` forces (True) or forbids (False) recvmmsg/sendmmsg, `gso` segmentation offload; None takes what
    the system has.
    """
    from .udp_batched import BatchedSocket, offload_works
    from .udp_plain import PlainSocket

    buffers = {socket.SO_RCVBUF: KERNEL_BUFFER, socket.SO_SNDBUF: KERNEL_BUFFER}
    sock = bind(host, port, socket.SOCK_DGRAM, buffers)
    if batched is None:
        batched = sys.platform == "linux"
    if not batched:
        return PlainSocket(sock)
    return BatchedSocket(sock, gso=offload_works() if gso is None else gso)


class UdpSocket(ABC):
    """What both kinds share: counters, closing, and the interface."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.v6 = sock.family == socket.AF_INET6
        self.port: int = sock.getsockname()[1]
        self.gso = False
        self.received = 0
        self.sent = 0
        self.sends = 0
        """calls of the kernel's send"""
        self.messages = 0
        """messages given to it; fewer than packets where it cuts them itself"""
        self.bytes_received = 0
        self.bytes_sent = 0
        self.send_drops = 0
        self.protect_errors = 0
        self._length = srtp_ffi.new("int *")
        self._scratch = Slot()

    def fileno(self) -> int:
        return self.sock.fileno()

    def close(self) -> None:
        self.sock.close()

    @abstractmethod
    def receive(self, handler: Handler) -> int:
        """Read at most one batch and hand each datagram to `handler(slot, length, address)`.

        How many there were.
        """

    @abstractmethod
    def send(self, destination: Any, data: bytes) -> None:
        """Queue a datagram as it is."""

    @abstractmethod
    def fan_out(self, run: Run, receivers: Iterable[Receiver], now: float) -> None:
        """Queue a run to each receiver: numbered and encrypted for each with its own key."""

    @abstractmethod
    def flush(self) -> None:
        """Hand everything queued to the kernel. What the kernel cannot take now is dropped and counted."""

    @abstractmethod
    def destination(self, address: Address) -> Any:
        """What `send` and targets use to name an address; made once an address."""

    @abstractmethod
    def describe(self, address: Address) -> tuple[str, int]:
        """(ip, port) as text; mapped IPv4 comes out as IPv4."""

    @abstractmethod
    def address_of(self, ip: str, port: int) -> Address:
        """The key of an address given as text (no name resolution).

        OSError or ValueError when it is not one.
        """

    def send_packet(self, sender: Sender, packet: bytes, now: float) -> None:
        """Queue one template that already carries its sequence number."""
        transport: Target = sender.transport
        if transport.srtp_handle is None:
            return
        if len(packet) > MAX_PLAIN:
            self.send_drops += 1
            return
        view = self._scratch.view
        view[: len(packet)] = packet
        number = sender.number
        view[NUMBER_AT] = number >> 8
        view[NUMBER_AT + 1] = number & 0xFF
        data = self._protected(transport, len(packet))
        if data is None:
            return
        sender.number = (number + 1) & 0xFFFF
        sender.sent(1, len(data), now)
        self.dispatch(transport, data)

    def dispatch(self, transport: Target, data: bytes) -> None:
        """Queue an encrypted packet on whichever way leads to the peer."""
        if transport.stream is not None:
            transport.stream.send(data)
        elif transport.destination is not None:
            self.send(transport.destination, data)

    def _protected(self, transport: Target, size: int) -> bytes | None:
        length = self._length
        length[0] = size
        if protect_rtp(transport.srtp_handle, self._scratch.pointer, length):
            self.protect_errors += 1
            return None
        return bytes(self._scratch.view[: length[0]])

    def _one_by_one(self, run: Run, receiver: Receiver, now: float) -> None:
        """A run to one receiver, packet by packet: for TCP, and for sockets without batches."""
        sender = receiver.sender
        for record, packet in zip(run.records, run.packets, strict=True):
            self.send_packet(sender, renumbered(record, packet, receiver), now)


def renumbered(record: Record, packet: bytes, receiver: Offsets) -> bytes:
    """A copy of a template with this receiver's sequence number and, where it has any, its other offsets."""
    copy = bytearray(packet)
    sequence = (record[0] + receiver.shift) & 0xFFFF
    copy[SEQUENCE_AT] = sequence >> 8
    copy[SEQUENCE_AT + 1] = sequence & 0xFF
    if receiver.rewrites:
        rewrite(memoryview(copy), 0, record, receiver)
    return bytes(copy)


def rewrite(view: memoryview, at: int, record: Record, receiver: Offsets) -> None:
    """Apply a receiver's timestamp and picture offsets to the packet that stands at `at`."""
    timestamp = (record[1] + receiver.clock_shift) & 0xFFFFFFFF
    _U32.pack_into(view, at + TIMESTAMP_AT, timestamp)
    if receiver.header is not None:
        receiver.header.write(view, at)
    picture: Picture | None = record[3]
    if picture is None:
        return
    id_at, ident, tl0_at, tl0 = picture
    if id_at > 0 and ident & 0x8000:
        shifted = (ident + receiver.picture_shift) & 0x7FFF | 0x8000
        view[at + id_at] = shifted >> 8
        view[at + id_at + 1] = shifted & 0xFF
    elif id_at < 0:  # a dependency descriptor's frame number
        shifted = ident + receiver.picture_shift
        view[at - id_at] = shifted >> 8 & 0xFF
        view[at - id_at + 1] = shifted & 0xFF
    elif id_at:
        view[at + id_at] = (ident + receiver.picture_shift) & 0x7F
    if tl0_at:
        view[at + tl0_at] = (tl0 + receiver.tl0_shift) & 0xFF


_U32 = struct.Struct("!I")


def plain_ip(ip: str) -> str:
    """IPv4 as itself where a dual-stack socket shows it mapped into IPv6."""
    return ip[7:] if ip.startswith("::ffff:") and "." in ip else ip
