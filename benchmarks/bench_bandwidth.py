"""What the bandwidth estimate of a subscriber costs: microseconds a `sent` and a feedback.

    python -m benchmarks.bench_bandwidth [--seconds 20] [--rounds 5]

A subscriber with 9 packets a frame at 30 frames a second and feedback every 60 ms, as browsers send it.
The best round counts: what is above it is other work of the machine.
"""

import argparse
import random
import time

from media_gateway.sfu import twcc
from media_gateway.sfu.bandwidth import BandwidthEstimator

FRAME_PACKETS, FRAME_RATE, SIZE = 9, 30, 1200
FEEDBACK = 0.06
LINE = 8_000_000.0
DELAY = 0.02

Event = tuple[float, bytes | None, int, int]
"""(time, feedback body or None, first number, packets)."""


def script(seconds: float, burst: int, loss: float) -> list[Event]:
    """What happens to one subscriber: `burst` packets are handed over at once."""
    events: list[Event] = []
    arrivals: list[tuple[float, int]] = []
    chance = random.Random(1)
    number, free, last = 0, 0.0, 0.0
    for frame in range(int(seconds * FRAME_RATE)):
        for place in range(0, FRAME_PACKETS, burst):
            now = frame / FRAME_RATE + place * 0.001
            count = min(burst, FRAME_PACKETS - place)
            events.append((now, None, number & 0xFFFF, count))
            for _ in range(count):
                free = max(free, now) + SIZE * 8 / LINE
                last = max(last, free + DELAY + chance.random() * 0.002)
                if chance.random() >= loss:
                    arrivals.append((last, number))
                number += 1
    recorder = twcc.Recorder()
    due = FEEDBACK
    for when, sequence in arrivals:
        while when >= due:
            events += [(due + DELAY, body, 0, 0) for body in recorder.take()]
            due += FEEDBACK
        recorder.add(sequence & 0xFFFF, int(when * 1e6))
    return sorted(events, key=lambda event: event[0])


def measure(events: list[Event], rounds: int) -> tuple[float, float]:
    """(us a `sent`, us a feedback), each the best of `rounds`."""
    clock = time.perf_counter_ns
    best = [float("inf"), float("inf")]
    for _ in range(rounds):
        estimator = BandwidthEstimator(0.0)
        sent, feedback = estimator.sent, estimator.feedback
        spent, calls = [0, 0], [0, 0]
        at = 0
        while at < len(events):
            # Runs of the same kind are timed together, so that reading the clock weighs little.
            stop = at
            kind = events[at][1] is not None
            while stop < len(events) and (events[stop][1] is not None) == kind:
                stop += 1
            chosen = events[at:stop]
            began = clock()
            if kind:
                for now, body, _, _ in chosen:
                    feedback(body, now)
            else:
                for now, _, first, count in chosen:
                    sent(first, count, SIZE, now)
            spent[kind] += clock() - began
            calls[kind] += len(chosen)
            at = stop
        best = [min(known, spent[i] / calls[i] / 1000) for i, known in enumerate(best)]
    return best[0], best[1]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="simulated time")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(f"{'':34}{'us/sent':>9}{'us/feedback':>13}{'packets/feedback':>18}")
    for name, burst, loss in (
        ("a frame at once", 9, 0.0),
        ("three packets at once", 3, 0.0),
        ("each packet by itself", 1, 0.0),
        ("three at once, 2 % lost", 3, 0.02),
    ):
        events = script(options.seconds, burst, loss)
        sent, feedback = measure(events, options.rounds)
        bodies = [body for _, body, _, _ in events if body]
        packets = sum(len(twcc.decode(body)[1]) for body in bodies) / len(bodies)
        print(f"{name:34}{sent:9.2f}{feedback:13.1f}{packets:18.1f}")


if __name__ == "__main__":
    main()
