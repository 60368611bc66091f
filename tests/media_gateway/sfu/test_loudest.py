"""The loudest few: nobody is clipped, nobody loses a place to noise."""

from hypothesis import given
from hypothesis import strategies as st

from media_gateway.sfu.loudest import HANG_OVER, TAKE_OVER, Loudest

PACKET = 0.02
SILENT, NOISE, QUIET, VOICE, LOUD = 127, 70, 40, 30, 15


class Room:
    """Everyone sends a packet every 20 ms at the level set for them."""

    def __init__(self, n: int, people: int) -> None:
        self.loudest = Loudest(n)
        self.levels = {f"p{index}": NOISE for index in range(people)}
        self.now = 100.0
        self.passed: dict[str, list[bool]] = {}

    def run(self, seconds: float, **levels: int) -> "Room":
        self.levels.update(levels)
        self.passed = {peer: [] for peer in self.levels}
        for _ in range(round(seconds / PACKET)):
            for peer, level in self.levels.items():
                self.passed[peer].append(self.loudest.hear(peer, level, self.now))
            self.now += PACKET
        return self


def test_in_a_small_room_everything_passes() -> None:
    room = Room(3, 3).run(1, p0=VOICE)
    assert all(all(passed) for passed in room.passed.values())


def test_in_a_large_room_noise_does_not() -> None:
    room = Room(3, 5).run(1)
    # Until the fourth was heard the room was small.
    assert not any(any(passed[1:]) for passed in room.passed.values())
    assert room.loudest.selected == set()


def test_first_syllable_passes_when_a_place_is_free() -> None:
    room = Room(2, 10).run(1)
    room.run(0.5, p7=QUIET)
    assert all(room.passed["p7"])
    assert room.loudest.selected == {"p7"}


def test_first_syllable_of_a_louder_one_passes_when_all_places_are_taken() -> None:
    room = Room(2, 10).run(1, p0=QUIET, p1=VOICE)
    room.run(0.5, p7=LOUD)
    assert all(room.passed["p7"])
    assert room.loudest.selected == {"p1", "p7"}, "the quietest gave way"
    assert room.passed["p0"][: TAKE_OVER - 1] == [True] * (TAKE_OVER - 1)
    assert not any(room.passed["p0"][TAKE_OVER:])


def test_one_as_loud_does_not_displace() -> None:
    room = Room(2, 10).run(1, p0=VOICE, p1=VOICE)
    room.run(3, p7=VOICE - 4)
    assert room.loudest.selected == {"p0", "p1"}
    assert not any(room.passed["p7"])


def test_a_cough_passes_but_takes_no_place() -> None:
    room = Room(2, 10).run(1, p0=VOICE, p1=VOICE)
    room.run(PACKET * (TAKE_OVER - 2), p7=LOUD)
    assert all(room.passed["p7"])
    room.run(1, p7=NOISE)
    assert room.loudest.selected == {"p0", "p1"}
    assert all(room.passed["p0"]) and all(room.passed["p1"])
    assert not any(room.passed["p7"])


def test_hang_over_keeps_the_place_in_a_pause() -> None:
    room = Room(2, 10).run(1, p0=VOICE, p1=VOICE)
    room.run(HANG_OVER - 0.1, p0=NOISE, p7=VOICE)
    assert room.loudest.selected == {"p0", "p1"}
    assert all(room.passed["p0"])
    room.run(0.3)
    assert room.loudest.selected == {"p7", "p1"}
    room.run(0.5, p0=VOICE)
    assert not any(room.passed["p0"])


def test_a_place_nobody_needs_is_kept() -> None:
    room = Room(2, 10).run(1, p0=VOICE)
    room.run(20, p0=NOISE)
    assert all(room.passed["p0"])


def test_comfort_noise_gets_no_place() -> None:
    room = Room(2, 10).run(1)
    room.run(5, p3=SILENT, p4=51)
    assert room.loudest.selected == set()


def test_few_pass_at_a_time() -> None:
    """Whatever everybody shouts, at most the places and two on trial."""
    room = Room(3, 40).run(1)
    room.run(5, **{f"p{index}": index for index in range(40)})
    for at in range(len(room.passed["p0"])):
        assert sum(passed[at] for passed in room.passed.values()) <= 3 + 2 + 1
    assert room.loudest.selected <= {f"p{index}" for index in range(12)}


def test_forget_frees_the_place() -> None:
    room = Room(2, 10).run(1, p0=VOICE, p1=VOICE)
    room.levels.pop("p0")
    room.loudest.forget("p0")
    room.run(0.1, p7=VOICE)
    assert all(room.passed["p7"])
    assert room.loudest.selected == {"p1", "p7"}
    room.loudest.forget("nobody")


def test_microphones_that_fell_silent_do_not_count() -> None:
    room = Room(2, 10).run(1)
    for peer in list(room.levels)[2:]:
        room.levels.pop(peer)
    room.run(12)
    assert room.passed["p0"][-1] and room.passed["p1"][-1]


@given(
    st.integers(1, 4),
    st.lists(
        st.tuples(
            st.integers(0, 9), st.integers(0, 127), st.sampled_from([0.0, 0.001, 0.02, 0.5, 3.0, 11.0])
        ),
        max_size=200,
    ),
)
def test_whatever_is_heard(n: int, story: list[tuple[int, int, float]]) -> None:
    loudest = Loudest(n)
    now = 0.0
    known: set[int] = set()
    for peer, level, pause in story:
        now += pause
        forgotten = level == 126
        if forgotten:
            loudest.forget(peer)
            known.discard(peer)
            continue
        known.add(peer)
        passed = loudest.hear(peer, level, now)
        assert len(loudest.selected) <= n
        assert loudest.selected <= known
        if peer in loudest.selected or len(known) <= n:
            assert passed
