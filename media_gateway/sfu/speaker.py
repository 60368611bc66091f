"""Who is speaking, out of audio levels (RFC 6464), with enough inertia not to flicker.

Pure: no clock of its own.
"""

SILENCE = 127
ON = -45.0
"""dBov above which somebody begins to speak."""
OFF = -55.0
"""dBov under which a speaker falls silent."""
HOLD = 0.8
"""Seconds of silence (breath, thinking) before a speaker is taken off."""
LEAD = 6.0
"""dB by which one must be louder to pass another."""
OVERTAKE = 0.6
"""Seconds for which one must be."""
MAX_SPEAKERS = 5
PERIOD = 0.2
"""Seconds between evaluations, hence at most five events a second."""


class _Voice:
    __slots__ = ("ahead_since", "count", "level", "quiet_since", "total")

    def __init__(self) -> None:
        self.total = 0
        self.count = 0
        self.level = -float(SILENCE)
        self.quiet_since: float | None = None
        self.ahead_since: float | None = None


class SpeakerDetector:
    """Collects levels of a room's microphones; `evaluate` says when the list of speakers changed."""

    def __init__(self) -> None:
        self._voices: dict[str, _Voice] = {}
        self.speakers: list[str] = []

    def hear(self, peer: str, level: int) -> None:
        """One packet's level: 0 (loudest) to 127 (silence), in -dBov."""
        voice = self._voices.get(peer)
        if voice is None:
            voice = self._voices[peer] = _Voice()
        voice.total += level
        voice.count += 1

    def forget(self, peer: str) -> None:
        """The peer left; the next `evaluate` takes it off the list."""
        self._voices.pop(peer, None)

    def evaluate(self, now: float) -> list[str] | None:
        """The speakers, loudest first, when the list is another than last time.

        Else None. Call every `PERIOD`.
        """
        for voice in self._voices.values():
            heard = -voice.total / voice.count if voice.count else -float(SILENCE)
            voice.total = voice.count = 0
            weight = 0.6 if heard > voice.level else 0.25
            voice.level += weight * (heard - voice.level)
        speakers = [peer for peer in self.speakers if self._still_speaks(peer, now)]
        joined = [peer for peer, voice in self._voices.items() if voice.level >= ON and peer not in speakers]
        speakers += sorted(joined, key=lambda peer: -self._voices[peer].level)
        self._reorder(speakers, now)
        speakers = speakers[:MAX_SPEAKERS]
        if speakers == self.speakers:
            return None
        self.speakers = speakers
        return list(speakers)

    def _still_speaks(self, peer: str, now: float) -> bool:
        voice = self._voices.get(peer)
        if voice is None:
            return False
        if voice.level >= OFF:
            voice.quiet_since = None
            return True
        if voice.quiet_since is None:
            voice.quiet_since = now
        return now - voice.quiet_since < HOLD

    def _reorder(self, speakers: list[str], now: float) -> None:
        """Let one pass the one before it, after being clearly louder for a while."""
        for place in range(1, len(speakers)):
            voice, before = self._voices[speakers[place]], self._voices[speakers[place - 1]]
            if voice.level < before.level + LEAD:
                voice.ahead_since = None
            elif voice.ahead_since is None:
                voice.ahead_since = now
            elif now - voice.ahead_since >= OVERTAKE:
                voice.ahead_since = None
                speakers[place - 1], speakers[place] = speakers[place], speakers[place - 1]
