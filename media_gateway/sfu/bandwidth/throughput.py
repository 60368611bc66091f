"""How much really arrives: the delivered bit rate out of acknowledged bytes and arrival times."""

WINDOW_MS = 150.0
FIRST_WINDOW_MS = 300.0
GAP_MS = 1500.0
"""Longer than this between two feedbacks says nothing of the line: start a new window."""
WEIGHT = 0.4


class Throughput:
    """`rate` is smoothed over about half a second, `latest` is the last window alone; both bit/s."""

    __slots__ = ("_bytes", "_last", "_since", "latest", "rate", "windows")

    def __init__(self) -> None:
        self.rate = 0.0
        self.latest = 0.0
        self.windows = 0
        self._bytes = 0
        self._since: float | None = None
        self._last = 0.0

    def restart(self, arrival: float) -> None:
        """Begin a new window at `arrival` (ms, receiver's clock)."""
        self._since = self._last = arrival
        self._bytes = 0

    def skip(self, arrival: float) -> None:
        """Nothing is known of the time up to `arrival`: leave it out of the window."""
        if self._since is not None and arrival > self._last:
            self._since += arrival - self._last
            self._last = arrival

    def add(self, received: int, arrival: float) -> bool:
        """Count bytes received up to `arrival` (ms, receiver's clock); whether that completed a window."""
        since = self._since
        if since is None:
            self.restart(arrival)
            return False
        span = arrival - since
        if not 0 <= span <= GAP_MS:
            self.restart(arrival)
            return False
        self._last = arrival
        self._bytes += received
        if span < (WINDOW_MS if self.windows else FIRST_WINDOW_MS):
            return False
        self.latest = latest = self._bytes * 8000.0 / span
        self.rate = self.rate + WEIGHT * (latest - self.rate) if self.windows else latest
        self.windows += 1
        self._since = arrival
        self._bytes = 0
        return True
