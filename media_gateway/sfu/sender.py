"""The sending side of one subscriber: counts its packets, paces what is too much for its line, and probes it.

One for each subscribe connection, shared by all of its tracks.
"""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from .bandwidth import BandwidthEstimator, Probe
from .burst import Run
from .udp import UdpSocket

if TYPE_CHECKING:
    from .downtrack import DownTrack, Held
    from .transport import Transport

PACING, PACING_LIMITED = 2.5, 1.05
"""How much faster than the estimate a burst may leave, and when the estimate is what the line can do: more
would only be queued there, or lost."""
BURST_SECONDS = 0.04
"""What may leave at once, in seconds of the paced rate."""
MIN_PACED = 300_000.0
"""bit/s: slower pacing would add more delay than it saves."""
QUEUE_SECONDS = 1.0
"""What the line takes longer for is stale: pictures in the queue are dropped to their next key frame. A key
frame and the large frames that follow it are most of a second on a line that just carries the layer."""


class Sender:
    """`wake(self)` asks for `drain` to be called every few milliseconds, until that returns False."""

    def __init__(
        self,
        transport: "Transport",
        socket: UdpSocket,
        estimator: BandwidthEstimator,
        wake: Callable[["Sender"], None],
    ) -> None:
        self.transport = transport
        self.socket = socket
        self.estimator = estimator
        self._record = estimator.record
        self.wake = wake
        self.number = 0
        self.bytes = 0
        self.packets = 0
        self.paced = False
        """set once the subscriber reports what arrives; without that there is no rate to pace to"""
        self.rate = 1.0
        """bytes a second"""
        self.queue_limit = 0.0
        """bytes"""
        self.burst = 0.0
        self.credit = 0.0
        self.credit_at = 0.0
        self.queue: deque[tuple[Held, Run]] = deque()
        self.queued_bytes = 0
        self.overflows = 0
        self.stale = False
        """something changed that layers were chosen by"""
        self.probing: Probe | None = None
        self.probe_packets = 0
        self.probe_from = 0.0
        self.probe_bytes = 0
        self.probe_source: DownTrack | None = None
        self.probe_id = 0

    def sent(self, count: int, size: int, now: float) -> None:
        """`count` packets of `size` bytes went out, with the numbers before `number`."""
        self.packets += count
        self.bytes += count * size
        self._record(((self.number - count) & 0xFFFF, count, size, now, self.probe_id))

    def follow(self, now: float) -> None:
        """Take the estimate over: to be called whenever it may have changed."""
        estimator = self.estimator
        pacing = PACING_LIMITED if estimator.limited(now) else PACING
        estimate = max(MIN_PACED, estimator.estimate, estimator.remembered(now))
        self.rate = pacing * estimate / 8
        self.burst = self.rate * BURST_SECONDS
        self.queue_limit = self.rate / pacing * QUEUE_SECONDS
        if not self.paced:
            self.paced, self.credit, self.credit_at = True, self.burst, now

    # -- pacing ------------------------------------------------------------

    def spend(self, size: int, now: float) -> bool:
        """Whether a burst of `size` bytes may leave now; then it is paid for, be it with debt."""
        if self.queue:
            return False
        credit = self.credit + (now - self.credit_at) * self.rate
        self.credit_at = now
        if credit > self.burst:
            credit = self.burst
        if credit < 0 or size > credit + self.burst:
            self.credit = credit
            return False
        self.credit = credit - size
        return True

    def hold(self, held: "Held", run: Run) -> None:
        """Queue a run, cut so that no piece is a burst. Too much of them, and pictures are dropped."""
        if not self.queue:
            self.wake(self)
        piece = max(1, int(self.burst / 2 / run.size))
        for at in range(0, run.count, piece):
            part = run if piece >= run.count else Run(run.records[at : at + piece], run.size)
            self.queue.append((held, part))
            self.queued_bytes += part.total
        if self.queued_bytes > self.queue_limit:
            self._overflow()

    def take_back(self, down: "DownTrack") -> int | None:
        """Drop what of a picture waits in the queue; the first 16-bit number that is not sent, if any."""
        first: int | None = None
        kept: deque[tuple[Held, Run]] = deque()
        for held, run in self.queue:
            if held.down is not down:
                kept.append((held, run))
                continue
            self.queued_bytes -= run.total
            if first is None:
                first = run.first + held.shift & 0xFFFF
        self.queue = kept
        return first

    def affords_resend(self, now: float) -> bool:
        """Whether a packet may be sent again now: repairing must not keep what is new from being sent."""
        if not self.paced:
            return True
        self.credit = min(self.burst, self.credit + (now - self.credit_at) * self.rate)
        self.credit_at = now
        return self.credit > -self.burst

    def _overflow(self) -> None:
        self.overflows += 1
        first: dict[DownTrack, int] = {}
        for held, run in self.queue:
            first.setdefault(held.down, run.first + held.shift & 0xFFFF)
        self.queue.clear()
        self.queued_bytes = 0
        for down, sequence in first.items():
            down.starve(sequence)

    def drain(self, now: float) -> bool:
        """Send what the credit allows and what a probe asks for; whether there will be more."""
        credit = min(self.burst, self.credit + (now - self.credit_at) * self.rate)
        self.credit_at = now
        queue, socket = self.queue, self.socket
        while queue and credit >= 0:
            held, run = queue.popleft()
            self.queued_bytes -= run.total
            credit -= run.total
            socket.fan_out(run, (held,), now)
        self.credit = credit
        if self.probing is not None:
            self._send_probe(now)
        return bool(queue) or self.probing is not None

    # -- probing ------------------------------------------------------------

    def probe(self, probe: Probe, source: "DownTrack", now: float) -> None:
        """Fill up to the probe's rate for its short time, with packets that `source` sends again by RTX."""
        if self.probing is None:
            self.probing, self.probe_source = probe, source
            self.probe_packets = self.probe_bytes = 0
            self.probe_from = now
            self.wake(self)

    def _send_probe(self, now: float) -> None:
        probe, source = self.probing, self.probe_source
        assert probe is not None and source is not None
        due = max(1.0, (now - self.probe_from) * probe.bitrate / 8)
        self.probe_id = probe.id
        while self.probe_bytes < due and not self._probe_done(probe):
            size = source.probe(now)
            if not size:
                break
            self.probe_bytes += size
            self.probe_packets += 1
        self.probe_id = 0
        if self._probe_done(probe) or now > probe.deadline:
            self.probing = self.probe_source = None

    def _probe_done(self, probe: Probe) -> bool:
        return self.probe_packets >= probe.packets and self.probe_bytes >= probe.bytes

    def describe(self) -> dict[str, object]:
        """For `room.stats`."""
        return {
            "packets": self.packets,
            "bytes": self.bytes,
            "queued_bytes": self.queued_bytes,
            "overflows": self.overflows,
            "paced": self.paced,
            **self.estimator.describe(),
        }
