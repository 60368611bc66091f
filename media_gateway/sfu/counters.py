"""What a worker has done: totals since it started, and rates over the last second."""

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .endpoint import Endpoint
    from .room import Room


class Counters:
    """Totals never fall, though what is counted leaves with its peers."""

    def __init__(self, now: float) -> None:
        self.totals: dict[str, int] = {}
        self.rates: dict[str, float] = {}
        self.cpu_share = 0.0
        self._before: dict[str, int] = {}
        self._at = now
        self._cpu = time.process_time()

    def measure(self, now: float, values: dict[str, int]) -> None:
        """Take the counts of this moment; to be called about once a second."""
        span = max(0.001, now - self._at)
        for name, value in values.items():
            grown = max(0, value - self._before.get(name, 0))
            self.totals[name] = self.totals.get(name, 0) + grown
            self.rates[name] = grown / span
        cpu = time.process_time()
        self.cpu_share = max(0.0, (cpu - self._cpu) / span)
        self._before, self._at, self._cpu = values, now, cpu

    def describe(self) -> dict[str, Any]:
        """`<name>_per_s` and `<name>_total` of everything counted, and the share of one core in use."""
        rates = {f"{name}_per_s": round(rate, 1) for name, rate in self.rates.items()}
        totals = {f"{name}_total": total for name, total in self.totals.items()}
        return {"cpu": round(self.cpu_share, 3), **rates, **totals}


def count(endpoint: "Endpoint", rooms: "Iterable[Room]") -> dict[str, int]:
    """Everything that only grows."""
    socket, streams = endpoint.socket, endpoint.streams
    by_tcp = streams.counts() if streams is not None else {"packets": 0, "bytes": 0, "drops": 0}
    values = {
        "packets": socket.sent + socket.received + by_tcp["packets"],
        "packets_in": socket.received,
        "packets_out": socket.sent,
        "bytes": socket.bytes_sent + socket.bytes_received + by_tcp["bytes"],
        "bytes_in": socket.bytes_received,
        "bytes_out": socket.bytes_sent,
        "sends": socket.sends,
        "drops": socket.send_drops + by_tcp["drops"],
        "protect_errors": socket.protect_errors,
        "strays": endpoint.strays + endpoint.refused,
    }
    peers = [peer for room in rooms for peer in room.peers.values()]
    published = [peer.publish for peer in peers if peer.publish is not None]
    receivers = [receiver for connection in published for receiver in connection.receivers()]
    downs = [down for peer in peers for down in peer.subscribe.downs.values()]
    values |= {
        "nacks": sum(connection.nacks for connection in published),
        "plis": sum(connection.plis for connection in published),
        "lost": sum(max(0, receiver.lost) for receiver in receivers),
        "recovered": sum(receiver.recovered for receiver in receivers),
        "duplicates": sum(receiver.duplicates for receiver in receivers),
        "resends": sum(down.resends for down in downs),
        "missed_resends": sum(down.missed for down in downs),
        "switches": sum(down.switches for down in downs),
        "starved": sum(down.starved for down in downs),
    }
    return values


def sizes(rooms: "Iterable[Room]") -> dict[str, int]:
    """What there is now."""
    found = {
        "rooms": 0,
        "peers": 0,
        "tracks": 0,
        "layers": 0,
        "subscriptions": 0,
        "paused": 0,
        "recordings": 0,
    }
    for room in rooms:
        found["rooms"] += 1
        found["peers"] += len(room.peers)
        found["recordings"] += len(room.feeds)
        for peer in room.peers.values():
            found["tracks"] += len(peer.sources)
            found["layers"] += sum(len(source.layers) for source in peer.sources.values())
            found["subscriptions"] += sum(down.layer is not None for down in peer.subscribe.downs.values())
            found["paused"] += len(peer.subscribe.allocation.squeezed)
    return found
