"""Loudness after ITU-R BS.1770 / EBU R 128, and a limiter that never lets a peak through.

Loudness needs only the power of the K-weighted signal in blocks. That power is taken from the spectrum of
100 ms blocks (Parseval), so no sample-by-sample filter is needed; it agrees with the filter to a few tenths
of a dB.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RATE = 48_000
BLOCK = RATE // 10

Powers = NDArray[np.float64]

_ABSOLUTE_GATE = -70.0
_RELATIVE_GATE = -10.0


def _k_weight() -> NDArray[np.float64]:
    """|H|² of both filters of BS.1770 (their published 48 kHz coefficients) at the spectrum's frequencies."""
    z = np.exp(-2j * np.pi * np.fft.rfftfreq(BLOCK))
    shelf = (1.53512485958697 - 2.69169618940638 * z + 1.19839281085285 * z**2) / (
        1 - 1.69065929318241 * z + 0.73248077421585 * z**2
    )
    high_pass = (1 - 2 * z + z**2) / (1 - 1.99004745483398 * z + 0.99007225036621 * z**2)
    return np.abs(shelf * high_pass) ** 2


_WEIGHT = _k_weight()
_WEIGHT[1:-1] *= 2  # a real signal's negative frequencies


def block_powers(samples: NDArray[np.float32]) -> Powers:
    """K-weighted mean square, summed over channels, of each 100 ms block of (n, channels) samples.

    ``n`` is a multiple of 4,800.
    """
    blocks = samples.reshape(-1, BLOCK, samples.shape[1])
    spectrum = np.fft.rfft(blocks, axis=1)
    power = (spectrum.real**2 + spectrum.imag**2).sum(axis=2)
    result: Powers = power @ _WEIGHT / BLOCK**2
    return result


def to_lufs(power: NDArray[np.float64] | float) -> NDArray[np.float64]:
    return -0.691 + 10 * np.log10(np.maximum(power, 1e-15))


def integrated_loudness(powers: Powers) -> float | None:
    """LUFS over all 400 ms windows that pass both gates; None when there is only silence."""
    if len(powers) < 4:
        powers = np.concatenate((powers, np.zeros(4 - len(powers))))
    windows = np.convolve(powers, np.full(4, 0.25), mode="valid")
    windows = windows[to_lufs(windows) > _ABSOLUTE_GATE]
    if len(windows) == 0:
        return None
    threshold = float(to_lufs(float(windows.mean()))) + _RELATIVE_GATE
    return float(to_lufs(float(windows[to_lufs(windows) > threshold].mean())))


class Limiter:
    """Keeps all samples within ``ceiling``: turns the gain down shortly before a peak and slowly up after it.

    process() gives as many samples as it takes, ``delay`` samples late.
    """

    STEP = 48  # one gain value a millisecond
    AHEAD = 5  # steps the gain has to go down
    RELEASE = 0.985  # what is left after a step of the distance to full gain: a time constant of 66 ms

    def __init__(self, ceiling: float, channels: int) -> None:
        self.ceiling = ceiling
        self.delay = self.AHEAD * self.STEP
        self._samples = np.zeros((self.delay, channels), dtype=np.float32)
        self._needed = np.ones(self.AHEAD)  # the gain that each delayed step needs
        self._held = np.ones(self.AHEAD)  # of the steps before
        self._released = 1.0

    def process(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, channels) samples, ``n`` a multiple of 48."""
        peaks = np.abs(samples).max(axis=1).reshape(-1, self.STEP).max(axis=1)
        needed = np.concatenate((self._needed, self.ceiling / np.maximum(peaks, self.ceiling)))
        # held[k] suits all steps from k to k + AHEAD. So the mean of held[k - AHEAD] to held[k - 1] suits
        # steps k - 1 and k: it is the gain at the edge between them, and straight lines join the edges.
        lowest = np.lib.stride_tricks.sliding_window_view(needed, self.AHEAD + 1).min(axis=1)
        held = np.concatenate((self._held, self._release(lowest)))
        edges = np.convolve(held, np.full(self.AHEAD, 1 / self.AHEAD), mode="valid")
        gains = _interpolate(edges, self.STEP)
        delayed = np.concatenate((self._samples, samples))
        result = delayed[: len(samples)] * gains[:, None]
        self._samples = delayed[len(samples) :]
        self._needed = needed[len(peaks) :]
        self._held = held[-self.AHEAD :]
        return np.clip(result, -self.ceiling, self.ceiling)  # against rounding alone

    def _release(self, lowest: NDArray[np.float64]) -> NDArray[np.float64]:
        if self._released > 0.9999 and float(lowest.min()) >= 1.0:
            self._released = 1.0
            return lowest
        held = np.empty_like(lowest)
        gain = self._released
        for index, limit in enumerate(lowest.tolist()):
            gain = min(limit, 1 - (1 - gain) * self.RELEASE)
            held[index] = gain
        self._released = gain
        return held


def _interpolate(values: NDArray[np.float64], step: int) -> NDArray[np.float32]:
    """Straight lines from each value to the next, ``step`` samples each."""
    ramp = np.arange(1, step + 1) / step
    lines = values[:-1, None] * (1 - ramp) + values[1:, None] * ramp
    return lines.reshape(-1).astype(np.float32)
