"""The loudest few of many microphones: which audio packets of a large room are worth forwarding.

Whoever speaks gets a place and keeps it for two seconds after the last voice, longer while nobody needs it.
When all places are taken by people speaking, it takes a clearly louder voice to get one: its packets pass
from the first one on, so that no syllable is clipped, but it takes over a place only once it went on for a
moment, so that a cough or a dropped pen costs nobody theirs. Levels are those of RFC 6464. No clock of its
own.
"""

from collections.abc import Hashable

VOICE = 50
"""Levels up to this one (-50 dBov) are voice; comfort noise and silence are not."""
HANG_OVER = 2.0
"""Seconds after the last voice for which a place is safe from voices that are not clearly louder."""
MARGIN = 6.0
"""dB that are clearly louder."""
TAKE_OVER = 5
"""Clearly louder packets, 20 ms each as a rule, that take a place over."""
MEMORY = 0.4
"""Seconds after which those count from the start again."""
EXTRA = 2
"""Voices that may pass without a place at a time."""
RISE, FALL = 0.3, 0.03
"""How quickly a voice counts as louder and as quieter, a packet."""
GONE = 10.0
"""Seconds without a packet after which a microphone does not count: DTX sends one every 0.4 s."""


class _Voice:
    __slots__ = ("count", "counted_at", "heard_at", "level", "selected", "voiced_at")

    def __init__(self) -> None:
        self.level = 127.0
        self.selected = False
        self.heard_at = 0.0
        self.voiced_at = float("-inf")
        self.count = 0
        self.counted_at = float("-inf")


class Loudest:
    """The `n` places of a room."""

    __slots__ = ("_passing", "_sweep_at", "_voices", "n", "selected")

    def __init__(self, n: int) -> None:
        self.n = n
        self.selected: set[Hashable] = set()
        """Who has a place."""
        self._voices: dict[Hashable, _Voice] = {}
        self._passing: dict[Hashable, float] = {}
        self._sweep_at = float("-inf")

    def hear(self, peer: Hashable, level: int, now: float) -> bool:
        """Whether this packet is to be forwarded. `level` is 0 (loudest) to 127 (silence), `now` in s."""
        voice = self._voices.get(peer)
        if voice is None:
            voice = self._voices[peer] = _Voice()
        voice.heard_at = now
        if now >= self._sweep_at:
            self._sweep(now)
        if level <= VOICE:
            voice.voiced_at = now
            voice.level += (RISE if level < voice.level else FALL) * (level - voice.level)
            if voice.selected or self._enter(peer, voice, level, now):
                return True
        return voice.selected or len(self._voices) <= self.n

    def forget(self, peer: Hashable) -> None:
        """The microphone is off or its owner left."""
        self._voices.pop(peer, None)
        self._passing.pop(peer, None)
        self.selected.discard(peer)

    def _enter(self, peer: Hashable, voice: _Voice, level: int, now: float) -> bool:
        """A voice without a place: whether it is let through, with a place or on trial."""
        if len(self.selected) < self.n:
            self._select(peer, voice, level)
            return True
        voices = self._voices
        other = min(self.selected, key=lambda one: voices[one].voiced_at, default=None)
        if other is None:
            return False
        if now - voices[other].voiced_at <= HANG_OVER:
            other = max(self.selected, key=lambda one: voices[one].level)
            if level > voices[other].level - MARGIN:
                # The gaps between louder packets of one who got on trial pass too, as long as it lasts.
                return now - self._passing.get(peer, float("-inf")) <= MEMORY
            if not self._try(peer, voice, now):
                return False
            if voice.count < TAKE_OVER:
                return True
        voices[other].selected = False
        self.selected.discard(other)
        self._select(peer, voice, level)
        return True

    def _try(self, peer: Hashable, voice: _Voice, now: float) -> bool:
        """Count a clearly louder packet; whether there is room for one more on trial."""
        passing = self._passing
        if peer not in passing and len(passing) >= EXTRA:
            for one in [one for one, since in passing.items() if now - since > MEMORY]:
                del passing[one]
            if len(passing) >= EXTRA:
                return False
        passing[peer] = now
        voice.count = voice.count + 1 if now - voice.counted_at <= MEMORY else 1
        voice.counted_at = now
        return True

    def _select(self, peer: Hashable, voice: _Voice, level: int) -> None:
        voice.selected = True
        voice.level = min(voice.level, float(level))
        voice.count = 0
        self.selected.add(peer)
        self._passing.pop(peer, None)

    def _sweep(self, now: float) -> None:
        self._sweep_at = now + 1.0
        for peer in [peer for peer, voice in self._voices.items() if now - voice.heard_at > GONE]:
            self.forget(peer)
