"""The recorder feed: the datagrams a media worker sends to a recording worker (docs/protocol.md, section 3).

Packing and parsing live side by side so that both ends of the feed share one definition. Every datagram is
``!B8sIQ`` (kind, token, track number, arrival time in Unix nanoseconds) followed by a body that depends on
the kind.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

DATAGRAM = struct.Struct("!B8sIQ")
REPORT = struct.Struct("!QI")

TOKEN_BYTES = 8
KIND_TRACK, KIND_RTP, KIND_STATE, KIND_REPORT = 1, 2, 3, 4

RTP_HEADER_BYTES = 12
MAX_TEXT = 200
MAX_JSON = 4096
MEDIA_KINDS = ("audio", "video")


class FeedError(ValueError):
    """A body that is not what docs/protocol.md says; nothing of it is used."""


@dataclass(frozen=True, slots=True)
class TrackInfo:
    """What a media worker says about one track it forwards.

    ``source`` is one of ``mic``, ``camera``, ``screen``, ``screen_audio``; ``codec`` is ``opus``, ``VP8``,
    ``H264``, ``VP9`` or ``AV1``; ``clock_rate`` is in Hz.
    """

    instance: str
    peer: str
    name: str
    source: str
    kind: str
    codec: str
    clock_rate: int
    channels: int = 1
    fmtp: str = ""

    @classmethod
    def from_mapping(cls, data: object) -> TrackInfo:
        """Check and convert a decoded JSON body. Raises FeedError."""
        if not isinstance(data, dict):
            raise FeedError("a track description is a JSON object")
        texts = {}
        for field in ("instance", "peer", "source", "kind", "codec"):
            value = data.get(field)
            if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT:
                raise FeedError(f"{field} is not a text of 1 to {MAX_TEXT} characters")
            texts[field] = value
        name = data.get("name")
        if texts["kind"] not in MEDIA_KINDS:
            raise FeedError("kind is neither audio nor video")
        clock_rate, channels = data.get("clock_rate"), data.get("channels") or 1
        if not isinstance(clock_rate, int) or not 1 <= clock_rate <= 1_000_000:
            raise FeedError("clock_rate is not a rate in Hz")
        if not isinstance(channels, int) or not 1 <= channels <= 255:
            raise FeedError("channels is not a number of channels")
        fmtp = data.get("fmtp")
        return cls(
            **texts,
            name=name[:MAX_TEXT] if isinstance(name, str) else "",
            clock_rate=clock_rate,
            channels=channels,
            fmtp=fmtp if isinstance(fmtp, str) else json.dumps(fmtp) if fmtp else "",
        )


@dataclass(frozen=True, slots=True)
class TrackState:
    """A change of a track: paused, running again, or gone for good."""

    paused: bool = False
    ended: bool = False


def pack(kind: int, token: bytes, track: int, arrival_ns: int, body: bytes) -> bytes:
    """One datagram; ``token`` is 8 bytes, ``arrival_ns`` Unix time in nanoseconds."""
    return DATAGRAM.pack(kind, token, track, arrival_ns) + body


def pack_track(token: bytes, track: int, arrival_ns: int, info: TrackInfo | Mapping[str, Any]) -> bytes:
    data = asdict(info) if isinstance(info, TrackInfo) else dict(info)
    return pack(KIND_TRACK, token, track, arrival_ns, json.dumps(data).encode())


def pack_rtp(token: bytes, track: int, arrival_ns: int, packet: bytes) -> bytes:
    return pack(KIND_RTP, token, track, arrival_ns, packet)


def pack_state(
    token: bytes, track: int, arrival_ns: int, *, paused: bool | None = None, ended: bool = False
) -> bytes:
    data = {"ended": True} if ended else {"paused": bool(paused)}
    return pack(KIND_STATE, token, track, arrival_ns, json.dumps(data).encode())


def pack_report(token: bytes, track: int, arrival_ns: int, ntp_time: int, rtp_timestamp: int) -> bytes:
    """``ntp_time`` in the 64-bit format of RFC 3550 section 4."""
    return pack(KIND_REPORT, token, track, arrival_ns, REPORT.pack(ntp_time, rtp_timestamp))


def parse_track(body: bytes) -> TrackInfo:
    """Raises FeedError."""
    return TrackInfo.from_mapping(_parse_json(body))


def parse_state(body: bytes) -> TrackState:
    """Raises FeedError."""
    data = _parse_json(body)
    if isinstance(data, dict):
        if data.get("ended") is True:
            return TrackState(ended=True)
        if isinstance(data.get("paused"), bool):
            return TrackState(paused=data["paused"])
    raise FeedError('a state is {"paused": bool} or {"ended": true}')


def parse_report(body: bytes) -> tuple[int, int]:
    """(NTP time, RTP timestamp). Raises FeedError."""
    if len(body) != REPORT.size:
        raise FeedError("a sender report has 12 bytes")
    ntp_time, timestamp = REPORT.unpack(body)
    return ntp_time, timestamp


def check_rtp(body: bytes) -> None:
    """Raises FeedError for what cannot be an RTP packet of version 2."""
    if len(body) < RTP_HEADER_BYTES or body[0] >> 6 != 2:
        raise FeedError("not an RTP packet")


def _parse_json(body: bytes) -> object:
    if len(body) > MAX_JSON:
        raise FeedError(f"JSON of more than {MAX_JSON} bytes")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise FeedError("not JSON") from error
