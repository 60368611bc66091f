"""The sending half of the batched socket: a ring of bytes, messages that point into it, one `sendmmsg`.

With segmentation offload (GSO) a message is a whole run of packets that the kernel cuts.
"""

import errno
import logging
import socket
import struct
from collections.abc import Sequence
from typing import Any

import cffi
import numpy as np

from .udp import SLOT_SIZE, Address, UdpSocket

log = logging.getLogger(__name__)

RING_BYTES = 128 * 1024
"""Small enough for the processor's cache: the kernel copies from it soon after."""
MESSAGES = 256
UDP_SEGMENT = 103
"""Linux udp.h; not in Python's socket module."""

ffi = cffi.FFI()
ffi.cdef(
    """
    struct iovec { void *iov_base; size_t iov_len; };
    struct msghdr { void *msg_name; unsigned int msg_namelen; struct iovec *msg_iov; size_t msg_iovlen;
                    void *msg_control; size_t msg_controllen; int msg_flags; };
    struct mmsghdr { struct msghdr msg_hdr; unsigned int msg_len; };
    int sendmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags);
    int recvmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags, void *timeout);
    """
)

# Places in the arrays of 64-bit words that the structures above are on a 64-bit system.
_HEAD_WORDS, _NAME, _CONTROL_LENGTH = 8, 0, 5
_CONTROL_BYTES, _SEGMENT = 24, 8
_CONTROL = struct.Struct("=QiiH6x")


class SendRing(UdpSocket):
    """Preallocated memory for what goes out, and the ways to fill and empty it."""

    def __init__(self, sock: socket.socket, *, gso: bool) -> None:
        super().__init__(sock)
        self.gso = gso
        self._lib = ffi.dlopen(None)
        self._fd = sock.fileno()
        self._ring = ffi.new("char[]", RING_BYTES)
        self._ring_view = memoryview(ffi.buffer(self._ring))
        self._ring_address = int(ffi.cast("uintptr_t", self._ring))
        self._at = 0
        self._out = ffi.new("struct mmsghdr[]", MESSAGES)
        vectors = ffi.new("struct iovec[]", MESSAGES)
        control = ffi.new("char[]", MESSAGES * _CONTROL_BYTES)
        self._owned = vectors, control
        for i in range(MESSAGES):
            head = self._out[i].msg_hdr
            head.msg_iov, head.msg_iovlen = vectors + i, 1
            head.msg_namelen = 28 if self.v6 else 16
            head.msg_control = control + i * _CONTROL_BYTES
            place = ffi.buffer(control + i * _CONTROL_BYTES, _CONTROL_BYTES)
            _CONTROL.pack_into(place, 0, 18, socket.IPPROTO_UDP, UDP_SEGMENT, 0)
        # Stores through a memoryview cost half of those through cffi's structures.
        self._head_words = memoryview(ffi.buffer(self._out)).cast("B").cast("Q")
        self._vector_words = memoryview(ffi.buffer(vectors)).cast("B").cast("Q")
        self._control_words = memoryview(ffi.buffer(control)).cast("B").cast("H")
        self._heads = np.frombuffer(self._head_words, np.uint64).reshape(MESSAGES, _HEAD_WORDS)
        self._vectors = np.frombuffer(self._vector_words, np.uint64).reshape(MESSAGES, 2)
        self._controls = np.frombuffer(self._control_words, np.uint16).reshape(MESSAGES, -1)
        self._queued = 0
        self._packets = [0] * MESSAGES
        # The address memory must outlive a peer that leaves while its packets are queued.
        self._keep: list[Any] = [None] * MESSAGES

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
        self._message(destination, at, size, 0, 1)

    def _message(self, destination: Any, at: int, size: int, segment: int, packets: int) -> None:
        i = self._queued
        self._keep[i] = destination
        self._head_words[_HEAD_WORDS * i + _NAME] = destination[0]
        self._head_words[_HEAD_WORDS * i + _CONTROL_LENGTH] = _CONTROL_BYTES if segment else 0
        self._vector_words[2 * i] = self._ring_address + at
        self._vector_words[2 * i + 1] = size
        if segment:
            self._control_words[_CONTROL_BYTES // 2 * i + _SEGMENT] = segment
        self._packets[i] = packets
        self._queued = i + 1

    def _queue_runs(
        self, starts: Sequence[int], destinations: list[Any], size: int, stride: int, count: int
    ) -> None:
        first, end = self._queued, self._queued + len(starts)
        heads, vectors = self._heads[first:end], self._vectors[first:end]
        heads[:, _NAME] = [destination[0] for destination in destinations]
        heads[:, _CONTROL_LENGTH] = _CONTROL_BYTES if count > 1 else 0
        vectors[:, 0] = np.array(starts) + self._ring_address
        vectors[:, 1] = size
        self._controls[first:end, _SEGMENT] = stride
        self._packets[first:end] = [count] * len(starts)
        self._keep[first:end] = destinations
        self._queued = end

    def _queue_packets(self, starts: Sequence[int], destinations: list[Any], size: int, stride: int) -> None:
        for start, destination in zip(starts, destinations, strict=True):
            for at in range(start, start + size, stride):
                self._message(destination, at, min(stride, start + size - at), 0, 1)

    # -- the kernel ------------------------------------------------------------

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
            code = ffi.errno
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
        size = self._vector_words[2 * i + 1]
        segment = self._control_words[_CONTROL_BYTES // 2 * i + _SEGMENT]
        address = self._python_address(bytes(ffi.buffer(self._keep[i][1])))
        for at in range(start, start + size, segment):
            try:
                self.sends += 1
                self.sock.sendto(self._ring_view[at : min(at + segment, start + size)], address)
            except OSError:
                self.send_drops += 1
            else:
                self.sent += 1
                self.bytes_sent += min(segment, start + size - at)

    def _python_address(self, address: Address) -> tuple[Any, ...]:
        port = int.from_bytes(address[2:4], "big")
        if self.v6:
            scope = struct.unpack_from("=I", address, 24)[0]
            return socket.inet_ntop(socket.AF_INET6, address[8:24]), port, 0, scope
        return socket.inet_ntoa(address[4:8]), port
