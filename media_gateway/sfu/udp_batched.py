"""recvmmsg and sendmmsg on preallocated buffers, with UDP segmentation offload (GSO) where there is such.

What goes out is written into one ring: for each receiver a copy of the run, in which numbers are set and
every packet is encrypted in place. With offload the whole run is one message that the kernel cuts; without
it every packet is a message, and all still leave in one system call.
"""

import errno
import functools
import logging
import socket
import struct
import sys
from collections.abc import Iterable
from typing import Any

import cffi

from .burst import Run
from .srtp import MAX_TRAILER, protect_rtp
from .udp import (
    MAX_PLAIN,
    RECEIVE_SLOTS,
    SLOT_SIZE,
    Address,
    Handler,
    Receiver,
    Slot,
    UdpSocket,
    plain_ip,
    rewrite,
)

log = logging.getLogger(__name__)

RING_BYTES = 512 * 1024
MESSAGES = 256
UDP_SEGMENT = 103
"""Linux udp.h; not in Python's socket module."""
SWAPPED = [int.from_bytes(value.to_bytes(2, "big"), sys.byteorder) for value in range(65536)]
"""A 16-bit number in network order, as a store of this system's order writes it."""

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

# Places in the arrays of 64-bit words that the structures above are on a 64-bit system.
_HEAD_WORDS, _NAME, _CONTROL_LENGTH = 8, 0, 5
_CONTROL_BYTES = 24
_CONTROL = struct.Struct("=QiiH6x")


@functools.cache
def offload_works() -> bool:
    """Whether the kernel cuts a message into segments: tried on loopback, once a process."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        try:
            receiver.bind(("127.0.0.1", 0))
            receiver.settimeout(0.5)
            control = [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("=H", 4))]
            sender.sendmsg([b"abcdefgh"], control, 0, receiver.getsockname())
            return receiver.recv(16) == b"abcd" and receiver.recv(16) == b"efgh"
        except OSError:
            return False


class BatchedSocket(UdpSocket):
    """One `recvmmsg` a wake-up, one `sendmmsg` a flush."""

    def __init__(self, sock: socket.socket, *, gso: bool) -> None:
        super().__init__(sock)
        self.gso = gso
        self._lib = _ffi.dlopen(None)
        self._fd = sock.fileno()
        self._name_size = 28 if self.v6 else 16
        self._make_receiving()
        self._make_sending()

    def _make_receiving(self) -> None:
        self._in_slots = [Slot() for _ in range(RECEIVE_SLOTS)]
        self._in_vectors = _ffi.new("struct iovec[]", RECEIVE_SLOTS)
        self._in = _ffi.new("struct mmsghdr[]", RECEIVE_SLOTS)
        self._names = _ffi.new("char[]", 28 * RECEIVE_SLOTS)
        self._name_view = memoryview(_ffi.buffer(self._names))
        for i, slot in enumerate(self._in_slots):
            self._in_vectors[i].iov_base, self._in_vectors[i].iov_len = slot.pointer, SLOT_SIZE
            head = self._in[i].msg_hdr
            head.msg_iov, head.msg_iovlen = self._in_vectors + i, 1
            head.msg_name, head.msg_namelen = self._names + 28 * i, 28
        self._in_heads = [self._in[i].msg_hdr for i in range(RECEIVE_SLOTS)]

    def _make_sending(self) -> None:
        self._ring = _ffi.new("char[]", RING_BYTES)
        self._ring_view = memoryview(_ffi.buffer(self._ring))
        self._ring_words = self._ring_view.cast("B").cast("H")
        self._ring_address = int(_ffi.cast("uintptr_t", self._ring))
        self._at = 0
        self._out = _ffi.new("struct mmsghdr[]", MESSAGES)
        self._vectors = _ffi.new("struct iovec[]", MESSAGES)
        self._control = _ffi.new("char[]", MESSAGES * _CONTROL_BYTES)
        for i in range(MESSAGES):
            head = self._out[i].msg_hdr
            head.msg_iov, head.msg_iovlen, head.msg_namelen = self._vectors + i, 1, self._name_size
            head.msg_control = self._control + i * _CONTROL_BYTES
            control = _ffi.buffer(self._control + i * _CONTROL_BYTES, _CONTROL_BYTES)
            _CONTROL.pack_into(control, 0, 18, socket.IPPROTO_UDP, UDP_SEGMENT, 0)
        # Stores through a memoryview cost half of those through cffi's structures.
        self._head_words = memoryview(_ffi.buffer(self._out)).cast("B").cast("Q")
        self._vector_words = memoryview(_ffi.buffer(self._vectors)).cast("B").cast("Q")
        self._control_words = memoryview(_ffi.buffer(self._control)).cast("B").cast("H")
        self._queued = 0
        self._packets = [0] * MESSAGES
        # The address memory must outlive a peer that leaves while its packets are queued.
        self._keep: list[Any] = [None] * MESSAGES

    # -- reading ------------------------------------------------------------

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

    # -- writing ------------------------------------------------------------

    def send(self, destination: Any, data: bytes) -> None:
        size = len(data)
        if size > SLOT_SIZE:
            self.send_drops += 1
            return
        if self._queued == MESSAGES or self._at + size > RING_BYTES:
            self.flush()
        at = self._at
        self._ring_view[at : at + size] = data
        self._at = (at + size + 1) & ~1
        self._message(self._queued, destination, at, size, 0, 1)
        self._queued += 1

    def _message(self, i: int, destination: Any, at: int, size: int, segment: int, packets: int) -> None:
        self._keep[i] = destination
        self._head_words[_HEAD_WORDS * i + _NAME] = destination[0]
        self._head_words[_HEAD_WORDS * i + _CONTROL_LENGTH] = _CONTROL_BYTES if segment else 0
        self._vector_words[2 * i] = self._ring_address + at
        self._vector_words[2 * i + 1] = size
        if segment:
            self._control_words[12 * i + 8] = segment
        self._packets[i] = packets

    def fan_out(self, run: Run, receivers: Iterable[Receiver], now: float) -> None:
        count, size, first = run.count, run.size, run.first
        if size > MAX_PLAIN:
            self.send_drops += count
            return
        ring, words, view = self._ring, self._ring_words, self._ring_view
        length, swapped, base = self._length, SWAPPED, self._ring_address
        head_words, vector_words, control_words = self._head_words, self._vector_words, self._control_words
        needed = run.total + count * MAX_TRAILER + 2
        messages = 1 if self.gso else count
        for receiver in receivers:
            sender = receiver.sender
            transport = sender.transport
            handle = transport.srtp_handle
            if first < receiver.floor or handle is None or receiver.hold(run, now):
                continue
            if transport.stream is not None:
                self._one_by_one(run, receiver, now)
                continue
            if self._queued + messages > MESSAGES or self._at + needed > RING_BYTES:
                self.flush()
            start = at = self._at
            tag = transport.tag
            blob = run.blob(tag)
            _memmove(ring + at, blob, len(blob))
            stride = size + tag
            if receiver.rewrites:
                for place, record in enumerate(run.records):
                    rewrite(view, at + place * stride, record, receiver)
            sequence, number = first + receiver.shift, sender.number
            plain = size
            last = count - 1
            for place in range(count):
                if place == last:
                    plain = run.last
                word = at >> 1
                words[word + 1] = swapped[sequence & 0xFFFF]
                words[word + 9] = swapped[number & 0xFFFF]
                sequence += 1
                number += 1
                length[0] = plain
                if protect_rtp(handle, ring + at, length):
                    self.protect_errors += 1
                    break
                at += stride
            else:
                end = at - stride + length[0]
                self._at = (end + 1) & ~1
                sender.number = number & 0xFFFF
                sender.sent(count, stride, now)
                destination = transport.destination
                i = self._queued
                if count == 1 or messages == 1:
                    # `_message` written out: this is done for every subscriber of every run.
                    self._keep[i] = destination
                    head_words[8 * i] = destination[0]
                    vector_words[2 * i] = base + start
                    vector_words[2 * i + 1] = end - start
                    if count > 1:
                        head_words[8 * i + 5] = _CONTROL_BYTES
                        control_words[12 * i + 8] = stride
                    else:
                        head_words[8 * i + 5] = 0
                    self._packets[i] = count
                    self._queued = i + 1
                else:
                    for place in range(count):
                        at = start + place * stride
                        self._message(i + place, destination, at, min(stride, end - at), 0, 1)
                    self._queued = i + count

    def flush(self) -> None:
        total = self._queued
        if not total:
            return
        self._queued = self._at = 0
        at = 0
        messages, sendmmsg, fd = self._out, self._lib.sendmmsg, self._fd
        packets, vectors = self._packets, self._vector_words
        self.messages += total
        while at < total:
            self.sends += 1
            count = sendmmsg(fd, messages + at, total - at, socket.MSG_DONTWAIT)
            if count > 0:
                self.sent += sum(packets[at : at + count])
                self.bytes_sent += sum(vectors[2 * at + 1 : 2 * (at + count) : 2])
                at += count
                continue
            code = _ffi.errno
            if code == errno.EINTR:
                continue
            if code in (errno.EAGAIN, errno.ENOBUFS):
                # The kernel's buffer is full. Waiting would delay every other packet; receivers ask again.
                self.send_drops += sum(packets[at:total])
                return
            if packets[at] > 1 and code in (errno.EIO, errno.EINVAL, errno.EMSGSIZE, errno.EOPNOTSUPP):
                # A device on the way cannot cut this (no checksum offload, a small MTU): do it ourselves.
                if code != errno.EMSGSIZE:
                    self._stop_offload(code)
                self._send_segments(at)
            else:
                # This one address is at fault (unreachable, denied): leave it out, go on with the rest.
                self.send_drops += packets[at]
            at += 1

    def _stop_offload(self, code: int) -> None:
        if self.gso:
            log.warning("UDP segmentation offload is refused here (errno %d): going on without it", code)
            self.gso = False

    def _send_segments(self, i: int) -> None:
        """Send the queued message `i` as the datagrams it consists of."""
        start = self._vector_words[2 * i] - self._ring_address
        size, segment = self._vector_words[2 * i + 1], self._control_words[12 * i + 8]
        address = self._python_address(bytes(_ffi.buffer(self._keep[i][1])))
        for at in range(start, start + size, segment):
            try:
                self.sends += 1
                self.sock.sendto(self._ring_view[at : min(at + segment, start + size)], address)
            except OSError:
                self.send_drops += 1
            else:
                self.sent += 1
                self.bytes_sent += min(segment, start + size - at)

    # -- addresses ------------------------------------------------------------

    def _python_address(self, address: Address) -> tuple[Any, ...]:
        port = int.from_bytes(address[2:4], "big")
        if self.v6:
            scope = struct.unpack_from("=I", address, 24)[0]
            return socket.inet_ntop(socket.AF_INET6, address[8:24]), port, 0, scope
        return socket.inet_ntoa(address[4:8]), port

    def destination(self, address: Address) -> Any:
        memory = _ffi.new("char[]", bytes(address))
        return int(_ffi.cast("uintptr_t", memory)), memory

    def describe(self, address: Address) -> tuple[str, int]:
        ip, port, *_ = self._python_address(address)
        return plain_ip(ip), port

    def address_of(self, ip: str, port: int) -> Address:
        family = struct.pack("=H", self.sock.family)
        if self.v6:
            raw = socket.inet_pton(socket.AF_INET6, ip if ":" in ip else f"::ffff:{ip}")
            return family + struct.pack("!HI", port, 0) + raw + bytes(4)
        return family + struct.pack("!H", port) + socket.inet_pton(socket.AF_INET, ip) + bytes(8)
