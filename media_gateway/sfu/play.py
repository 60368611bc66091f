"""A connection that plays a room to who is not in it (WHEP): one offer of the client, one answer, no more.

Its m-lines and their SSRCs stay; what they carry changes. A picture line shows the screen that is shared,
else who speaks; sound lines carry the voices, the loudest if there are more than lines.
"""

import secrets
from collections.abc import Callable
from typing import Any

from . import sdp
from .burst import TRANSPORT_CC_ID, OwnHeader, Picture
from .downtrack import DownTrack
from .errors import GatewayError
from .identity import DIGESTS
from .layer import Layer
from .play_sdp import PlayFormat, PlaySection, numbering, play_answer, play_formats
from .rtp import timestamp_delta
from .sdp import bad_sdp
from .sdp_write import TransportLines
from .sender import Sender
from .source import Source
from .subscriber import SubscribeConnection

CHOOSE_EVERY = 0.2
"""Seconds between two looks at what the lines should carry."""
MAX_PLAYED = 16
"""m-lines of an offer to play."""


class PlayLine:
    """One m-line: `track` is what it carries, `coming` what takes its place with its first key frame.

    `number_id` is the client's id of the transport-wide number, where it is not ours.
    """

    __slots__ = ("coming", "formats", "kind", "mid", "number_id", "rtx_ssrc", "ssrc", "track")

    def __init__(self, mid: str, kind: str, formats: tuple[PlayFormat, ...], number_id: int | None) -> None:
        self.mid = mid
        self.kind = kind
        self.formats = {form.codec.name: form for form in formats}
        self.number_id = None if number_id == TRANSPORT_CC_ID else number_id
        self.ssrc = secrets.randbelow(0xFFFFFFFE) + 1
        self.rtx_ssrc = secrets.randbelow(0xFFFFFFFE) + 1
        self.track: PlayTrack | None = None
        self.coming: PlayTrack | None = None

    def format_for(self, source: Source) -> PlayFormat | None:
        """How the client can play the source, as it is or in its plain form."""
        codecs = (source.codec, source.codec.plain)
        found = (self.formats.get(codec.name) for codec in codecs if codec is not None)
        return next((form for form in found if form is not None), None)

    def takes(self, source: Source) -> bool:
        return self.format_for(source) is not None


class PlayTrack(DownTrack):
    """A source on a line that carried another one before: numbers and time go on from there."""

    def __init__(
        self, source: Source, sender: Sender, line: PlayLine, entered: Callable[["PlayTrack"], None]
    ) -> None:
        super().__init__(source, sender, line.mid)
        self.line = line
        form = line.format_for(source)
        assert form is not None  # lines are given what they take
        self.ssrc = line.ssrc
        self.header = OwnHeader(line.ssrc, form.payload_type, line.number_id)
        self.rtx_payload_type = form.rtx_payload_type
        self.rtx = form.rtx_payload_type is not None
        self.rtx_ssrc = line.rtx_ssrc if self.rtx else None
        self.plain = form.codec is not source.codec
        self.entered = entered
        self.base = 0
        """what the line's time is ahead of the source's"""
        self._entering = False

    def enter(self, layer: Layer, index: int, timestamp: int, picture: Picture | None, now: float) -> None:
        before = self.line.track
        if before is not None and before is not self:
            before.leave()
            self.next_number = before.next_number
            self.last_picture = before.last_picture
            self.rtx_sequence = before.rtx_sequence
            if before.last_timestamp is not None:
                self.last_timestamp = before.last_timestamp
                elapsed = max(1, int((now - before.left_at) * self.source.codec.clock_rate))
                self.base = (before.last_timestamp + elapsed - timestamp) & 0xFFFFFFFF
        last = self.last_timestamp
        self._entering = True
        super().enter(layer, index, timestamp, picture, now)
        self._entering = False
        shift = self.base
        if last is not None:
            ahead = timestamp_delta((timestamp + shift) & 0xFFFFFFFF, last)
            shift = shift if ahead > 0 else (shift + 1 - ahead) & 0xFFFFFFFF
        self.clock_shift, self.rewrites = shift, True
        self.stretches[-1].clock_shift, self.stretches[-1].rewrites = shift, True
        self.send_report()
        self.entered(self)

    @property
    def left_at(self) -> float:
        """When its source last sent: the time that `last_timestamp` means."""
        return max((layer.last_at for layer in self.source.every_layer), default=0.0)

    def send_report(self) -> None:
        if not self._entering:  # the clock is set right after
            super().send_report()


class PlayConnection(SubscribeConnection):
    """`speakers()` names the peers that speak, loudest first."""

    def __init__(self, *args: Any, speakers: Callable[[], list[str]], **options: Any) -> None:
        super().__init__(*args, **options)
        self.speakers = speakers
        self.sources: dict[int, Source] = {}
        self.played: list[PlayLine] = []
        self.choose_at = 0.0
        self.retired: list[PlayTrack] = []

    # -- negotiation ------------------------------------------------------------

    def take_offer(self, text: object) -> str:
        """The answer to the client's offer. GatewayError when it cannot be played to."""
        if self.played:
            raise GatewayError("bad_request", "it plays already")
        offer = sdp.parse(text)
        carrier = offer.transport_section()
        known = [pair for pair in carrier.fingerprints if pair[0] in DIGESTS]
        if not carrier.ice_pwd or not known:
            raise bad_sdp("no ICE password or no fingerprint of a known algorithm")
        if carrier.setup not in ("actpass", "active"):
            raise bad_sdp("the offer must let us be DTLS server (setup:actpass)")
        formats = [(section, play_formats(section)) for section in offer.media]
        taken = [(section, forms) for section, forms in formats if forms]
        if not 0 < len(taken) <= MAX_PLAYED:
            raise bad_sdp(f"no m-line, or more than {MAX_PLAYED}, to receive a codec of ours")
        number_id = numbering(taken)
        lines = {
            section.mid: PlayLine(section.mid, section.kind, forms, number_id) for section, forms in taken
        }
        self.played = list(lines.values())
        self.fingerprints = known
        self.transport.expect(known)
        self.allocation.has_feedback = number_id is not None
        sections = [
            PlaySection(section, forms, lines[section.mid].ssrc, lines[section.mid].rtx_ssrc)
            if forms
            else PlaySection(section)
            for section, forms in formats
        ]
        return play_answer(self.session, self.transport.lines(self.candidates), sections, number_id)

    def restart_ice(self) -> TransportLines:
        """Fresh credentials without a new offer."""
        self.transport.restart()
        return self.transport.lines(self.candidates)

    def current_offer(self) -> tuple[int, str]:
        return 0, ""

    def repeat_offer(self, now: float) -> None:
        """There are no offers of ours."""

    def restart(self) -> None:
        """The client alone restarts its ICE."""

    # -- what is played ------------------------------------------------------------

    def add(self, source: Source) -> None:
        self.sources[source.number] = source
        self.choose_at = 0.0

    def remove(self, source: Source) -> None:
        self.sources.pop(source.number, None)
        for line in self.played:
            if line.coming is not None and line.coming.source is source:
                self._drop(line.coming)
                line.coming = None
            if line.track is not None and line.track.source is source:
                self._drop(line.track)  # kept as the line's: its numbers go on in what follows
        self.choose_at = 0.0

    def transport_state(self, state: str) -> None:
        if state in ("failed", "closed"):
            for line in self.played:
                for track in (line.track, line.coming):
                    if track is not None:
                        self._drop(track)
        self.state_changed(state)

    def rtcp_received(self, packet: bytes, now: float) -> None:
        self.transport.media_heard(now)
        super().rtcp_received(packet, now)

    def tick(self, now: float) -> None:
        for track in self.retired:
            self._drop(track)
        self.retired.clear()
        if self.transport.ready and now >= self.choose_at:
            self.choose_at = now + CHOOSE_EVERY
            for line, source in zip(self.played, self._wishes(), strict=True):
                self._put(line, source)
        super().tick(now)

    def _wishes(self) -> list[Source | None]:
        """The source for each line; what a line carries stays where it may."""
        voices, pictures = self._ranked("audio"), self._ranked("video")
        chosen: list[Source | None] = []
        picture_lines = 0
        sound = [line for line in self.played if line.kind == "audio"]
        spoken = self._spread(sound, voices)
        for line in self.played:
            if line.kind == "audio":
                chosen.append(spoken.get(line.mid))
                continue
            # Beside a screen a second line shows who speaks.
            able = [source for source in pictures if line.takes(source)]
            beside = picture_lines > 0 and (not able or able[0].name != "screen")
            chosen.append(None if beside or picture_lines >= len(able) else able[picture_lines])
            picture_lines += 1
        return chosen

    def _ranked(self, kind: str) -> list[Source]:
        """What could be shown or heard now, best first: screens, then speakers, then what is on already."""
        speakers = {peer: place for place, peer in enumerate(self.speakers())}
        on = {line.track.source.number for line in self.played if line.track is not None}
        found = [
            source for source in self.sources.values()
            if source.kind == kind and not source.blocked and source.uplinked
        ]  # fmt: skip

        def rank(source: Source) -> tuple[bool, int, bool, int]:
            screen = source.name in ("screen", "screen_audio")
            return not screen, speakers.get(source.peer, 99), source.number not in on, source.number

        return sorted(found, key=rank)

    def _spread(self, lines: list[PlayLine], voices: list[Source]) -> dict[str, Source]:
        wanted = voices[: len(lines)]
        spread: dict[str, Source] = {}
        for line in lines:
            if line.track is not None and line.track.source in wanted and line.track.attached:
                spread[line.mid] = line.track.source
                wanted.remove(line.track.source)
        for line in lines:
            fitting = next((source for source in wanted if line.takes(source)), None)
            if line.mid not in spread and fitting is not None:
                spread[line.mid] = fitting
                wanted.remove(fitting)
        return spread

    def _put(self, line: PlayLine, source: Source | None) -> None:
        if line.coming is not None and line.coming.source is not source:
            self._drop(line.coming)
            line.coming = None
        if source is None:
            if line.track is not None and line.track.attached:
                self._drop(line.track)
            return
        here = line.track if line.track is not None and line.track.attached else None
        if line.coming is not None or (here is not None and here.source is source):
            return
        track = line.coming = PlayTrack(source, self.sender, line, self._entered)
        track.attached = True
        self.downs[source.number] = track
        self._attach(track)

    def _entered(self, track: PlayTrack) -> None:
        """Its first packet comes: what the line carried before is let go at the next tick."""
        line = track.line
        if line.track is not None and line.track is not track:
            self.retired.append(line.track)
        line.track = track
        if line.coming is track:
            line.coming = None

    def _drop(self, track: PlayTrack) -> None:
        track.attached = False
        track.source.detach(track)
        if self.downs.get(track.source.number) is track:
            del self.downs[track.source.number]

    def close(self) -> None:
        self.played.clear()
        self.sources.clear()
        super().close()
