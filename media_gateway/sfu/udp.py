"""One UDP socket for everything, read and written in batches.

On Linux a wake-up costs one `recvmmsg` and a flush one `sendmmsg`, called through cffi (no compiler).
Elsewhere the same interface stands on plain `recvfrom` and `sendto`. Both encrypt in place in their send
ring.

Addresses are opaque here: hashable keys that only the socket itself can read (`describe`) or make
(`address_of`).
"""

import errno
import logging
import socket
import struct
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import cffi
from pylibsrtp._binding import ffi as srtp_ffi

from .srtp import protect_rtp

log = logging.getLogger(__name__)

SLOT_SIZE = 2048
"""Bytes of one receive or send buffer; no datagram of ours or of a browser comes near."""
MAX_PLAIN = SLOT_SIZE - 160
RECEIVE_SLOTS = 64
SEND_SLOTS = 256
KERNEL_BUFFER = 4 * 1024 * 1024

Address = Any

_ffi = cffi.FFI()
_ffi.cdef(
    """
    struct iovec { void *iov_base; size_t iov_len; };
    struct msghdr { void *msg_name; unsigned int msg_namelen; struct iovec *msg_iov; size_t msg_iovlen;
                    void *msg_control; size_t msg_controllen; int msg_flags; };
    struct mmsghdr { struct msghdr msg_hdr; unsigned int msg_len; };
    int sendmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags);
    int recvmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags, void *timeout);
    """
)
_memmove = _ffi.memmove


class Slot:
    """A fixed buffer with both a C pointer (for libsrtp) and a memoryview (for Python)."""

    __slots__ = ("pointer", "view")

    def __init__(self) -> None:
        self.pointer = _ffi.new("char[]", SLOT_SIZE)
        self.view = memoryview(_ffi.buffer(self.pointer))


class Target(Protocol):
    """What `fan_out` needs of a receiver: the libsrtp handle and the socket's name of its address."""

    srtp_handle: Any
    destination: Any


Handler = Callable[[Slot, int, Address], None]


def open_socket(host: str, port: int, *, batched: bool | None = None) -> "UdpSocket":
    """Bind. `host` with a colon opens IPv6 and IPv4 on one socket. OSError when the address cannot be had.

    `batched` forces (True) or forbids (False) recvmmsg/sendmmsg; None takes them where the system has them.
    """
    v6 = ":" in host
    sock = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        if v6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, KERNEL_BUFFER)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BUFFER)
        sock.setblocking(False)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    if batched is None:
        batched = sys.platform == "linux"
    return BatchedSocket(sock) if batched else PlainSocket(sock)


class UdpSocket(ABC):
    """What both kinds share: counters, closing, and the interface."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.v6 = sock.family == socket.AF_INET6
        self.port: int = sock.getsockname()[1]
        self.received = 0
        self.sent = 0
        self.bytes_received = 0
        self.bytes_sent = 0
        self.send_drops = 0
        self.protect_errors = 0
        self._length = srtp_ffi.new("int *")

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
    def fan_out(self, packet: bytes, targets: Iterable[Target]) -> None:
        """Queue one plain RTP packet to each target, encrypted with each target's own key."""

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


class BatchedSocket(UdpSocket):
    """recvmmsg and sendmmsg on rings of preallocated buffers."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self._lib = _ffi.dlopen(None)
        self._fd = sock.fileno()
        self._in_slots = [Slot() for _ in range(RECEIVE_SLOTS)]
        self._in, self._in_iov = self._ring(self._in_slots)
        self._names = _ffi.new("char[]", 28 * RECEIVE_SLOTS)
        self._name_view = memoryview(_ffi.buffer(self._names))
        for i in range(RECEIVE_SLOTS):
            self._in[i].msg_hdr.msg_name = self._names + 28 * i
            self._in[i].msg_hdr.msg_namelen = 28
        self._out_slots = [Slot() for _ in range(SEND_SLOTS)]
        self._out, self._out_iov = self._ring(self._out_slots)
        # Plain lists of C references: indexing a cdata array for every packet costs more than the copy
        # itself.
        self._out_pointers = [slot.pointer for slot in self._out_slots]
        self._out_heads = [self._out[i].msg_hdr for i in range(SEND_SLOTS)]
        self._out_vectors = [self._out_iov[i] for i in range(SEND_SLOTS)]
        self._in_heads = [self._in[i].msg_hdr for i in range(RECEIVE_SLOTS)]
        self._queued = 0
        self._keep: list[Any] = [None] * SEND_SLOTS

    @staticmethod
    def _ring(slots: list[Slot]) -> tuple[Any, Any]:
        count = len(slots)
        vectors = _ffi.new("struct iovec[]", count)
        messages = _ffi.new("struct mmsghdr[]", count)
        for i, slot in enumerate(slots):
            vectors[i].iov_base = slot.pointer
            vectors[i].iov_len = SLOT_SIZE
            messages[i].msg_hdr.msg_iov = vectors + i
            messages[i].msg_hdr.msg_iovlen = 1
        return messages, vectors

    def receive(self, handler: Handler) -> int:
        count: int = self._lib.recvmmsg(self._fd, self._in, RECEIVE_SLOTS, socket.MSG_DONTWAIT, _ffi.NULL)
        if count <= 0:
            if count < 0 and _ffi.errno not in (errno.EAGAIN, errno.EINTR, errno.ECONNREFUSED):
                log.warning("recvmmsg failed: errno %d", _ffi.errno)
            return 0
        self.received += count
        names, messages, slots = self._name_view, self._in, self._in_slots
        heads = self._in_heads
        for i in range(count):
            length = messages[i].msg_len
            head = heads[i]
            at = 28 * i
            address = bytes(names[at : at + head.msg_namelen])
            head.msg_namelen = 28
            self.bytes_received += length
            if length:
                handler(slots[i], length, address)
        return count

    def send(self, destination: Any, data: bytes) -> None:
        if len(data) > SLOT_SIZE:
            self.send_drops += 1
            return
        i = self._queued
        if i == SEND_SLOTS:
            self.flush()
            i = 0
        _memmove(self._out_pointers[i], data, len(data))
        self._out_vectors[i].iov_len = len(data)
        head = self._out_heads[i]
        head.msg_name, head.msg_namelen = destination
        self._keep[i] = destination
        self._queued = i + 1

    def fan_out(self, packet: bytes, targets: Iterable[Target]) -> None:
        size = len(packet)
        if size > MAX_PLAIN:
            self.send_drops += 1
            return
        length, pointers, vectors = self._length, self._out_pointers, self._out_vectors
        heads, keep = self._out_heads, self._keep
        i = self._queued
        for target in targets:
            if i == SEND_SLOTS:
                self._queued = i
                self.flush()
                i = 0
            pointer = pointers[i]
            _memmove(pointer, packet, size)
            length[0] = size
            if protect_rtp(target.srtp_handle, pointer, length):
                self.protect_errors += 1
                continue
            vectors[i].iov_len = length[0]
            head = heads[i]
            # The tuple is kept while queued: the address memory must outlive a peer that leaves meanwhile.
            keep[i] = destination = target.destination
            head.msg_name, head.msg_namelen = destination
            i += 1
        self._queued = i

    def flush(self) -> None:
        total = self._queued
        if not total:
            return
        self._queued = 0
        at = 0
        messages, sendmmsg, fd = self._out, self._lib.sendmmsg, self._fd
        while at < total:
            count = sendmmsg(fd, messages + at, total - at, socket.MSG_DONTWAIT)
            if count > 0:
                at += count
                continue
            code = _ffi.errno
            if code == errno.EINTR:
                continue
            if code in (errno.EAGAIN, errno.ENOBUFS):
                # The kernel's buffer is full. Waiting would delay every other packet; receivers ask again.
                self.send_drops += total - at
                total = at
                break
            # This one address is at fault (unreachable, denied): leave it out, go on with the rest.
            self.send_drops += 1
            at += 1
        self.sent += total
        vectors = self._out_vectors
        self.bytes_sent += sum(vectors[i].iov_len for i in range(total))

    def destination(self, address: Address) -> Any:
        return _ffi.new("char[]", bytes(address)), len(address)

    def describe(self, address: Address) -> tuple[str, int]:
        port = int.from_bytes(address[2:4], "big")
        if self.v6:
            return _plain_ip(socket.inet_ntop(socket.AF_INET6, address[8:24])), port
        return socket.inet_ntoa(address[4:8]), port

    def address_of(self, ip: str, port: int) -> Address:
        family = struct.pack("=H", self.sock.family)
        if self.v6:
            raw = socket.inet_pton(socket.AF_INET6, ip if ":" in ip else f"::ffff:{ip}")
            return family + struct.pack("!HI", port, 0) + raw + bytes(4)
        return family + struct.pack("!H", port) + socket.inet_pton(socket.AF_INET, ip) + bytes(8)


class PlainSocket(UdpSocket):
    """recvfrom and sendto, for systems without the batched calls."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self._in_slot = Slot()
        self._out_slot = Slot()
        self._queue: list[tuple[Any, bytes]] = []

    def receive(self, handler: Handler) -> int:
        for count in range(RECEIVE_SLOTS):
            try:
                length, address = self.sock.recvfrom_into(self._in_slot.view)
            except (BlockingIOError, InterruptedError):
                return count
            except OSError as error:
                # Windows reports an earlier send's ICMP answer here; it says nothing of this socket.
                log.debug("recvfrom failed: %s", error)
                return count
            self.received += 1
            self.bytes_received += length
            if length:
                handler(self._in_slot, length, address[:2])
        return RECEIVE_SLOTS

    def send(self, destination: Any, data: bytes) -> None:
        self._queue.append((destination, data))
        if len(self._queue) >= SEND_SLOTS:
            self.flush()

    def fan_out(self, packet: bytes, targets: Iterable[Target]) -> None:
        size = len(packet)
        if size > MAX_PLAIN:
            self.send_drops += 1
            return
        length, slot = self._length, self._out_slot
        for target in targets:
            _memmove(slot.pointer, packet, size)
            length[0] = size
            if protect_rtp(target.srtp_handle, slot.pointer, length):
                self.protect_errors += 1
                continue
            self.send(target.destination, bytes(slot.view[: length[0]]))

    def flush(self) -> None:
        queue, self._queue = self._queue, []
        for destination, data in queue:
            try:
                self.sock.sendto(data, destination)
            except OSError as error:
                log.debug("sendto %s failed: %s", destination, error)
                self.send_drops += 1
            else:
                self.sent += 1
                self.bytes_sent += len(data)

    def destination(self, address: Address) -> Any:
        return address

    def describe(self, address: Address) -> tuple[str, int]:
        return _plain_ip(address[0]), address[1]

    def address_of(self, ip: str, port: int) -> Address:
        socket.inet_pton(socket.AF_INET6 if ":" in ip else socket.AF_INET, ip)
        if self.v6 and ":" not in ip:
            ip = f"::ffff:{ip}"
        return ip, port


def _plain_ip(ip: str) -> str:
    return ip[7:] if ip.startswith("::ffff:") and "." in ip else ip
