"""Taking the packets off many sockets cheaply: recvmmsg into rows that numpy reads as columns.

One call takes what waits on one socket; headers, lengths and the kernel's receive times of thousands of
packets are then looked at together. Only the first bytes of a packet are copied where no more is asked for.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from socket import MSG_DONTWAIT, MSG_TRUNC
from typing import Any

import numpy as np

# The structures and the call are what the gateway itself reads with.
from media_gateway.sfu.udp_ring import ffi

_lib = ffi.dlopen(None)
_HEADS = np.dtype(
    {
        "names": ["controllen", "length"],
        "formats": ["u8", "u4"],
        "offsets": [40, 56],
        "itemsize": 64,
    }
)
CONTROL = 32
"""Bytes of one control message that holds a timespec."""

Array = np.ndarray[Any, Any]


@dataclass(slots=True)
class Rows:
    """What one pass took. `data` (count x row bytes) is overwritten by the next pass."""

    owners: Array
    """index of the socket, a packet"""
    segments: list[tuple[int, int, int]]
    """(index of the socket, first row, how many)"""
    data: Array
    lengths: Array
    """bytes of the whole packet, also where fewer were copied"""
    arrived_ns: Array
    """the kernel's receive time, Unix ns; sockets need SO_TIMESTAMPNS"""


class Drain:
    """Rows to read into; one instance serves any number of sockets."""

    def __init__(self, rows: int = 4096, row: int = 512, batch: int = 256) -> None:
        self.rows, self.batch = rows, batch
        self.data = np.zeros((rows, row), np.uint8)
        self._control = np.zeros((rows, CONTROL), np.uint8)
        self._times = self._control.view(np.int64)
        self._messages = ffi.new("struct mmsghdr[]", rows)
        self._vectors = ffi.new("struct iovec[]", rows)
        data = ffi.from_buffer("char[]", self.data)
        control = ffi.from_buffer("char[]", self._control)
        for i in range(rows):
            self._vectors[i].iov_base = data + i * row
            self._vectors[i].iov_len = row
            head = self._messages[i].msg_hdr
            head.msg_iov, head.msg_iovlen = self._vectors + i, 1
            head.msg_control, head.msg_controllen = control + i * CONTROL, CONTROL
        self._heads = np.frombuffer(ffi.buffer(self._messages), _HEADS)
        self._at = [self._messages + i for i in range(rows)]

    def read(self, sockets: Iterable[tuple[int, int]]) -> Iterator[Rows]:
        """Empty each of the (index, file descriptor); a pass for each time the rows are full."""
        segments: list[tuple[int, int, int]] = []
        at, limit, batch, starts, call = 0, self.rows, self.batch, self._at, _lib.recvmmsg
        null, flags = ffi.NULL, MSG_DONTWAIT | MSG_TRUNC  # the latter: tell the whole length
        for index, descriptor in sockets:
            while True:
                room = min(batch, limit - at)
                count = call(descriptor, starts[at], room, flags, null)
                if count > 0:
                    segments.append((index, at, count))
                    at += count
                if at == limit:
                    yield self._pass(segments, at)
                    segments, at = [], 0
                if count < room:
                    break
        if at:
            yield self._pass(segments, at)

    def _pass(self, segments: list[tuple[int, int, int]], count: int) -> Rows:
        self._heads["controllen"][:count] = CONTROL
        owners = np.repeat([s[0] for s in segments], [s[2] for s in segments])
        times = self._times[:count, 2] * 1_000_000_000 + self._times[:count, 3]
        lengths = self._heads["length"][:count].astype(np.int64)
        return Rows(owners, segments, self.data[:count], lengths, times)
