"""RTCP packets (RFC 3550, RFC 4585, RFC 5104): reading compounds, writing the few kinds the server sends.

Transport-wide feedback has its own module, `twcc`.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from . import extended_report
from .extended_report import EXTENDED_REPORT, DelayReport, ReferenceTime

SENDER_REPORT = 200
RECEIVER_REPORT = 201
SOURCE_DESCRIPTION = 202
GOODBYE = 203
TRANSPORT_FEEDBACK = 205
PAYLOAD_FEEDBACK = 206
FMT_NACK = 1
MAX_NACK = 1000
"""Sequence numbers read of one NACK: browsers keep no more in mind, and what is asked for is sent."""
FMT_TRANSPORT_CC = 15
FMT_PLI = 1
FMT_FIR = 4
FMT_APPLICATION = 15

_HEAD = struct.Struct("!BBH")
_REPORT = struct.Struct("!IIIIII")
_SENDER = struct.Struct("!IQIII")
_FEEDBACK = struct.Struct("!II")
_NACK = struct.Struct("!HH")

NTP_EPOCH = 2208988800
"""Seconds from 1900 to 1970."""


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """What a receiver says of one source; `jitter` in timestamp units, `dlsr` in 1/65536 s."""

    ssrc: int
    fraction_lost: int = 0
    packets_lost: int = 0
    highest_sequence: int = 0
    jitter: int = 0
    lsr: int = 0
    dlsr: int = 0

    def pack(self) -> bytes:
        lost = max(-0x800000, min(self.packets_lost, 0x7FFFFF)) & 0xFFFFFF
        return _REPORT.pack(
            self.ssrc,
            (self.fraction_lost & 0xFF) << 24 | lost,
            self.highest_sequence & 0xFFFFFFFF,
            self.jitter & 0xFFFFFFFF,
            self.lsr,
            self.dlsr & 0xFFFFFFFF,
        )

    @classmethod
    def unpack(cls, data: memoryview, at: int) -> "ReportBlock":
        ssrc, loss, highest, jitter, lsr, dlsr = _REPORT.unpack_from(data, at)
        lost = loss & 0xFFFFFF
        if lost & 0x800000:
            lost -= 0x1000000
        return cls(ssrc, loss >> 24, lost, highest, jitter, lsr, dlsr)


@dataclass(slots=True)
class SenderReport:
    ssrc: int
    ntp: int
    rtp_timestamp: int
    packets: int
    octets: int
    reports: list[ReportBlock] = field(default_factory=list)

    def pack(self) -> bytes:
        return (
            _HEAD.pack(0x80 | len(self.reports), SENDER_REPORT, 6 + 6 * len(self.reports))
            + _SENDER.pack(
                self.ssrc, self.ntp, self.rtp_timestamp & 0xFFFFFFFF, self.packets & 0xFFFFFFFF,
                self.octets & 0xFFFFFFFF,
            )
            + b"".join(report.pack() for report in self.reports)
        )  # fmt: skip


@dataclass(slots=True)
class ReceiverReport:
    ssrc: int
    reports: list[ReportBlock] = field(default_factory=list)

    def pack(self) -> bytes:
        head = _HEAD.pack(0x80 | len(self.reports), RECEIVER_REPORT, 1 + 6 * len(self.reports))
        return head + self.ssrc.to_bytes(4, "big") + b"".join(report.pack() for report in self.reports)


@dataclass(slots=True)
class Nack:
    sender: int
    media: int
    sequences: list[int]

    def pack(self) -> bytes:
        pairs = nack_pairs(self.sequences)
        return (
            _HEAD.pack(0x80 | FMT_NACK, TRANSPORT_FEEDBACK, 2 + len(pairs))
            + _FEEDBACK.pack(self.sender, self.media)
            + b"".join(_NACK.pack(pid, mask) for pid, mask in pairs)
        )


@dataclass(slots=True)
class KeyFrameRequest:
    """PLI, or FIR naming `media` in its body."""

    sender: int
    media: int

    def pack(self) -> bytes:
        return _HEAD.pack(0x80 | FMT_PLI, PAYLOAD_FEEDBACK, 2) + _FEEDBACK.pack(self.sender, self.media)

    def pack_fir(self, number: int) -> bytes:
        """As FIR (RFC 5104 section 4.3.1); `number` must rise from request to request."""
        head = _HEAD.pack(0x80 | FMT_FIR, PAYLOAD_FEEDBACK, 4) + _FEEDBACK.pack(self.sender, 0)
        return head + struct.pack("!IB3x", self.media, number & 0xFF)


@dataclass(slots=True)
class TransportFeedback:
    """The body of a transport-wide congestion feedback, still packed."""

    sender: int
    media: int
    body: bytes


@dataclass(slots=True)
class Remb:
    """Receiver estimated maximum bitrate, bit/s (draft-alvestrand-rmcat-remb)."""

    sender: int
    bitrate: int
    ssrcs: list[int]

    def pack(self) -> bytes:
        exponent = max(0, self.bitrate.bit_length() - 18)
        word = len(self.ssrcs) << 24 | exponent << 18 | self.bitrate >> exponent
        head = _HEAD.pack(0x80 | FMT_APPLICATION, PAYLOAD_FEEDBACK, 4 + len(self.ssrcs))
        body = _FEEDBACK.pack(self.sender, 0) + b"REMB" + word.to_bytes(4, "big")
        return head + body + b"".join(ssrc.to_bytes(4, "big") for ssrc in self.ssrcs)


Packet = (
    SenderReport
    | ReceiverReport
    | Nack
    | KeyFrameRequest
    | TransportFeedback
    | Remb
    | ReferenceTime
    | DelayReport
)


def nack_pairs(sequences: Iterable[int]) -> list[tuple[int, int]]:
    """Group 16-bit sequence numbers, given in sending order, into (packet id, bitmask of the 16 that
    follow).
    """
    pairs: list[tuple[int, int]] = []
    pid = mask = 0
    open_pair = False
    for sequence in sequences:
        gap = (sequence - pid) & 0xFFFF
        if open_pair and gap == 0:
            continue
        if open_pair and gap <= 16:
            mask |= 1 << (gap - 1)
            continue
        if open_pair:
            pairs.append((pid, mask))
        pid, mask, open_pair = sequence & 0xFFFF, 0, True
    if open_pair:
        pairs.append((pid, mask))
    return pairs


def expand_nack(pid: int, mask: int) -> list[int]:
    """The sequence numbers of one (packet id, bitmask)."""
    return [pid] + [(pid + bit + 1) & 0xFFFF for bit in range(16) if mask >> bit & 1]


def source_description(ssrc: int, cname: str) -> bytes:
    """An SDES packet with one CNAME."""
    text = cname.encode()[:255]
    item = bytes((1, len(text))) + text
    item += bytes(4 - len(item) % 4)  # at least one null octet ends the list
    return _HEAD.pack(0x81, SOURCE_DESCRIPTION, 1 + len(item) // 4) + ssrc.to_bytes(4, "big") + item


def transport_feedback(sender: int, media: int, body: bytes) -> bytes:
    """A transport-wide feedback around a body of `twcc.encode`, padded to whole words."""
    padding = -len(body) % 4
    if padding:
        body += bytes(padding - 1) + bytes((padding,))
    head = _HEAD.pack(
        0x80 | (0x20 if padding else 0) | FMT_TRANSPORT_CC, TRANSPORT_FEEDBACK, 2 + len(body) // 4
    )
    return head + _FEEDBACK.pack(sender, media) + body


def parse(data: bytes | memoryview) -> Iterator[Packet]:
    """Read a compound; kinds the server has no use for are passed over.

    ValueError when lengths do not fit.
    """
    view = memoryview(data)
    at, size = 0, len(view)
    while at < size:
        if at + 4 > size:
            raise ValueError("RTCP header cut off")
        first, kind, words = _HEAD.unpack_from(view, at)
        end = at + 4 + 4 * words
        if first >> 6 != 2 or end > size:
            raise ValueError("RTCP length beyond the packet")
        body = view[at + 4 : end]
        if first & 0x20 and len(body):
            padding = body[-1]
            if padding == 0 or padding > len(body):
                raise ValueError("RTCP padding does not fit")
            body = body[: len(body) - padding]
        packet = _parse_one(first & 31, kind, body)
        if packet is not None:
            yield packet
        at = end


def _parse_one(count: int, kind: int, body: memoryview) -> Packet | None:
    size = len(body)
    if kind == SENDER_REPORT:
        if size < 24 + 24 * count:
            raise ValueError("sender report cut off")
        reports = [ReportBlock.unpack(body, 24 + 24 * i) for i in range(count)]
        ssrc, ntp, timestamp, packets, octets = _SENDER.unpack_from(body)
        return SenderReport(ssrc, ntp, timestamp, packets, octets, reports)
    if kind == RECEIVER_REPORT:
        if size < 4 + 24 * count:
            raise ValueError("receiver report cut off")
        reports = [ReportBlock.unpack(body, 4 + 24 * i) for i in range(count)]
        return ReceiverReport(int.from_bytes(body[:4], "big"), reports)
    if kind == EXTENDED_REPORT:
        return extended_report.parse(body)
    if kind not in (TRANSPORT_FEEDBACK, PAYLOAD_FEEDBACK):
        return None
    if size < 8:
        raise ValueError("feedback cut off")
    sender, media = _FEEDBACK.unpack_from(body)
    if kind == TRANSPORT_FEEDBACK and count == FMT_NACK:
        sequences: list[int] = []
        for at in range(8, size - 3, 4):
            sequences += expand_nack(*_NACK.unpack_from(body, at))
            if len(sequences) >= MAX_NACK:
                break
        return Nack(sender, media, sequences)
    if kind == TRANSPORT_FEEDBACK and count == FMT_TRANSPORT_CC:
        return TransportFeedback(sender, media, bytes(body[8:]))
    if kind == PAYLOAD_FEEDBACK and count == FMT_PLI:
        return KeyFrameRequest(sender, media)
    if kind == PAYLOAD_FEEDBACK and count == FMT_FIR and size >= 16:
        return KeyFrameRequest(sender, int.from_bytes(body[8:12], "big"))
    if kind == PAYLOAD_FEEDBACK and count == FMT_APPLICATION and size >= 16 and body[8:12] == b"REMB":
        exponent, mantissa = body[13] >> 2, (body[13] & 3) << 16 | body[14] << 8 | body[15]
        ssrcs = [int.from_bytes(body[at : at + 4], "big") for at in range(16, size - 3, 4)]
        return Remb(sender, mantissa << exponent, ssrcs)
    return None


def is_only_transport_feedback(packet: bytes) -> bool:
    """Whether a compound is one transport-wide feedback without padding and no more; the body is at 12."""
    return (
        len(packet) >= 20
        and packet[0] == 0x80 | FMT_TRANSPORT_CC
        and packet[1] == TRANSPORT_FEEDBACK
        and 4 * (packet[2] << 8 | packet[3]) + 4 == len(packet)
    )


def ntp_time(unix_seconds: float) -> int:
    """The 64-bit NTP timestamp of a Unix time."""
    return int((unix_seconds + NTP_EPOCH) * (1 << 32)) & 0xFFFFFFFFFFFFFFFF


def ntp_middle(ntp: int) -> int:
    """The middle 32 bits, as LSR carries them."""
    return ntp >> 16 & 0xFFFFFFFF
