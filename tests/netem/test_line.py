"""One direction of a link, in made-up time."""

import itertools
import random

import pytest

from tests.netem.conditions import Burst, Conditions
from tests.netem.line import HEADERS, Line


def fates(conditions: Conditions, count: int, *, step: float = 0.001, name: str = "line") -> list[str]:
    line: Line[int] = Line(name, conditions)
    return [line.push(1000, number, number * step) for number in range(count)]


def arrivals(line: Line[int], until: float) -> list[tuple[float, int]]:
    """(time, datagram) of everything that arrives, each popped when the line says so."""
    found = []
    while (due := line.next_time()) is not None and due <= until:
        found += [(due, datagram) for datagram in line.pop(due)]
    return found


def test_a_plain_line_gives_everything_back_at_once() -> None:
    line: Line[str] = Line("plain")
    assert line.push(100, "a", 1.0) == "sent" and line.push(1200, "b", 1.0) == "sent"
    assert line.pop(1.0) == ["a", "b"] and line.next_time() is None
    assert line.stats()["bytes"] == 1300 + 2 * HEADERS


@pytest.mark.parametrize("share", [0.05, 0.15, 0.5])
def test_random_loss_has_its_share(share: float) -> None:
    lost = fates(Conditions(loss=share), 20_000).count("lost") / 20_000
    assert lost == pytest.approx(share, rel=0.06)


def test_random_losses_are_independent() -> None:
    seen = [fate == "lost" for fate in fates(Conditions(loss=0.15), 20_000)]
    pairs = sum(a and b for a, b in itertools.pairwise(seen)) / 20_000
    assert pairs == pytest.approx(0.15**2, rel=0.25)


def test_the_same_seed_loses_the_same_whatever_the_times() -> None:
    conditions = Conditions(loss=0.1, burst=Burst(0.02, 0.3))
    assert fates(conditions, 2000) == fates(conditions, 2000, step=0.5)
    assert fates(conditions, 2000) != fates(Conditions(seed=2, loss=0.1, burst=Burst(0.02, 0.3)), 2000)
    assert fates(conditions, 2000) != fates(conditions, 2000, name="other"), "directions differ"


def test_setting_conditions_again_begins_the_draws_again() -> None:
    line: Line[int] = Line("line", Conditions(loss=0.3))
    first = [line.push(100, n, 0.0) for n in range(50)]
    line.set(Conditions(loss=0.3), 1.0)
    assert [line.push(100, n, 1.0) for n in range(50)] == first


def test_more_loss_loses_the_same_and_more() -> None:
    """One draw a datagram: results for different shares can be compared packet by packet."""
    low, high = fates(Conditions(loss=0.05), 3000), fates(Conditions(loss=0.15), 3000)
    assert all(b == "lost" for a, b in zip(low, high, strict=True) if a == "lost")


def test_a_pattern_is_followed_exactly() -> None:
    lost = [fate == "lost" for fate in fates(Conditions(pattern=(0, 0, 1, 1, 0)), 10)]
    assert lost == [False, False, True, True, False] * 2


def test_bursts_have_their_length_and_share() -> None:
    seen = [fate == "lost" for fate in fates(Conditions(burst=Burst(enter=0.01, leave=0.25)), 60_000)]
    runs, length = [], 0
    for lost in [*seen, False]:
        if lost:
            length += 1
        elif length:
            runs.append(length)
            length = 0
    assert sum(runs) / len(runs) == pytest.approx(4, rel=0.1)
    assert sum(seen) / len(seen) == pytest.approx(0.01 / (0.01 + 0.25), rel=0.15)


def test_the_rate_is_kept_to_the_bit() -> None:
    line: Line[int] = Line("slow", Conditions(rate=1_000_000, queue_bytes=10**6, queue_ms=10**6))
    for number in range(100):
        line.push(1250 - HEADERS, number, 0.0)
    found = arrivals(line, 10)
    assert [number for _, number in found] == list(range(100))
    assert [when for when, _ in found] == pytest.approx([0.01 * (n + 1) for n in range(100)])


def test_an_idle_line_saves_nothing_up() -> None:
    line: Line[int] = Line("slow", Conditions(rate=1_000_000))
    line.push(1250 - HEADERS, 1, 0.0)
    line.push(1250 - HEADERS, 2, 5.0)
    assert [when for when, _ in arrivals(line, 10)] == pytest.approx([0.01, 5.01])


def test_a_full_queue_drops_the_last() -> None:
    line: Line[int] = Line("slow", Conditions(rate=1_000_000, queue_bytes=5 * 1250, queue_ms=1000))
    seen = [line.push(1250 - HEADERS, number, 0.0) for number in range(8)]
    assert seen == ["sent"] * 5 + ["queue"] * 3
    # One is through after 10 ms and makes room for one.
    assert [line.push(1250 - HEADERS, n, 0.0101) for n in (8, 9)] == ["sent", "queue"]
    assert [n for _, n in arrivals(line, 1)] == [0, 1, 2, 3, 4, 8]
    assert line.stats()["queue"] == 4 and line.stats()["longest_queue_bytes"] == 5 * 1250


def test_nothing_waits_longer_than_the_queue_in_milliseconds() -> None:
    line: Line[int] = Line("slow", Conditions(rate=1_000_000, queue_bytes=10**6, queue_ms=30))
    seen = [line.push(1250 - HEADERS, number, 0.0) for number in range(8)]
    # A datagram takes 10 ms: the fourth finds 30 ms of others before it, the fifth 40.
    assert seen == ["sent"] * 4 + ["queue"] * 4


def test_a_new_rate_counts_for_what_waits() -> None:
    line: Line[int] = Line("slow", Conditions(rate=100_000))
    for number in range(3):
        line.push(1250 - HEADERS, number, 0.0)
    line.set(Conditions(rate=1_000_000), 0.05)
    assert [when for when, _ in arrivals(line, 10)] == pytest.approx([0.06, 0.07, 0.08])
    line.push(1250, 3, 1.0)
    line.push(1250, 4, 1.0)
    line.set(Conditions(), 1.0)
    assert line.pop(1.0) == [3, 4], "without a rate nothing waits"


@pytest.mark.parametrize("reorder", [False, True])
def test_jitter_stays_within_its_bounds(reorder: bool) -> None:
    line: Line[int] = Line("far", Conditions(delay_ms=100, jitter_ms=30, reorder=reorder))
    for number in range(2000):
        line.push(500, number, number * 0.005)
    found = arrivals(line, 100)
    delays = {number: when - number * 0.005 for when, number in found}
    assert len(delays) == 2000
    assert min(delays.values()) >= 0.0699 and max(delays.values()) <= 0.1301
    assert max(delays.values()) - min(delays.values()) > 0.04
    order = [number for _, number in found]
    assert (order == sorted(order)) is not reorder


def test_jitter_is_the_same_for_the_same_seed() -> None:
    def run() -> list[tuple[float, int]]:
        line: Line[int] = Line("far", Conditions(delay_ms=50, jitter_ms=40, reorder=True))
        for number in range(300):
            line.push(500, number, number * 0.001)
        return arrivals(line, 10)

    assert run() == run()


def test_a_delay_larger_than_the_jitter_never_goes_back_in_time() -> None:
    line: Line[int] = Line("odd", Conditions(delay_ms=5, jitter_ms=50, reorder=True))
    for number in range(200):
        line.push(500, number, 1.0)
    assert all(when >= 1.0 for when, _ in arrivals(line, 10))


def test_outages_swallow_everything_and_count_from_when_they_are_set() -> None:
    line: Line[int] = Line("cut")
    line.set(Conditions(outages=((1.0, 2.0), (5.0, 0.5))), 10.0)
    when = [10.0, 10.99, 11.0, 12.99, 13.0, 15.2, 15.6]
    assert [line.push(100, n, t) for n, t in enumerate(when)] == [
        "sent", "sent", "outage", "outage", "sent", "outage", "sent",
    ]  # fmt: skip


def test_what_is_under_way_survives_a_change() -> None:
    line: Line[int] = Line("far", Conditions(delay_ms=100))
    line.push(100, 1, 0.0)
    line.set(Conditions(outages=((0.0, 9.0),)), 0.05)
    assert line.push(100, 2, 0.05) == "outage"
    assert arrivals(line, 1) == [(pytest.approx(0.1), 1)]


def test_everything_together_keeps_its_books() -> None:
    chance = random.Random(4)
    conditions = Conditions(
        loss=0.05, burst=Burst(0.01, 0.3), delay_ms=40, jitter_ms=20, rate=800_000,
        queue_bytes=20_000, outages=((2.0, 0.5),), reorder=True,
    )  # fmt: skip
    line: Line[int] = Line("all", conditions)
    now, came = 0.0, 0
    for number in range(5000):
        now += chance.expovariate(150)
        line.push(chance.randrange(60, 1200), number, now)
        came += len(line.pop(now))
    came += len(arrivals(line, now + 10))
    stats = line.stats()
    assert stats["in"] == 5000 and stats["out"] == came and stats["queued_bytes"] == 0
    assert stats["in"] == stats["out"] + stats["lost"] + stats["queue"] + stats["outage"]
    assert stats["queue"] and stats["lost"] and stats["outage"]
    assert stats["bytes"] * 8 / now <= 800_000 * 1.01


def test_conditions_travel_as_json() -> None:
    conditions = Conditions(loss=0.1, burst=Burst(0.1, 0.2), pattern=(0, 1), outages=((1.0, 2.0),))
    assert Conditions.of(conditions.as_json()) == conditions
    assert Conditions().as_json() == {}
    for wrong in ({"loss": 2}, {"rate": 0}, {"delay_ms": -1}):
        with pytest.raises(ValueError, match=r"share|positive"):
            Conditions.of(wrong)
    with pytest.raises(TypeError):
        Conditions.of({"los": 0.1})
