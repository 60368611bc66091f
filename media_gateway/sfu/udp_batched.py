"""`recvmmsg` on preallocated buffers, and whether the system has UDP segmentation offload (GSO)."""

import errno
import functools
import logging
import socket
import struct
from typing import Any

from .fan_out import FanOut
from .udp import RECEIVE_SLOTS, SLOT_SIZE, Address, Handler, Slot, plain_ip
from .udp_ring import UDP_SEGMENT, ffi

log = logging.getLogger(__name__)


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


class BatchedSocket(FanOut):
    """One `recvmmsg` a wake-up, one `sendmmsg` a flush."""

    def __init__(self, sock: socket.socket, *, gso: bool) -> None:
        super().__init__(sock, gso=gso)
        self._in_slots = [Slot() for _ in range(RECEIVE_SLOTS)]
        self._in_vectors = ffi.new("struct iovec[]", RECEIVE_SLOTS)
        self._in = ffi.new("struct mmsghdr[]", RECEIVE_SLOTS)
        self._names = ffi.new("char[]", 28 * RECEIVE_SLOTS)
        self._name_view = memoryview(ffi.buffer(self._names))
        for i, slot in enumerate(self._in_slots):
            self._in_vectors[i].iov_base, self._in_vectors[i].iov_len = slot.pointer, SLOT_SIZE
            head = self._in[i].msg_hdr
            head.msg_iov, head.msg_iovlen = self._in_vectors + i, 1
            head.msg_name, head.msg_namelen = self._names + 28 * i, 28
        self._in_heads = [self._in[i].msg_hdr for i in range(RECEIVE_SLOTS)]

    # -- reading ------------------------------------------------------------

    def receive(self, handler: Handler) -> int:
        count: int = self._lib.recvmmsg(self._fd, self._in, RECEIVE_SLOTS, socket.MSG_DONTWAIT, ffi.NULL)
        if count <= 0:
            if count < 0 and ffi.errno not in (errno.EAGAIN, errno.EINTR, errno.ECONNREFUSED):
                log.warning("recvmmsg failed: errno %d", ffi.errno)
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

    # -- addresses ------------------------------------------------------------

    def destination(self, address: Address) -> Any:
        memory = ffi.new("char[]", bytes(address))
        return int(ffi.cast("uintptr_t", memory)), memory

    def describe(self, address: Address) -> tuple[str, int]:
        ip, port, *_ = self._python_address(address)
        return plain_ip(ip), port

    def address_of(self, ip: str, port: int) -> Address:
        family = struct.pack("=H", self.sock.family)
        if self.v6:
            raw = socket.inet_pton(socket.AF_INET6, ip if ":" in ip else f"::ffff:{ip}")
            return family + struct.pack("!HI", port, 0) + raw + bytes(4)
        return family + struct.pack("!H", port) + socket.inet_pton(socket.AF_INET, ip) + bytes(8)
