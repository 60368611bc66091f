"""A connection that plays a room to who is not in it (WHEP): one offer of the client, one answer, no more.

Its m-lines and their SSRCs stay; what they carry changes. A picture line shows the screen that is shared,
else who speaks; sound lines carry the voices, the loudest if there are more than lines.
"""

import secrets
from collections.abc import Callable
from typing import Any

from . import sdp, sdp_write
from .burst import TRANSPORT_CC_ID, Picture
from .codecs import CODECS, OPUS, Codec
from .downtrack import DownTrack
from .errors import GatewayError
from .identity import DIGESTS
from .layer import Layer
from .rtp import TRANSPORT_CC_URI, timestamp_delta
from .sdp import MediaSection, bad_sdp
from .sdp_write import TransportLines
from .sender import Sender
from .source import Source
from .subscriber import SubscribeConnection

CHOOSE_EVERY = 0.2
"""Seconds between two looks at what the lines should carry."""
MAX_PLAYED = 16
"""m-lines of an offer to play."""


class PlayLine:
    """One m-line: `track` is what it carries, `coming` what takes its place with its first key frame."""

    __slots__ = ("coming", "formats", "kind", "mid", "rtx_ssrc", "ssrc", "track")

    def __init__(self, section: MediaSection) -> None:
        self.mid = section.mid
        self.kind = section.kind
        self.formats = {codec.payload_type for codec in _codecs(section)}
        self.formats |= {form.payload_type for form in section.formats.values() if form.apt in self.formats}
        self.ssrc = secrets.randbelow(0xFFFFFFFE) + 1
        self.rtx_ssrc = secrets.randbelow(0xFFFFFFFE) + 1
        self.track: PlayTrack | None = None
        self.coming: PlayTrack | None = None

    def takes(self, source: Source) -> bool:
        """Whether the client can play the source as it is, or in its plain form."""
        codecs = (source.codec, source.codec.plain)
        return any(codec is not None and codec.payload_type in self.formats for codec in codecs)


class PlayTrack(DownTrack):
    """A source on a line that carried another one before: numbers and time go on from there."""

    def __init__(
        self, source: Source, sender: Sender, line: PlayLine, entered: Callable[["PlayTrack"], None]
    ) -> None:
        super().__init__(source, sender, line.mid)
        self.line = line
        self.ssrc = self.own_ssrc = line.ssrc
        self.rtx = source.codec.rtx_payload_type in line.formats
        self.rtx_ssrc = line.rtx_ssrc if self.rtx else None
        plain = source.codec.plain
        self.plain = plain is not None and source.codec.payload_type not in line.formats
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
        lines = {section.mid: PlayLine(section) for section in offer.media if _plays(section)}
        if not lines or len(lines) > MAX_PLAYED:
            raise bad_sdp(
                f"no m-line of 1 to {MAX_PLAYED} receives a codec of ours by its usual payload type"
            )
        self.played = list(lines.values())
        self.fingerprints = known
        self.transport.expect(known)
        self.allocation.has_feedback = any(
            section.extensions.get(TRANSPORT_CC_URI) == TRANSPORT_CC_ID for section in offer.media
        )
        sections = [(section, lines.get(section.mid)) for section in offer.media]
        return _answer(self.session, self.transport.lines(self.candidates), sections)

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


def _plays(section: MediaSection) -> bool:
    return section.receives and any(codec.kind == section.kind for codec in _codecs(section))


def _codecs(section: MediaSection) -> list[Codec]:
    """Those of our codecs that the client offers under our own payload types, which are sent as they are."""
    offered = section.formats
    return [
        codec for codec in (*CODECS, OPUS)
        if codec.payload_type in offered
        and offered[codec.payload_type].name.lower() == codec.name.lower()
        and offered[codec.payload_type].clock_rate == codec.clock_rate
    ]  # fmt: skip


def _answer(
    session: int, transport: TransportLines, sections: list[tuple[MediaSection, PlayLine | None]]
) -> str:
    """We are passive and send. Lines that cannot be played on are rejected."""
    out = sdp_write.head(session, 1, [line.mid for _, line in sections if line], transport, "passive")
    carried = False
    for section, line in sections:
        if line is None:
            formats = " ".join(map(str, section.formats)) or "0"
            out += [f"m={_kind(section)} 0 UDP/TLS/RTP/SAVPF {formats}", "c=IN IP4 0.0.0.0"]
            out += [f"a=mid:{section.mid}"] if section.mid else []
            out.append("a=inactive")
            continue
        codecs = list(dict.fromkeys(_codecs(section)))
        repaired = {
            codec.payload_type: codec.rtx_payload_type
            for codec in codecs
            if codec.rtx_payload_type in section.formats
            and section.formats[codec.rtx_payload_type].apt == codec.payload_type
        }
        types = [codec.payload_type for codec in codecs]
        types += [repair for repair in repaired.values() if repair is not None]
        out += [f"m={section.kind} 9 UDP/TLS/RTP/SAVPF " + " ".join(map(str, types)), "c=IN IP4 0.0.0.0"]
        out += [f"a=mid:{section.mid}", "a=sendonly", f"a=msid:play {section.kind}{section.mid}"]
        out += ["a=rtcp-mux", "a=rtcp-rsize"]
        if not carried:
            out += sdp_write.candidate_lines(transport)
            carried = True
        numbered = section.extensions.get(TRANSPORT_CC_URI) == TRANSPORT_CC_ID
        if numbered:
            out.append(f"a=extmap:{TRANSPORT_CC_ID} {TRANSPORT_CC_URI}")
        for codec in codecs:
            feedback = (("transport-cc",) if numbered else ()) + codec.feedback
            repair = repaired.get(codec.payload_type)
            out += sdp_write.codec_lines(codec, codec.payload_type, repair, codec.fmtp, feedback)
        if repaired:
            out.append(f"a=ssrc-group:FID {line.ssrc} {line.rtx_ssrc}")
        out.append(f"a=ssrc:{line.ssrc} cname:play")
        if repaired:
            out.append(f"a=ssrc:{line.rtx_ssrc} cname:play")
    return "\r\n".join(out) + "\r\n"


def _kind(section: MediaSection) -> str:
    return section.kind if section.kind in ("audio", "video") else "application"
