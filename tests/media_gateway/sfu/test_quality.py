"""The quality score against known points of the E-model, and its laws."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_gateway.sfu.quality import Measured, Quality, audio_score, opinion, rating, score, video_score

BOTH = Measured(audio=True, video=True)


@pytest.mark.parametrize(
    ("r", "mos"),
    [(0, 1.0), (50, 2.58), (60, 3.10), (70, 3.60), (80, 4.02), (90, 4.34), (93.2, 4.41), (100, 4.5)],
)
def test_opinion_scores_of_the_recommendation(r: float, mos: float) -> None:
    assert opinion(r) == pytest.approx(mos, abs=0.01)


def test_rating_of_known_cases() -> None:
    assert rating(0, 0, 0) == pytest.approx(93.2 - 0.024 * 40)
    # 400 ms mouth to ear: 0.024 * 400 + 0.11 * 222.7
    assert rating(0, 0.72, 0) == pytest.approx(93.2 - 9.6 - 24.5, abs=0.01)
    # 5 % lost, concealed: 95 * 5 / 30.1
    assert rating(0.05, 0, 0) == pytest.approx(93.2 - 0.96 - 15.78, abs=0.01)


def test_perfect_is_five_and_hopeless_is_one() -> None:
    good = Measured(
        loss=0, round_trip=0.03, jitter=0.002, concealed=0, frozen=0, layer=2, wanted_layer=2, video=True
    )
    assert score(good) > 4.9
    bad = replace(good, loss=0.6, concealed=0.6, round_trip=1.5, frozen=0.9, layer=-1)
    assert score(bad) < 1.2


def test_what_was_concealed_counts_more_than_what_was_lost() -> None:
    repaired = Measured(loss=0.1, concealed=0.001)
    assert audio_score(repaired) > 4.8 > audio_score(Measured(loss=0.1))


@pytest.mark.parametrize(
    ("change", "points"),
    [
        ({"frozen": 0.02}, 0.35),
        ({"frozen": 0.5}, 3.5),
        ({"layer": 1, "wanted_layer": 2}, 0.7),
        ({"layer": 2, "wanted_layer": 1}, 0.0),
        ({"layer": -1, "wanted_layer": 2}, 3.0),
        ({"layer": -1, "wanted_layer": -1}, 0.0),
        ({"loss": 0.03}, 0.2),
        ({"round_trip": 0.45}, 0.5),
    ],
)
def test_what_video_loses(change: dict[str, float], points: float) -> None:
    assert video_score(replace(BOTH, **change)) == pytest.approx(5 - points)


def test_conversation_hangs_on_sound() -> None:
    assert score(replace(BOTH, frozen=1.0)) == pytest.approx((audio_score(BOTH) + 1.5) / 2)
    broken = replace(BOTH, concealed=0.4)
    assert score(broken) == audio_score(broken) < video_score(broken)


def test_nothing_to_judge() -> None:
    assert score(Measured(audio=False, video=False)) is None
    assert score(Measured(audio=False, video=True)) == 5
    quality = Quality()
    assert quality.update(Measured(audio=False)) is None
    assert quality.shown == 5


shares = st.one_of(st.none(), st.floats(0, 1))
times = st.one_of(st.none(), st.floats(0, 5))
measurements = st.builds(
    Measured,
    audio=st.booleans(),
    video=st.booleans(),
    loss=shares,
    round_trip=times,
    jitter=times,
    concealed=shares,
    frozen=shares,
    layer=st.one_of(st.none(), st.integers(-1, 3)),
    wanted_layer=st.one_of(st.none(), st.integers(-1, 3)),
)


@given(measurements)
def test_always_between_one_and_five(measured: Measured) -> None:
    value = score(measured)
    assert value is None or 1 <= value <= 5


@given(
    measurements, st.sampled_from(["loss", "round_trip", "jitter", "concealed", "frozen"]), st.floats(0, 1)
)
def test_worse_is_never_better(measured: Measured, name: str, more: float) -> None:
    before = getattr(measured, name)
    if before is None or not (measured.audio or measured.video):
        return
    limit = 1.0 if name in ("loss", "concealed", "frozen") else 10.0
    assert score(replace(measured, **{name: min(limit, before + more)})) <= score(measured) + 1e-9


@given(st.lists(measurements, max_size=40))
def test_shown_is_a_whole_number_and_told_on_change_only(story: list[Measured]) -> None:
    quality, last = Quality(), 5
    for measured in story:
        told = quality.update(measured)
        if told is not None:
            assert told in (1, 2, 3, 4, 5)
            assert told != last
            last = told
        assert quality.shown == last


def test_trouble_shows_soon_and_goes_slowly() -> None:
    quality = Quality()
    bad = replace(BOTH, concealed=0.5, frozen=0.5)
    down = next(step for step in range(20) if quality.update(bad) in (1, 2))
    assert down <= 2
    up = next(step for step in range(60) if quality.update(BOTH) == 5)
    assert 4 <= up <= 20


def test_a_score_between_two_numbers_does_not_flicker() -> None:
    quality = Quality()
    told = []
    for step in range(100):
        told.append(quality.update(replace(BOTH, frozen=0.115 + 0.02 * (step % 2))))
    assert len([value for value in told if value is not None]) <= 2
