"""The last packets of one layer, kept to answer subscribers' NACK. Bounded by count and by age."""

from .burst import Record


class PacketCache:
    """A ring of packets by extended sequence number; the newest of two that share a place wins."""

    __slots__ = ("mask", "max_age", "packets", "times")

    def __init__(self, capacity: int, max_age: float) -> None:
        """`capacity` must be a power of two; `max_age` is in seconds."""
        assert capacity & (capacity - 1) == 0
        self.mask = capacity - 1
        self.max_age = max_age
        self.packets: list[Record | None] = [None] * capacity
        self.times = [0.0] * capacity

    def put(self, index: int, record: Record, now: float) -> None:
        place = index & self.mask
        held = self.packets[place]
        if held is not None and held[0] > index:
            return  # a packet so late that its place belongs to a newer one
        self.packets[place] = record
        self.times[place] = now

    def get(self, index: int, now: float) -> Record | None:
        """The packet, or None when it never came, was overwritten or is too old to help."""
        place = index & self.mask
        held = self.packets[place]
        if held is None or held[0] != index or now - self.times[place] > self.max_age:
            return None
        return held

    def prune(self, now: float) -> None:
        """Drop what is too old, so that an idle source holds no memory."""
        limit = now - self.max_age
        for place, held in enumerate(self.packets):
            if held is not None and self.times[place] < limit:
                self.packets[place] = None

    def clear(self) -> None:
        self.packets = [None] * len(self.packets)

    def __len__(self) -> int:
        return sum(held is not None for held in self.packets)
