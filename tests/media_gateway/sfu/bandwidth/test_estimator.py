"""What the estimator makes of single feedbacks, honest and not."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media_gateway.sfu import twcc
from media_gateway.sfu.bandwidth import BandwidthEstimator

NOW = 100.0


def feedback(base: int, count: int, start_ms: float, lost: frozenset[int] = frozenset()) -> bytes:
    """`count` packets from `base` on, 1 ms apart on the receiver's clock from `start_ms` on."""
    reference = int(start_ms // 64)
    arrivals: list[int | None] = [
        None if index in lost else int((start_ms - reference * 64 + index) * 4) for index in range(count)
    ]
    return twcc.encode(base, arrivals, reference, 0)


def steady(
    seconds: float, *, rate: float = 1e6, first: int = 65_000, lose_every: int = 0
) -> BandwidthEstimator:
    """An estimator after `seconds` of an empty line: bursts of five every 40 ms, feedback every 80 ms."""
    estimator = BandwidthEstimator(NOW)
    size = round(rate * 0.04 / 8 / 5)
    number = 0
    for step in range(round(seconds / 0.08)):
        now = NOW + step * 0.08
        base = first + number
        for burst in range(2):
            estimator.sent(first + number & 0xFFFF, 5, size, now + burst * 0.04)
            number += 5
        lost = frozenset(i for i in range(10) if lose_every and (base + i) % lose_every == 0)
        arrivals: list[int | None] = [
            None if i in lost else (i // 5) * 160 + i % 5 + round((now * 1000 % 64) * 4) for i in range(10)
        ]
        body = twcc.encode(base & 0xFFFF, arrivals, int(now * 1000 // 64), step & 0xFF)
        estimator.feedback(body, now + 0.1)
        estimator.tick(now + 0.1)
    return estimator


def test_measures_what_arrives() -> None:
    estimator = steady(5)
    assert estimator.acknowledged == pytest.approx(1e6, rel=0.02)
    assert estimator.loss == 0
    assert estimator.state == "normal"
    assert estimator.round_trip == pytest.approx(0.06, abs=0.002), "the last burst went out 60 ms before"
    assert estimator.describe()["feedbacks"] == 62


def test_counts_losses() -> None:
    estimator = steady(8, lose_every=20)
    assert estimator.loss == pytest.approx(0.05, abs=0.02)
    assert estimator.acknowledged == pytest.approx(0.95e6, rel=0.03)


def test_packets_that_come_late_are_not_lost() -> None:
    estimator = BandwidthEstimator(NOW)
    number = 0
    for step in range(60):
        now = NOW + step * 0.06
        estimator.sent(number, 10, 1000, now)
        estimator.feedback(feedback(number, 10, now * 1000, lost=frozenset({4})), now + 0.05)
        # The next feedback goes back to the packet that was overtaken and tells of all from there on again.
        estimator.feedback(feedback(number + 4, 6, now * 1000 + 4), now + 0.055)
        number += 10
    assert estimator.loss < 0.001


def test_losses_told_twice_count_once() -> None:
    once, twice = BandwidthEstimator(NOW), BandwidthEstimator(NOW)
    for step in range(60):
        now = NOW + step * 0.06
        body = feedback(step * 10, 10, now * 1000, lost=frozenset({4, 5}))
        for estimator in (once, twice):
            estimator.sent(step * 10, 10, 1000, now)
            estimator.feedback(body, now + 0.05)
        twice.feedback(body, now + 0.051)
    assert once.loss == twice.loss == pytest.approx(0.2, abs=0.01)
    assert once.describe() == twice.describe()


def test_a_lost_feedback_is_neither_loss_nor_silence() -> None:
    estimator = BandwidthEstimator(NOW)
    for step in range(100):
        now = NOW + step * 0.06
        estimator.sent(step * 10, 10, 1000, now)
        if step % 3:
            estimator.feedback(feedback(step * 10, 10, now * 1000), now + 0.05)
        estimator.tick(now + 0.05)
    assert estimator.loss == 0
    assert estimator.estimate >= 1e6
    assert estimator.acknowledged == pytest.approx(10_000 * 8 / 0.06, rel=0.2)


def test_a_run_may_be_told_of_in_parts() -> None:
    whole, parts = BandwidthEstimator(NOW), BandwidthEstimator(NOW)
    for step in range(50):
        now = NOW + step * 0.06
        for estimator in (whole, parts):
            estimator.sent(step * 10, 10, 1000, now)
        whole.feedback(feedback(step * 10, 10, now * 1000), now + 0.05)
        parts.feedback(feedback(step * 10, 4, now * 1000), now + 0.05)
        parts.feedback(feedback(step * 10 + 4, 6, now * 1000 + 4), now + 0.05)
    assert whole.acknowledged == pytest.approx(parts.acknowledged, rel=0.02)
    assert whole.estimate == parts.estimate


def test_malformed_feedback_changes_nothing() -> None:
    estimator = steady(2)
    before = estimator.describe()
    estimator.sent(1, 20, 1200, NOW + 2)
    good = feedback(1, 20, 102_050)
    for cut in range(1, len(good)):
        with pytest.raises(ValueError, match="cut off"):
            estimator.feedback(good[:-cut], NOW + 2.1)
    assert estimator.describe() == before


def test_report_gives_the_round_trip() -> None:
    estimator = steady(2)
    estimator.report(0.0, 0.123, NOW + 2)
    assert estimator.round_trip == 0.123


def test_reports_alone_cut_for_losses() -> None:
    estimator = BandwidthEstimator(NOW)
    for second in range(3, 10):
        estimator.report(0.3, 0.05, NOW + second)
    assert estimator.loss > 0.2
    assert estimator.estimate < 1e6


def test_silence_while_sending_lowers_and_silence_without_does_not() -> None:
    sending, idle = steady(2), steady(2)
    for step in range(30):
        now = NOW + 2 + step * 0.1
        sending.sent(1000 + step, 1, 1000, now)
        sending.tick(now)
        idle.tick(now)
    assert sending.estimate < 0.3e6
    assert idle.estimate >= 1e6
    for step in range(100):
        sending.sent(2000 + step, 1, 1000, NOW + 6 + step * 0.1)
        sending.tick(NOW + 6 + step * 0.1)
    assert sending.estimate == 60_000


def test_no_feedback_ever_is_no_silence() -> None:
    """A browser that never sends feedback is left to its reports."""
    estimator = BandwidthEstimator(NOW)
    for step in range(100):
        estimator.sent(step, 1, 1000, NOW + step * 0.1)
        estimator.tick(NOW + step * 0.1)
    assert estimator.estimate == 1e6


def test_history_is_bounded() -> None:
    estimator = BandwidthEstimator(NOW)
    for step in range(100_000):
        estimator.sent(step & 0xFFFF, 1, 1000, NOW + step * 1e-4)
    assert len(estimator._runs) <= 4096
    estimator.tick(NOW + 100)
    assert not estimator._runs


bodies = st.one_of(
    st.binary(max_size=80),
    st.builds(
        lambda base, total, word, chunks, rest: (
            base.to_bytes(2, "big") + total.to_bytes(2, "big") + word.to_bytes(4, "big") + chunks + rest
        ),
        st.integers(0, 0xFFFF),
        st.one_of(st.integers(0, 40), st.integers(0, 0xFFFF)),
        st.integers(0, 0xFFFFFFFF),
        st.lists(st.integers(0, 0xFFFF).map(lambda value: value.to_bytes(2, "big")), max_size=12).map(
            b"".join
        ),
        st.binary(max_size=1200),
    ),
)


@settings(max_examples=300)
@given(st.lists(bodies, max_size=20), st.integers(0, 0xFFFF), st.integers(0, 1_000_000))
def test_hostile_feedback_is_harmless(hostile: list[bytes], first: int, seed: int) -> None:
    chance = random.Random(seed)
    estimator = BandwidthEstimator(NOW)
    now, number = NOW, first
    for body in hostile:
        for _ in range(chance.randrange(4)):
            count = chance.randrange(1, 60)
            estimator.sent(number & 0xFFFF, count, chance.randrange(20, 1200), now)
            number += count
            now += 0.01
        # Half of the time it is about numbers that were sent.
        if len(body) > 2 and chance.random() < 0.5:
            body = (number - chance.randrange(200) & 0xFFFF).to_bytes(2, "big") + body[2:]
        try:
            twcc.decode(body)
        except ValueError:
            with pytest.raises(ValueError, match="cut off"):
                estimator.feedback(body, now)
        else:
            estimator.feedback(body, now)
        estimator.tick(now)
        estimator.next_probe(now, 5e6)
        assert 60_000 <= estimator.estimate <= 20e6
        assert 0 <= estimator.loss <= 1
        assert len(estimator._runs) <= 100
        assert len(estimator._missing) <= 2000
        assert estimator.state in ("normal", "overuse", "underuse")


@pytest.mark.parametrize("offset", [-40_000, -20_000, -1000, 1000, 20_000, 40_000])
def test_numbers_never_sent_are_passed_over(offset: int) -> None:
    estimator = steady(2, first=0)
    before = estimator.describe()
    estimator.feedback(feedback(250 + offset & 0xFFFF, 20, 102_000), NOW + 2.1)
    assert estimator.describe() == before
