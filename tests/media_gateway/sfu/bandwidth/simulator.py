"""A line in simulated time: a bottleneck with queue, delay, jitter and loss, and a obedient sender.

Nothing waits and nothing is random but by seed, so that a scenario of a minute takes a fraction of a second
and always goes the same way.
"""

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from media_gateway.sfu.bandwidth import BandwidthEstimator
from media_gateway.sfu.twcc import Recorder

PACKET = 1200
FRAME = 1 / 30
PACE = 0.005
PACING = 2.5
START = 1000.0
CLOCK = 5_000.0
"""What the receiver's clock is ahead of the sender's (s)."""


@dataclass
class Line:
    """`rate` bit/s, `delay` s one way, `jitter` s at most, `loss` 0..1, `queue` s until the tail drops."""

    rate: float
    delay: float = 0.02
    jitter: float = 0.0
    loss: float = 0.0
    queue: float = 1.0
    up: bool = True


@dataclass
class Sample:
    time: float
    estimate: float
    queue: float
    state: str
    acknowledged: float
    loss: float


@dataclass
class World:
    """The sender sends min(estimate, `application`) as frames; `wanted` is what it asks probes for.

    With `steps` it sends the highest of these rates that the estimate allows, as layers are chosen.
    """

    line: Line
    application: float = 50e6
    steps: tuple[float, ...] = ()
    wanted: float = 10e6
    seed: int = 1
    feedback_every: float = 0.06
    paced: bool = True
    keyframe_every: float = 0.0
    start: float = 1_000_000.0
    probe_size: int = 0
    """bytes of each probe packet; 0 for what the probe asks divided evenly"""
    samples: list[Sample] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.now = START
        self.random = random.Random(self.seed)
        self.estimator = BandwidthEstimator(START, start=self.start)
        self.receiver = Recorder()
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.order = itertools.count()
        self.number = 65_000
        self.free_at = START
        self.last_arrival = START
        self.backlog: list[tuple[int, int]] = []
        self.frames = 0
        self.received = 0
        self.dropped = 0
        self.probes = 0
        self.rest = 0.0
        self.at(0, self.frame)
        self.at(self.feedback_every, self.feed)
        self.at(0.1, self.tick)

    def at(self, delay: float, what: Callable[[], None]) -> None:
        heapq.heappush(self.events, (self.now + delay, next(self.order), what))

    def run(self, seconds: float) -> "World":
        until = self.now + seconds
        while self.events and self.events[0][0] <= until:
            self.now, _, what = heapq.heappop(self.events)
            what()
        self.now = until
        return self

    # the sender

    def frame(self) -> None:
        self.at(FRAME, self.frame)
        rate = min(self.estimator.estimate, self.application)
        if self.steps:
            rate = max((step for step in self.steps if step <= self.estimator.estimate), default=50e3)
        size = rate * FRAME / 8
        self.frames += 1
        if self.keyframe_every and self.frames % round(self.keyframe_every / FRAME) == 0:
            size *= 5
        size += self.rest
        packets = int(size // PACKET)
        self.rest = size - packets * PACKET
        self.hand_over(packets)

    def hand_over(self, packets: int) -> None:
        """Send a frame, at once or paced."""
        if not packets:
            return
        idle = not self.backlog
        self.backlog.append((packets, PACKET))
        if not self.paced:
            self.send(packets, PACKET)
            self.backlog.clear()
        elif idle:
            self.pace()

    def pace(self) -> None:
        budget = max(1, round(PACING * self.estimator.estimate * PACE / 8 / PACKET))
        while self.backlog and budget:
            packets, size = self.backlog.pop(0)
            now = min(packets, budget)
            budget -= now
            self.send(now, size)
            if packets > now:
                self.backlog.insert(0, (packets - now, size))
        if self.backlog:
            self.at(PACE, self.pace)

    def send(self, packets: int, size: int, probe: int = 0) -> None:
        self.estimator.sent(self.number, packets, size, self.now, probe)
        for _ in range(packets):
            self.transmit(self.number, size)
            self.number = self.number + 1 & 0xFFFF

    def tick(self) -> None:
        self.at(0.1, self.tick)
        self.estimator.tick(self.now)
        probe = self.estimator.next_probe(self.now, self.wanted)
        if probe is not None:
            self.probes += 1
            size = self.probe_size or probe.bytes // probe.packets
            for index in range(max(probe.packets, -(-probe.bytes // size))):
                delay = index * size * 8 / probe.bitrate
                if self.now + delay <= probe.deadline:
                    self.at(delay, lambda: self.send(1, size, probe.id))
        self.samples.append(
            Sample(
                self.now - START,
                self.estimator.estimate,
                max(0.0, self.free_at - self.now),
                self.estimator.state,
                self.estimator.acknowledged,
                self.estimator.loss,
            )
        )

    # the line

    def transmit(self, number: int, size: int) -> None:
        line = self.line
        waiting = max(0.0, self.free_at - self.now)
        if not line.up or waiting > line.queue or self.random.random() < line.loss:
            self.dropped += 1
            return
        self.free_at = self.now + waiting + size * 8 / line.rate
        arrival = self.free_at + line.delay + self.random.random() * line.jitter
        self.last_arrival = arrival = max(arrival, self.last_arrival)
        self.at(arrival - self.now, lambda: self.arrive(number, size))

    def arrive(self, number: int, size: int) -> None:
        self.received += size
        self.receiver.add(number, int((self.now + CLOCK) * 1_000_000))

    def feed(self) -> None:
        self.at(self.feedback_every, self.feed)
        if not self.line.up:
            return
        for body in self.receiver.take():
            self.at(self.line.delay, lambda body=body: self.estimator.feedback(body, self.now))

    # what tests ask

    def between(self, since: float, until: float) -> list[Sample]:
        return [sample for sample in self.samples if since <= sample.time <= until]

    def mean(self, since: float, until: float) -> float:
        chosen = self.between(since, until)
        return sum(sample.estimate for sample in chosen) / len(chosen)

    def first(self, since: float, test: Callable[[Sample], bool]) -> float:
        """Seconds from `since` until `test` first holds."""
        return next(
            (sample.time - since for sample in self.samples if sample.time >= since and test(sample)), 1e9
        )
