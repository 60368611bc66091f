"""What a receiver must know of one incoming RTP stream.

Order, loss, jitter (RFC 3550 appendix A) and NACK.
"""

from itertools import islice

from .rtcp import ReportBlock

MAX_MISSING = 512
"""Sequence numbers kept as missing; older ones are given up."""
MAX_GAP = 1000
"""A larger jump forwards is a new beginning, not loss."""
NACK_AGE = 1.0
"""Seconds after which a missing packet is of no use to anybody."""
NACK_TRIES = 10
SILENCE = 0.4
HOPELESS = 8
HOPELESS_ANYHOW = 150
"""A gap of so many packets after `SILENCE` seconds, or of so many at all, is an outage: nobody wants that old
sound and picture any more, and resending it would take the line from what is new."""


class StreamReceiver:
    """Order and loss of one SSRC. Sequence numbers come out extended: they never wrap."""

    __slots__ = (
        "abandoned", "abandoned_to", "arrived_at", "base", "clock_rate", "duplicates", "expected_prior",
        "highest", "jitter",
        "last_transit", "lsr", "lsr_at", "missing", "received", "received_prior", "recovered", "restart",
        "retry_after",
    )  # fmt: skip

    def __init__(self, clock_rate: int) -> None:
        self.clock_rate = clock_rate
        self.base = 0
        self.highest = -1
        self.received = 0
        self.recovered = 0
        self.duplicates = 0
        self.abandoned = 0
        """packets that were asked for in vain"""
        self.abandoned_to = -1
        """the last of them, by its extended number"""
        self.arrived_at = 0.0
        self.expected_prior = 0
        self.received_prior = 0
        self.jitter = 0.0
        self.last_transit: int | None = None
        self.restart: int | None = None
        # Extended sequence number -> [first noticed, tries, last asked], in order of the numbers.
        self.missing: dict[int, list[float]] = {}
        self.retry_after = 0.08
        self.lsr = 0
        self.lsr_at = 0.0

    def receive(self, sequence: int, timestamp: int, now: float, *, recovered: bool = False) -> int | None:
        """Take note of a packet; its extended sequence number, or None when it is to be dropped.

        Dropped are duplicates, packets given up long ago, and the first packet of an unexplained jump (the
        second in a row is believed, so one forged or damaged header cannot move the stream).
        """
        highest = self.highest
        if highest < 0:
            if recovered:
                return None  # a repetition of something nobody saw
            # Start one cycle up, so that packets reordered before the first one stay positive.
            extended = sequence + 0x10000
            self.base = self.highest = extended
        else:
            step = ((sequence - highest + 0x8000) & 0xFFFF) - 0x8000
            extended = highest + step
            if 0 < step <= MAX_GAP:
                if recovered and now - self.arrived_at > SILENCE:
                    self.duplicates += 1
                    return None  # after an outage browsers probe the line with what nobody wants any more
                self.highest = extended
                if step > 1:
                    self._note_missing(highest + 1, extended, now)
            elif step <= 0 and extended in self.missing:
                noticed = self.missing.pop(extended)
                if recovered:
                    self.recovered += 1
                    if noticed[1] == 1:  # the answer to one single request: an honest round trip
                        sample = 1.5 * (now - noticed[2])
                        self.retry_after = min(0.3, max(0.03, 0.8 * self.retry_after + 0.2 * sample))
            elif -MAX_GAP < step <= 0:
                self.duplicates += 1
                return None
            elif recovered:
                self.duplicates += 1  # browsers probe the line with packets sent long ago
                return None
            elif self.restart != sequence:
                self.restart = (sequence + 1) & 0xFFFF
                return None
            else:
                extended = (highest | 0xFFFF) + 1 + sequence
                self.base, self.highest = extended, extended
                self.missing.clear()
                self.received = self.received_prior = self.expected_prior = 0
                self.last_transit = None
        self.restart = None
        self.received += 1
        if not recovered:
            self.arrived_at = now
            self._measure_jitter(timestamp, now)
        return extended

    def _note_missing(self, first: int, end: int, now: float) -> None:
        missing = self.missing
        hopeless = end - first >= (HOPELESS if now - self.arrived_at > SILENCE else HOPELESS_ANYHOW)
        for extended in range(max(first, end - MAX_MISSING), end):
            missing[extended] = [now, NACK_TRIES if hopeless else 0, 0.0]
        # Together: looking for a dictionary's first key again and again walks over all that was deleted.
        for extended in list(islice(missing, max(0, len(missing) - MAX_MISSING))):
            del missing[extended]

    def _measure_jitter(self, timestamp: int, now: float) -> None:
        transit = (int(now * self.clock_rate) - timestamp) & 0xFFFFFFFF
        if self.last_transit is not None:
            step = ((transit - self.last_transit + 0x80000000) & 0xFFFFFFFF) - 0x80000000
            self.jitter += (abs(step) - self.jitter) / 16
        self.last_transit = transit

    def due(self, now: float) -> list[int]:
        """16-bit sequence numbers to ask for now, in order; marks them as asked.

        A gap is asked for once two later packets came or 10 ms passed (it may be mere reordering), then
        again after about one and a half round trips, until it is `NACK_AGE` old.
        """
        missing = self.missing
        if not missing:
            return []
        asked: list[int] = []
        given_up: list[int] = []
        for extended, state in missing.items():
            noticed, tries, last = state
            if now - noticed > NACK_AGE or tries >= NACK_TRIES:
                given_up.append(extended)
            elif (tries and now - last >= self.retry_after) or (
                not tries and (self.highest - extended >= 2 or now - noticed >= 0.01)
            ):
                state[1] += 1
                state[2] = now
                asked.append(extended & 0xFFFF)
        for extended in given_up:
            del missing[extended]
        if given_up:
            self.abandoned += len(given_up)
            self.abandoned_to = max(self.abandoned_to, *given_up)
        return asked

    def sender_report(self, ntp_middle: int, now: float) -> None:
        """Remember the last sender report, for the round trip the sender computes from our next report."""
        self.lsr, self.lsr_at = ntp_middle, now

    @property
    def expected(self) -> int:
        return self.highest - self.base + 1 if self.highest >= 0 else 0

    @property
    def lost(self) -> int:
        return self.expected - self.received

    def report(self, ssrc: int, now: float) -> ReportBlock:
        """The report block since the last one (RFC 3550 appendix A.3)."""
        expected = self.expected
        interval = expected - self.expected_prior
        lost = interval - (self.received - self.received_prior)
        self.expected_prior, self.received_prior = expected, self.received
        fraction = min(255, (lost << 8) // interval) if interval > 0 and lost > 0 else 0
        delay = int((now - self.lsr_at) * 65536) if self.lsr else 0
        return ReportBlock(
            ssrc, fraction, expected - self.received, max(self.highest, 0), int(self.jitter), self.lsr, delay
        )
