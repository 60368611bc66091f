"""RTP headers, RTX and sequence arithmetic."""

import pytest
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpParameters
from aiortc.rtp import HeaderExtensions, HeaderExtensionsMap, RtpPacket
from hypothesis import given
from hypothesis import strategies as st

from media_gateway.sfu import rtp
from media_gateway.sfu.burst import retransmission

seq16 = st.integers(0, 0xFFFF)
u32 = st.integers(0, 0xFFFFFFFF)


@given(st.booleans(), st.integers(0, 127), seq16, u32, u32, st.binary(max_size=200))
def test_build_and_parse_are_inverse(
    marker: bool, payload_type: int, sequence: int, timestamp: int, ssrc: int, payload: bytes
) -> None:
    data = rtp.build(
        payload_type=payload_type, sequence=sequence, timestamp=timestamp, ssrc=ssrc, payload=payload,
        marker=marker,
    )  # fmt: skip
    parsed = rtp.parse(data)
    assert (parsed.marker, parsed.payload_type, parsed.sequence) == (marker, payload_type, sequence)
    assert (parsed.timestamp, parsed.ssrc) == (timestamp, ssrc)
    assert data[parsed.start : parsed.end] == payload


@given(
    st.lists(u32, max_size=15),
    st.binary(min_size=1, max_size=100),
    st.integers(0, 255),
    st.integers(0, 127),
    seq16,
)
def test_a_reference_packet_with_everything_is_read(
    csrc: list[int], payload: bytes, padding: int, level: int, number: int
) -> None:
    known = HeaderExtensionsMap()
    known.configure(
        RTCRtpParameters(
            headerExtensions=[
                RTCRtpHeaderExtensionParameters(1, rtp.AUDIO_LEVEL_URI),
                RTCRtpHeaderExtensionParameters(3, rtp.TRANSPORT_CC_URI),
                RTCRtpHeaderExtensionParameters(4, rtp.MID_URI),
            ]
        )
    )
    packet = RtpPacket(payload_type=96, sequence_number=7, timestamp=9, ssrc=11, payload=payload)
    packet.csrc = csrc
    packet.padding_size = padding
    packet.extensions = HeaderExtensions(
        mid="17", audio_level=(False, level), transport_sequence_number=number
    )
    data = packet.serialize(known)
    parsed = rtp.parse(data)
    assert data[parsed.start : parsed.end] == payload
    assert parsed.extensions[4] == b"17"
    start, end, found_number, at, length = rtp.scan(memoryview(data), len(data), 3, 1)
    assert (start, end, found_number) == (parsed.start, parsed.end, number)
    assert length == 1 and data[at] & 0x7F == level


def test_two_byte_extensions_are_read() -> None:
    elements = bytes((5, 2)) + b"ab" + bytes((0, 3, 2)) + (513).to_bytes(2, "big") + bytes((1, 1, 9))
    head = bytes((0x90, 96)) + bytes(10) + rtp.EXTENSION_HEAD.pack(0x1000, len(elements) // 4)
    data = head + elements + b"xy"
    assert rtp.read_extensions(data, len(data)) == {5: b"ab", 3: b"\x02\x01", 1: b"\x09"}
    start, end, number, at, length = rtp.scan(memoryview(data), len(data), 3, 1)
    assert (start, end, number, data[at : at + length]) == (len(data) - 2, len(data), 513, b"\x09")
    start, end, number, at, length = rtp.scan(memoryview(data), len(data), 0, 7)
    assert (number, at, length) == (None, 0, 0)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(12),
        b"\x80" + bytes(10),
        b"\x8f" + bytes(11),  # fifteen CSRCs that are not there
        b"\x90" + bytes(11),  # no room for the extension's head
        b"\x90" + bytes(11) + b"\xbe\xde\x00\x09",  # nine words that are not there
        b"\xa0" + bytes(12),  # padding of zero
        b"\xa0" + bytes(11) + b"\xff",  # more padding than packet
    ],
)
def test_broken_lengths_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        rtp.parse(data)


@given(st.binary(min_size=12, max_size=80))
def test_scanning_any_bytes_stays_inside(data: bytes) -> None:
    data = bytes((0x80 | data[0] & 0x3F,)) + data[1:]
    try:
        start, end, _, at, length = rtp.scan(memoryview(data), len(data), 3, 1)
    except (ValueError, IndexError):
        return
    assert 12 <= start <= end <= len(data)
    assert at + length <= start


@given(seq16, st.integers(-0x7FFF, 0x7FFF))
def test_sequence_delta_undoes_addition(old: int, step: int) -> None:
    assert rtp.sequence_delta((old + step) & 0xFFFF, old) == step


@given(seq16, seq16, st.binary(min_size=1, max_size=50), st.booleans())
def test_rtx_carries_the_original(sequence: int, rtx_sequence: int, payload: bytes, marker: bool) -> None:
    original = rtp.build(
        payload_type=96, sequence=sequence, timestamp=77, ssrc=5, payload=payload, marker=marker
    )
    data = retransmission(original, payload_type=97, sequence=rtx_sequence, ssrc=6)
    parsed = rtp.parse(data)
    assert (parsed.payload_type, parsed.ssrc, parsed.sequence) == (97, 6, rtx_sequence)
    assert (parsed.timestamp, parsed.marker) == (77, marker)
    assert int.from_bytes(data[12:14], "big") == sequence
    assert data[14:] == payload
