"""The loss side: cut when the line drops what is too much, but not when it loses packets anyhow.

draft-ietf-rmcat-gcc-02 section 6 cuts by half the loss whenever more than 10 % are lost. On a radio link that
loses 15 % at any rate this goes down to nothing. So a cut is an experiment: a line that is too full delivers
as much after the cut as before and so loses a smaller share; a line that loses at random loses the same.
When cuts do not help, the loss is taken as the line's own (`inherent`), and only what exceeds it counts.
"""

WINDOW = 0.4
"""Seconds of one measurement at least."""
MIN_PACKETS = 20
MAX_WINDOW = 2.0
TOLERATED = 0.10
HELD = 0.05
"""A loss from which on the rate does not grow by itself."""
WEIGHT = 0.4
EXPERIMENT = 0.88
"""A cut to this share of the packets must have helped."""
VAIN = 6
"""So many cuts without sending less: it is audio alone, and what it loses is not its own fault."""
WORSE = 0.05
"""When more is lost after a cut than before it, the line itself has changed: the experiment starts again."""
DECAY = 0.01
"""Share of the inherent loss that is forgotten each second: lines get better."""


class LossControl:
    """Feed `add`; it returns the factor by which to cut, 1.0 mostly."""

    __slots__ = (
        "_before",
        "_cuts",
        "_lost",
        "_offered",
        "_received",
        "_since",
        "inherent",
        "smoothed",
    )

    def __init__(self, now: float) -> None:
        self.smoothed = 0.0
        """Recent share lost, 0..1."""
        self.inherent = 0.0
        """What the line loses at any rate."""
        self._received = 0
        self._lost = 0
        self._since = now
        self._offered = 0.0
        """Packets a second before the first cut of an experiment, 0 when there is none, and what was lost."""
        self._before = 0.0
        self._cuts = 0

    @property
    def excess(self) -> float:
        """The share lost because of too much being sent."""
        return max(0.0, self.smoothed - self.inherent)

    def late(self, count: int) -> None:
        """So many packets counted as lost came after all."""
        self._lost -= count
        self._received += count

    def discard(self, since: float) -> None:
        """What was counted, or comes until `since`, says nothing about the rate."""
        self._received = self._lost = 0
        self._since = since

    def add(self, received: int, lost: int, now: float, round_trip: float) -> float:
        """Count the packets of one feedback; at the end of a window the factor for the estimate."""
        span = now - self._since
        if span <= 0:
            return 1.0
        self._received += received
        self._lost += lost
        total = self._received + self._lost
        if span < WINDOW or (total < MIN_PACKETS and span < MAX_WINDOW) or not total:
            return 1.0
        share = max(0.0, self._lost / total)
        self.smoothed += WEIGHT * (share - self.smoothed)
        self.inherent *= 1.0 - DECAY * min(span, MAX_WINDOW)
        self._received = self._lost = 0
        self._since = now
        factor = self._judge(share, total / span)
        if factor < 1.0:
            self._since = now + round_trip  # what is on the way was sent at the old rate
        return factor

    def _judge(self, share: float, offered: float) -> float:
        if share < self.inherent:
            self.inherent += 0.1 * (share - self.inherent)
        if self._offered and offered < EXPERIMENT * self._offered:
            full = max(0.0, 1.0 - (1.0 - self._before) * self._offered / offered)
            if (self._before + full) / 2 < share <= self._before + WORSE:
                self.inherent = max(self.inherent, min(share, self._before))
            self._offered = 0.0
            self._cuts = 0
        elif self._cuts >= VAIN:
            self.inherent = max(self.inherent, self.smoothed)
            self._offered = 0.0
            self._cuts = 0
        loss = min(share, self.smoothed)
        if loss - self.inherent <= TOLERATED:
            return 1.0
        if not self._offered or share > self._before + WORSE:
            self._offered, self._before, self._cuts = offered, share, 0
        self._cuts += 1
        return 1.0 - 0.5 * (loss - self.inherent)
