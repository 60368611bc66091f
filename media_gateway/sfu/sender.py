"""The sending side of one subscriber: counts its packets, paces what is too much for its line.

One for each subscribe connection, shared by all of its tracks.
"""

from collections import deque
from typing import TYPE_CHECKING

from .udp import UdpSocket

if TYPE_CHECKING:
    from .downtrack import DownTrack
    from .transport import Transport

PACING = 2.5
"""How much faster than the estimate a burst may leave."""
BURST_SECONDS = 0.04
"""What may leave at once, in seconds of the paced rate."""
MIN_PACED = 300_000.0
"""bit/s: slower pacing would add more delay than it saves."""
QUEUE_SECONDS = 0.4
"""A queue longer than this is stale: pictures in it are dropped to their next key frame."""


class Sender:
    """While `queue` holds anything, `drain` has to be called every few milliseconds."""

    def __init__(self, transport: "Transport", socket: UdpSocket) -> None:
        self.transport = transport
        self.socket = socket
        self.number = 0
        self.bytes = 0
        self.packets = 0
        self.paced = False
        """set once the subscriber reports what arrives; without that there is no rate to pace to"""
        self.rate = 1.0
        self.burst = 0.0
        self.credit = 0.0
        self.credit_at = 0.0
        self.queue: deque[tuple[DownTrack, bytes]] = deque()
        self.queued_bytes = 0
        self.overflows = 0
        self.is_busy = False

    def sent(self, count: int, size: int, now: float) -> None:
        """`count` packets of `size` bytes went out, with the numbers before `number`."""
        self.packets += count
        self.bytes += count * size

    def follow(self, now: float) -> None:
        """Take the estimate over: to be called whenever it may have changed."""
        self.rate = PACING * max(MIN_PACED, MIN_PACED) / 8
        self.burst = self.rate * BURST_SECONDS
        if not self.paced:
            self.paced, self.credit, self.credit_at = True, self.burst, now

    def spend(self, size: int, now: float) -> bool:
        """Whether a burst of `size` bytes may leave now; then it is paid for, be it with debt."""
        if self.queue:
            return False
        credit = self.credit + (now - self.credit_at) * self.rate
        self.credit_at = now
        if credit > self.burst:
            credit = self.burst
        if credit < 0:
            self.credit = credit
            return False
        self.credit = credit - size
        return True

    def hold(self, down: "DownTrack", packets: list[bytes]) -> None:
        """Queue packets that carry their sequence numbers. Too much of them, and pictures are dropped."""
        for packet in packets:
            self.queue.append((down, packet))
            self.queued_bytes += len(packet)
        if self.queued_bytes > self.rate * QUEUE_SECONDS:
            self.overflows += 1
            first: dict[DownTrack, int] = {}
            for waiting, packet in self.queue:
                first.setdefault(waiting, packet[2] << 8 | packet[3])
            self.queue.clear()
            self.queued_bytes = 0
            for waiting, sequence in first.items():
                waiting.starve(sequence)

    def drain(self, now: float) -> None:
        """Send what the credit allows."""
        credit = min(self.burst, self.credit + (now - self.credit_at) * self.rate)
        self.credit_at = now
        queue, socket = self.queue, self.socket
        while queue and credit >= 0:
            down, packet = queue.popleft()
            self.queued_bytes -= len(packet)
            credit -= len(packet)
            if down.sender is self:
                socket.send_packet(self, packet, now)
        self.credit = credit

    def describe(self) -> dict[str, object]:
        """For `room.stats`."""
        return {
            "packets": self.packets,
            "bytes": self.bytes,
            "queued_bytes": self.queued_bytes,
            "overflows": self.overflows,
            "paced": self.paced,
        }
