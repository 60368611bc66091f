"""One server with its publishers and subscribers, and what a stretch of load cost it."""

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from media_gateway.sfu.client import MediaClient
from media_gateway.sfu.identity import Identity

from .processes import (
    SERVER_CORE,
    Child,
    core_busy,
    cpu_seconds,
    memory_bytes,
    softirq_pid,
    udp_overflows,
)
from .publish import Load
from .schedule import Schedule
from .servers import Server

TIMED = 2
"""Subscribers that decrypt, to time packets."""
SETTLE = 0.25
"""Seconds after the load for what is still on its way."""
Make = Callable[[Child], Server]


@dataclass(slots=True)
class Sample:
    """What a stretch of load cost. Times are of the server's process with all its threads."""

    us_per_packet: float
    """CPU time a media packet that reached a subscriber; resent packets are work, not output"""
    core_share: float
    packets_per_s: float
    """media packets that reached subscribers"""
    lost: float
    """share of those that should have"""
    p50_ms: float | None
    p99_ms: float | None
    resent: int
    padded: int
    packets_per_send: float | None
    mbit_per_s: float
    overflows: int
    """datagrams the kernel dropped before full sockets, on the whole machine"""
    softirq_us: float
    """CPU time of the kernel's network thread on the server's core, a packet; not in `us_per_packet`"""
    intruders_share: float
    """how much of the server's core others used meanwhile: on a calm machine nearly nothing"""
    receivers_share: float
    load_core_share: float
    """how busy the core of load and receivers was: near 1, they may be the bottleneck"""
    late_ms: float
    """how far the load was behind its schedule at worst"""

    def as_dict(self) -> dict[str, Any]:
        return {
            key: round(value, 4) if isinstance(value, float) else value for key, value in asdict(self).items()
        }


def percentile(ordered: list[float], share: float) -> float | None:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


class Session:
    """A server with subscribers who receive all publishers: `async with Session(…) as session: …`."""

    def __init__(self, make: Make, subscribers: int, publishers: int, *, timed: int = TIMED) -> None:
        self.make, self.subscribers, self.publishers, self.timed = make, subscribers, publishers, timed

    async def __aenter__(self) -> "Session":
        self.receivers = await Child("benchmarks.sfu.receivers").__aenter__()
        self.server = self.make(self.receivers)
        try:
            await self.server.start()
            await self._connect()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def _connect(self) -> None:
        identity = Identity()
        self.load = Load()
        self.clients: list[MediaClient] = []
        nothing = Schedule((), 1.0)
        for number in range(self.publishers):
            client = MediaClient(identity)
            self.clients.append(client)
            track = client.add_track("camera")
            await self.server.publish(f"p{number}", client)
            self.load.add(client, track, "", nothing)
        self.memory_before = memory_bytes(self.server.pid)
        for number in range(self.subscribers):
            await self.server.subscribe(f"s{number}", timed=number < self.timed)
        self.profiles: list[str] = (await self.receivers.call("begin"))["profiles"]

    async def __aexit__(self, *exc: object) -> None:
        for client in getattr(self, "clients", ()):
            client.close()
        await self.server.stop()
        await self.receivers.__aexit__()

    async def play(self, schedule: Schedule, rate: float, seconds: float, lead_in: float) -> Sample:
        """Offer `rate` packets a second in all, from as many publishers as it takes."""
        wanted = rate / self.subscribers / schedule.rate
        count = min(self.publishers, max(1, round(wanted)))
        streams = self.load.streams[:count]
        for stream in streams:
            stream.schedule = schedule.at_speed(wanted / count)
        await self.load.play(lead_in, streams)
        await asyncio.sleep(SETTLE)
        return await measured(self, lambda: self.load.play(seconds, streams), self.subscribers)


async def measured(session: Any, play: Callable[[], Any], copies: int) -> Sample:
    """What happens while `play` (a coroutine that tells the packets sent) runs."""
    server, receivers = session.server, session.receivers
    softirq = softirq_pid()
    others = [core for core in range(os.cpu_count() or 1) if core != SERVER_CORE] or [SERVER_CORE]
    before = await server.counters()
    await receivers.call("reset")
    overflows, kernel = udp_overflows(), cpu_seconds(softirq) if softirq else 0.0
    ticks, own_ticks = [core_busy(core) for core in others], core_busy(SERVER_CORE)
    cpu, wall = cpu_seconds(server.pid), time.monotonic()
    sent = await play()
    wall = time.monotonic() - wall
    busy = max(
        (after[0] - start[0]) / max(1, after[1] - start[1])
        for start, after in zip(ticks, (core_busy(core) for core in others), strict=True)
    )
    own_busy, own_all = (
        after - start for after, start in zip(core_busy(SERVER_CORE), own_ticks, strict=True)
    )
    own_share = (cpu_seconds(server.pid) - cpu) / wall
    await asyncio.sleep(SETTLE)
    cpu = cpu_seconds(server.pid) - cpu
    kernel = (cpu_seconds(softirq) if softirq else 0.0) - kernel
    told, after = await receivers.call("told"), await server.counters()
    expected = sent * copies
    arrived = min(told["media"], expected) if expected else told["media"]
    sends = after.get("sends", 0) - before.get("sends", 0)
    ordered = sorted(told["latencies"])
    return Sample(
        us_per_packet=1e6 * cpu / max(1, arrived),
        core_share=cpu / wall,
        packets_per_s=arrived / wall,
        lost=1 - arrived / expected if expected else 0.0,
        p50_ms=percentile(ordered, 0.5),
        p99_ms=percentile(ordered, 0.99),
        resent=told["repair"],
        padded=told["padded"],
        packets_per_send=(after["sent"] - before["sent"]) / sends if sends else None,
        mbit_per_s=8e-6 * told["bytes"] / wall,
        overflows=udp_overflows() - overflows,
        softirq_us=1e6 * kernel / max(1, arrived),
        intruders_share=max(0.0, own_busy / max(1, own_all) - own_share),
        receivers_share=told["cpu"] / told["wall"],
        load_core_share=busy,
        late_ms=session.load.late_ms,
    )
