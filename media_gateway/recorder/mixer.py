"""Mixes everybody's sound into one even-tempered stereo track.

Two readings: the first measures each track, so that quiet and loud microphones can be brought to one level
and the whole to the target; the second mixes. Sound is decoded twice, which is cheaper than keeping hours
of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .loudness import BLOCK, RATE, Limiter, Powers, block_powers, integrated_loudness, to_lufs
from .sound import Samples, SoundTrack
from .timeline import Person

TARGET_LUFS = -17.0
CEILING = 10 ** (-1.5 / 20)  # AAC may overshoot a little
CHANNELS = 2

_TRACK_LUFS = -18.0
_TRACK_GAIN_DB = (-15.0, 15.0)
_MASTER_GAIN_DB = (-20.0, 20.0)
_NOISE_LUFS = -45.0  # a track that never gets louder is a forgotten microphone: it is not raised
_SPEAKING_LUFS = -36.0
_HOLD_BLOCKS = 7


def open_tracks(person: Person) -> list[SoundTrack]:
    """A person's microphone in mono, the sound of a shared screen in stereo."""
    tracks = []
    for source in dict.fromkeys(journal.info.source for journal in person.audio):
        journals = [journal for journal in person.audio if journal.info.source == source]
        tracks.append(SoundTrack(journals, 1 if source == "mic" else CHANNELS))
    return tracks


@dataclass
class Levels:
    """What the first reading found.

    ``gains``: a factor for each track, in the order of the people and their tracks. ``speaking``: for each
    person, for each 100 ms, whether they are heard. ``loudness``: LUFS of the mix before ``master`` is
    applied.
    """

    gains: list[float]
    master: float
    loudness: float | None
    speaking: list[NDArray[np.bool_]]


def measure(people: Sequence[Person], seconds: int, progress: Callable[[float], None]) -> Levels:
    """Read all sound once. ``progress`` gets 0 to 1."""
    tracks = [open_tracks(person) for person in people]
    powers = [[np.zeros(seconds * RATE // BLOCK) for _ in own] for own in tracks]
    for second in range(seconds):
        blocks = slice(second * RATE // BLOCK, (second + 1) * RATE // BLOCK)
        for own, own_powers in zip(tracks, powers, strict=True):
            for track, power in zip(own, own_powers, strict=True):
                samples = track.read(RATE)
                if samples is not None:
                    # Mono is played on both sides.
                    power[blocks] = block_powers(samples) * (CHANNELS / track.channels)
        progress((second + 1) / seconds)
    gains: list[float] = []
    mix: Powers = np.zeros(seconds * RATE // BLOCK)
    speaking = []
    for own_powers in powers:
        heard: Powers = np.zeros_like(mix)
        for power in own_powers:
            gain = _track_gain(power)
            gains.append(gain)
            heard += power * gain**2
        mix += heard
        speaking.append(_hold(to_lufs(heard) > _SPEAKING_LUFS))
    loudness = integrated_loudness(mix)
    master = 1.0 if loudness is None else _from_db(TARGET_LUFS - loudness, _MASTER_GAIN_DB)
    return Levels(gains, master, loudness, speaking)


class Mixer:
    """The second reading: read() gives the finished sound, one second at a time."""

    def __init__(self, people: Sequence[Person], levels: Levels) -> None:
        self._tracks = [track for person in people for track in open_tracks(person)]
        self._gains = [gain * levels.master for gain in levels.gains]
        self._limiter = Limiter(CEILING, CHANNELS)
        self._ahead = self._limiter.process(self._mix(RATE))[self._limiter.delay :]

    def read(self) -> Samples:
        """The next second: (48000, 2)."""
        samples = np.concatenate((self._ahead, self._limiter.process(self._mix(RATE))))
        self._ahead = samples[RATE:]
        return samples[:RATE]

    def _mix(self, count: int) -> Samples:
        mix = np.zeros((count, CHANNELS), dtype=np.float32)
        for track, gain in zip(self._tracks, self._gains, strict=True):
            samples = track.read(count)
            if samples is not None:
                mix += samples * np.float32(gain)
        return mix


def _track_gain(power: Powers) -> float:
    loudness = integrated_loudness(power)
    if loudness is None or loudness < _NOISE_LUFS:
        return 1.0
    return _from_db(_TRACK_LUFS - loudness, _TRACK_GAIN_DB)


def _from_db(db: float, bounds: tuple[float, float]) -> float:
    return float(10 ** (min(max(db, bounds[0]), bounds[1]) / 20))


def _hold(active: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Leave out clicks of a single block, and let go only after a while: a ring must not flicker."""
    spoken = active[:-1] & active[1:]
    spoken = np.concatenate((spoken, [False])) | np.concatenate(([False], spoken))
    held = np.convolve(spoken, np.ones(_HOLD_BLOCKS))[: len(spoken)] > 0
    result: NDArray[np.bool_] = held
    return result
