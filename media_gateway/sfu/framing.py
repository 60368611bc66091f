"""Datagrams on a stream: each with two bytes of length before it (RFC 4571)."""

import struct
from collections.abc import Iterator

LENGTH = struct.Struct("!H")


class FrameTooLong(ValueError):
    """A frame is announced that is longer than anything its sender may send."""


def framed(datagram: bytes) -> bytes:
    """A datagram as it goes onto the stream. struct.error beyond 65,535 bytes."""
    return LENGTH.pack(len(datagram)) + datagram


class Deframer:
    """Cuts a stream back into datagrams; keeps at most one unfinished frame of `limit` bytes."""

    __slots__ = ("_tail", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._tail = b""

    def feed(self, data: bytes | memoryview) -> Iterator[memoryview]:
        """The datagrams that `data` completes; empty ones are left out. To be used up before the next call.

        FrameTooLong ends the stream: what follows has no meaning.
        """
        view = memoryview(self._tail + data if self._tail else data)
        self._tail = b""
        at, size = 0, len(view)
        while at + 2 <= size:
            length = view[at] << 8 | view[at + 1]
            if length > self.limit:
                raise FrameTooLong(f"a frame of {length} bytes")
            end = at + 2 + length
            if end > size:
                break
            if length:
                yield view[at + 2 : end]
            at = end
        self._tail = bytes(view[at:])
