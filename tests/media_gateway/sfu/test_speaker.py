"""Who is speaking: quick to notice, slow to flicker."""

import pytest

from media_gateway.sfu.speaker import PERIOD, SpeakerDetector

LOUD, QUIET, NOISE = 25, 50, 70


class Room:
    def __init__(self) -> None:
        self.detector = SpeakerDetector()
        self.now = 0.0
        self.changes: list[list[str]] = []

    def pass_time(self, seconds: float, **levels: int) -> None:
        for _ in range(round(seconds / PERIOD)):
            for peer, level in levels.items():
                for _ in range(10):
                    self.detector.hear(peer, level)
            self.now += PERIOD
            changed = self.detector.evaluate(self.now)
            if changed is not None:
                self.changes.append(changed)


@pytest.fixture
def room() -> Room:
    return Room()


def test_a_voice_is_noticed_soon(room: Room) -> None:
    room.pass_time(0.4, ann=LOUD, bob=NOISE)
    assert room.changes == [["ann"]]


def test_noise_is_nobody(room: Room) -> None:
    room.pass_time(3, ann=NOISE, bob=NOISE)
    assert room.changes == []


def test_a_short_pause_changes_nothing_and_a_long_one_ends_it(room: Room) -> None:
    room.pass_time(1, ann=LOUD)
    room.pass_time(0.6, ann=NOISE)
    room.pass_time(1, ann=LOUD)
    assert room.changes == [["ann"]]
    room.pass_time(4, ann=NOISE)
    assert room.changes == [["ann"], []]


def test_packets_that_stop_are_silence(room: Room) -> None:
    room.pass_time(1, ann=LOUD)
    room.pass_time(4)
    assert room.changes[-1] == []


def test_a_level_between_the_thresholds_neither_starts_nor_ends(room: Room) -> None:
    room.pass_time(3, ann=QUIET)
    assert room.changes == []
    room.pass_time(1, ann=LOUD)
    room.pass_time(5, ann=QUIET)
    assert room.changes == [["ann"]]


def test_the_louder_comes_first_only_after_a_while(room: Room) -> None:
    room.pass_time(1, ann=40, bob=42)
    assert room.changes[-1] == ["ann", "bob"]
    before = len(room.changes)
    room.pass_time(1, ann=40, bob=37)
    assert len(room.changes) == before, "three decibel are no reason to jump"
    room.pass_time(3, ann=40, bob=20)
    assert room.changes[before:] == [["bob", "ann"]]


def test_who_left_is_taken_off(room: Room) -> None:
    room.pass_time(1, ann=LOUD, bob=LOUD)
    room.detector.forget("ann")
    room.pass_time(PERIOD, bob=LOUD)
    assert room.changes[-1] == ["bob"]
