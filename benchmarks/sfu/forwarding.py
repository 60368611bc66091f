"""The measurements of forwarding: cost by load, saturation, latency, growth, memory. All in rounds that
alternate between the servers.
"""

import statistics
from collections.abc import Iterable
from typing import Any

from .processes import memory_bytes
from .schedule import Schedule, bursts, camera
from .session import Make, Sample, Session

SUBSCRIBERS = 50
MOST_PUBLISHERS = 20
SATURATING_SUBSCRIBERS = 100
GROWTH = (50, 250, 1000)
GROWTH_STREAM = bursts(frame_packets=3)
"""90 packets a second: a small picture"""
MEMORY_SUBSCRIBERS = (20, 100)
MEMORY_PUBLISHERS = (1, 9)
STEP = 1.12
LOSS_ALLOWED = 0.005
FULL = 0.98
"""Share of a core that counts as all of it."""


def cases() -> dict[str, tuple[Schedule, float]]:
    """name -> (schedule, packets a second out)"""
    return {
        "bursts_10k": (bursts(), 10_000),
        "trace_10k": (camera(), 10_000),
        "bursts_45k": (bursts(), 45_000),
        "trace_45k": (camera(), 45_000),
    }


def middle(samples: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The median of each figure over rounds; those a server cannot tell stay None."""
    rounds = list(samples)
    result: dict[str, Any] = {}
    for key in rounds[0]:
        values = [sample[key] for sample in rounds if sample[key] is not None]
        result[key] = round(statistics.median(values), 4) if values else None
    return result


class Bench:
    """Servers by name. `log` gets a line for each step."""

    def __init__(
        self, makes: dict[str, Make], *, rounds: int, seconds: float, lead_in: float, log: Any = print
    ) -> None:
        """`lead_in` seconds of each load are not measured: estimates of bandwidth rise meanwhile."""
        self.makes, self.rounds, self.log = makes, rounds, log
        self.seconds, self.lead_in = seconds, lead_in
        self.profiles: dict[str, list[str]] = {}

    def _order(self, number: int) -> list[str]:
        """The servers, beginning with another one each round."""
        names = list(self.makes)
        return names[number % len(names) :] + names[: number % len(names)]

    async def costs(self, subscribers: int = SUBSCRIBERS) -> dict[str, dict[str, Any]]:
        """case -> server -> figures."""
        chosen = cases()
        taken: dict[str, dict[str, list[dict[str, Any]]]] = {case: {} for case in chosen}
        for number in range(self.rounds):
            for name in self._order(number):
                single = name == "aiortc_objects"
                count = 1 if single else 6
                async with Session(self.makes[name], subscribers, count) as session:
                    self.profiles[name] = session.profiles
                    for case, (schedule, rate) in chosen.items():
                        if single and rate > 10_000:
                            continue
                        sample = await session.play(
                            schedule, rate * subscribers / SUBSCRIBERS, self.seconds, self.lead_in
                        )
                        taken[case].setdefault(name, []).append(sample.as_dict())
                        self._say(f"round {number + 1}, {case}", name, sample)
        return {
            case: {name: middle(samples) for name, samples in by_name.items()}
            for case, by_name in taken.items()
        }

    async def saturation(self, name: str, expected_us: float) -> dict[str, Any]:
        """Raise the rate until the core is full or packets are lost; the most that got through, and where."""
        schedule = camera()
        rate, steps = 0.6e6 / expected_us, []
        best: dict[str, Any] | None = None
        async with Session(self.makes[name], SATURATING_SUBSCRIBERS, MOST_PUBLISHERS, timed=1) as session:
            await session.play(schedule, rate / 2, 0.5, self.lead_in)
            again = True
            for _ in range(18):
                sample = await session.play(schedule, rate, min(2.0, self.seconds), self.lead_in)
                self._say(f"saturation at {rate:,.0f}/s", name, sample)
                # What a queue let through after the load had ended is not the core's rate.
                sustained = sample.packets_per_s / max(1.0, sample.core_share)
                steps.append(
                    {"offered": round(rate)} | sample.as_dict() | {"packets_per_s": round(sustained, 1)}
                )
                lossy = sample.lost > LOSS_ALLOWED
                if not lossy and (best is None or sustained > best["packets_per_s"]):
                    best = steps[-1]
                if lossy and sample.core_share < FULL and again:
                    again = False  # there was room, so somebody else took the core: once more
                    continue
                if lossy or sample.core_share > FULL:
                    break
                again = True
                rate *= STEP
        return {"best": best, "steps": steps}

    async def latency(self, name: str, rate: float) -> dict[str, Any]:
        """Delay at `rate` packets a second on the camera's trace."""
        async with Session(self.makes[name], SUBSCRIBERS, MOST_PUBLISHERS) as session:
            samples = [
                await session.play(camera(), rate, self.seconds, self.lead_in) for _ in range(self.rounds)
            ]
        self._say(f"latency at {rate:,.0f}/s", name, samples[-1])
        return {"rate": round(rate)} | middle(sample.as_dict() for sample in samples)

    async def growth(self, name: str, sizes: tuple[int, ...] = GROWTH) -> dict[str, Any]:
        """The same stream to more and more subscribers, and the memory each of them took."""
        found: dict[str, Any] = {}
        for size in sizes:
            async with Session(self.makes[name], size, 1) as session:
                sample = await session.play(
                    GROWTH_STREAM, GROWTH_STREAM.rate * size, self.seconds, self.lead_in
                )
                grown = memory_bytes(session.server.pid) - session.memory_before
            self._say(f"{size} subscribers", name, sample)
            found[str(size)] = sample.as_dict() | {"bytes_per_subscriber": round(grown / size)}
        return found

    async def memory(self, name: str) -> dict[str, int]:
        """Bytes of a subscribing peer without subscriptions, and of one subscription, while media flows."""
        used: dict[tuple[int, int], int] = {}
        for publishers in MEMORY_PUBLISHERS:
            for size in MEMORY_SUBSCRIBERS:
                async with Session(self.makes[name], size, publishers, timed=0) as session:
                    for stream in session.load.streams:
                        stream.schedule = bursts(frame_packets=3, frame_rate=10)
                    await session.load.play(1.5)
                    used[size, publishers] = memory_bytes(session.server.pid)
        few, many = MEMORY_SUBSCRIBERS
        one, several = MEMORY_PUBLISHERS
        with_one = (used[many, one] - used[few, one]) / (many - few)
        with_several = (used[many, several] - used[few, several]) / (many - few)
        subscription = (with_several - with_one) / (several - one)
        return {"peer": round(with_one - subscription), "subscription": round(subscription)}

    def _say(self, what: str, name: str, sample: Sample) -> None:
        self.log(
            f"  {what:<26} {name:<15} {sample.us_per_packet:6.2f} us  core {100 * sample.core_share:3.0f} %  "
            f"{sample.packets_per_s:9,.0f}/s  lost {100 * sample.lost:.2f} %  "
            f"p50 {sample.p50_ms or 0:.2f}  p99 {sample.p99_ms or 0:.2f} ms  "
            f"(load's core {100 * sample.load_core_share:.0f} %, late {sample.late_ms:.0f} ms)"
        )
