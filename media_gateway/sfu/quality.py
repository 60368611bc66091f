"""How good a participant's connection is, 1 (bad) to 5 (excellent), out of what was measured.

**Audio** follows the E-model of ITU-T G.107 with all its defaults, R = 93.2 - Id - Ie,eff, where

- Id is the delay impairment in the approximation of Cole and Rosenbluth ("Voice over IP performance
  monitoring", 2001): 0.024 d, and 0.11 (d - 177.3) more beyond 177.3 ms; d is half the round trip, plus twice
  the jitter (what a jitter buffer holds), plus 40 ms for frames, coder and sound card;
- Ie,eff = Ie + (95 - Ie) P / (P + Bpl) (G.107, 7.5, random loss). Nothing is published for Opus; taken are
  Ie = 0 and Bpl = 25.1, those of G.711 with concealment (G.113, appendix I). P, in percent, is what had to be
  concealed, when the browser tells, as FEC and resending repair much of what the network loses; else it is
  the network's loss.

R becomes a mean opinion score by G.107 Annex B, and 1 to 4.41, which is all that R = 93.2 can reach, becomes
1 to 5.

**Video** starts at 5 and loses points, of which standing still weighs most (as in ITU-T P.1203.3): up to 3.5
for freezes, reached when a fifth of the time is frozen; 0.7 for each layer less than the size shown could
use, 3 when it is paused for want of bandwidth; up to 1 for loss, reached at 15 % (resending costs delay); up
to 1 for a round trip of 700 ms.

**Both**: conversation hangs on the sound, so the score is the mean of the two, but never more than the
audio's.
"""

from dataclasses import dataclass

R_BEST = 93.2
BPL = 25.1
FIXED_DELAY_MS = 40.0
FREEZE_WORST, FREEZE_POINTS = 0.2, 3.5
LAYER_POINTS, PAUSED_POINTS = 0.7, 3.0
LOSS_WORST, LOSS_POINTS = 0.15, 1.0
SLOW_MS, SLOWEST_MS, SLOW_POINTS = 200.0, 700.0, 1.0
DOWN, UP = 0.6, 0.25
"""Weights of a measurement that is worse or better: trouble is shown soon, recovery is believed late."""
STICKY = 0.65
"""Distance from the shown score at which the next whole number is shown: half a point would flicker."""


@dataclass(slots=True)
class Measured:
    """What was seen of one participant over the last seconds; None where nothing is known.

    `loss` and `concealed` (of audio samples) and `frozen` (of the time) are shares, 0..1; `round_trip` and
    `jitter` are seconds; `layer` and `wanted_layer` are indices, -1 for paused and for not shown.
    """

    audio: bool = True
    video: bool = False
    loss: float | None = None
    round_trip: float | None = None
    jitter: float | None = None
    concealed: float | None = None
    frozen: float | None = None
    layer: int | None = None
    wanted_layer: int | None = None


def _share(value: float | None) -> float:
    return min(max(value or 0.0, 0.0), 1.0)


def rating(loss: float, round_trip: float, jitter: float) -> float:
    """The E-model's R, 0..93.2, of a share lost (0..1) and times in seconds."""
    delay = 500.0 * max(round_trip, 0.0) + 2000.0 * max(jitter, 0.0) + FIXED_DELAY_MS
    impairment = 0.024 * delay + 0.11 * max(0.0, delay - 177.3)
    percent = 100.0 * _share(loss)
    return max(0.0, R_BEST - impairment - 95.0 * percent / (percent + BPL))


def opinion(rating_: float) -> float:
    """Mean opinion score, 1..4.5, of an R (G.107 Annex B)."""
    r = min(max(rating_, 0.0), 100.0)
    return max(1.0, 1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6)


def audio_score(measured: Measured) -> float:
    """1..5 for the sound."""
    loss = measured.loss if measured.concealed is None else measured.concealed
    best = opinion(R_BEST)
    score = opinion(rating(loss or 0.0, measured.round_trip or 0.0, measured.jitter or 0.0))
    return 1.0 + 4.0 * (score - 1.0) / (best - 1.0)


def video_score(measured: Measured) -> float:
    """1..5 for the picture."""
    points = FREEZE_POINTS * min(1.0, _share(measured.frozen) / FREEZE_WORST)
    wanted = measured.wanted_layer
    if wanted is not None and wanted >= 0 and measured.layer is not None:
        short = wanted - measured.layer
        points += PAUSED_POINTS if measured.layer < 0 else LAYER_POINTS * max(0, short)
    points += LOSS_POINTS * min(1.0, _share(measured.loss) / LOSS_WORST)
    trip = 1000.0 * (measured.round_trip or 0.0)
    points += SLOW_POINTS * min(max((trip - SLOW_MS) / (SLOWEST_MS - SLOW_MS), 0.0), 1.0)
    return max(1.0, 5.0 - points)


def score(measured: Measured) -> float | None:
    """1..5 for a participant; None when there is neither sound nor picture to judge."""
    if measured.audio and measured.video:
        audio = audio_score(measured)
        return min(audio, (audio + video_score(measured)) / 2)
    if measured.audio:
        return audio_score(measured)
    return video_score(measured) if measured.video else None


class Quality:
    """The score of one participant over time, as a whole number that does not flicker."""

    __slots__ = ("_smoothed", "shown")

    def __init__(self) -> None:
        self._smoothed = 5.0
        self.shown = 5
        """1 to 5."""

    def update(self, measured: Measured) -> int | None:
        """Take a measurement (one every 2 s or so); the score to show when it changed, else None."""
        value = score(measured)
        if value is None:
            return None
        self._smoothed += (DOWN if value < self._smoothed else UP) * (value - self._smoothed)
        if abs(self._smoothed - self.shown) < STICKY:
            return None
        shown = min(max(round(self._smoothed), 1), 5)
        if shown == self.shown:
            return None
        self.shown = shown
        return shown
