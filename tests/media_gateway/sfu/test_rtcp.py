"""RTCP: what we write is what others read, and the other way round."""

import pytest
from aiortc.rtp import (
    RtcpPacket,
    RtcpPsfbPacket,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSdesPacket,
    RtcpSrPacket,
    pack_remb_fci,
)
from hypothesis import given
from hypothesis import strategies as st

from media_gateway.sfu import rtcp

u8 = st.integers(0, 0xFF)
u32 = st.integers(0, 0xFFFFFFFF)
u64 = st.integers(0, 0xFFFFFFFFFFFFFFFF)
lost = st.integers(-0x800000, 0x7FFFFF)
blocks = st.lists(st.builds(rtcp.ReportBlock, u32, u8, lost, u32, u32, u32, u32), max_size=31)


@given(st.builds(rtcp.SenderReport, u32, u64, u32, u32, u32, blocks))
def test_sender_reports_come_back(report: rtcp.SenderReport) -> None:
    assert list(rtcp.parse(report.pack())) == [report]


@given(st.builds(rtcp.ReceiverReport, u32, blocks))
def test_receiver_reports_come_back(report: rtcp.ReceiverReport) -> None:
    assert list(rtcp.parse(report.pack())) == [report]


@given(st.integers(0, 0xFFFF), st.lists(st.integers(1, 60), max_size=80))
def test_nack_names_exactly_what_is_missing(start: int, steps: list[int]) -> None:
    sequences = [start]
    for step in steps:
        sequences.append((sequences[-1] + step) & 0xFFFF)
    (back,) = rtcp.parse(rtcp.Nack(1, 2, sequences).pack())
    assert isinstance(back, rtcp.Nack)
    assert back.sequences == sequences


def test_others_read_our_compound() -> None:
    report = rtcp.SenderReport(7, 1 << 40, 90000, 10, 1000, [rtcp.ReportBlock(8, 12, 3, 4, 5, 6, 7)])
    data = report.pack() + rtcp.source_description(7, "peer-1")
    data += rtcp.Nack(7, 9, [3, 4, 30]).pack() + rtcp.KeyFrameRequest(7, 9).pack()
    sender, description, nack, pli = RtcpPacket.parse(data)
    assert isinstance(sender, RtcpSrPacket) and sender.sender_info.rtp_timestamp == 90000
    assert sender.reports[0].packets_lost == 3
    assert isinstance(description, RtcpSdesPacket) and description.chunks[0].items == [(1, b"peer-1")]
    assert isinstance(nack, RtcpRtpfbPacket) and nack.lost == [3, 4, 30]
    assert isinstance(pli, RtcpPsfbPacket) and (pli.fmt, pli.media_ssrc) == (1, 9)


@pytest.mark.parametrize("length", range(12))
def test_descriptions_of_every_length_are_well_formed(length: int) -> None:
    (description,) = RtcpPacket.parse(rtcp.source_description(1, "n" * length))
    assert description.chunks[0].items == [(1, b"n" * length)]


def test_we_read_others_feedback() -> None:
    data = bytes(RtcpRrPacket(ssrc=3)) + bytes(RtcpRtpfbPacket(1, 3, 4, lost=[1, 2, 200]))
    data += bytes(RtcpPsfbPacket(1, 3, 5))
    data += bytes(RtcpPsfbPacket(4, 3, 0, fci=(6).to_bytes(4, "big") + bytes((1, 0, 0, 0))))
    data += bytes(RtcpPsfbPacket(15, 3, 0, fci=pack_remb_fci(1_250_000, [6, 7])))
    report, nack, pli, fir, remb = rtcp.parse(data)
    assert report == rtcp.ReceiverReport(3, [])
    assert nack == rtcp.Nack(3, 4, [1, 2, 200])
    assert pli == rtcp.KeyFrameRequest(3, 5)
    assert fir == rtcp.KeyFrameRequest(3, 6)
    assert isinstance(remb, rtcp.Remb) and remb.ssrcs == [6, 7]
    assert abs(remb.bitrate - 1_250_000) < 10


@given(st.binary(min_size=1, max_size=120))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        list(rtcp.parse(data))
    except ValueError:
        pass


@given(st.integers(0, 31), st.sampled_from([200, 201, 205, 206]), st.binary(max_size=60))
def test_any_body_is_read_or_refused(count: int, kind: int, body: bytes) -> None:
    body = body[: len(body) & ~3]
    data = bytes((0x80 | count, kind)) + (len(body) // 4).to_bytes(2, "big") + body
    try:
        list(rtcp.parse(data))
    except ValueError:
        pass


def test_ntp_time_has_the_fields_of_the_rfc() -> None:
    ntp = rtcp.ntp_time(1_000_000_000.5)
    assert ntp >> 32 == 1_000_000_000 + rtcp.NTP_EPOCH
    assert ntp & 0xFFFFFFFF == 1 << 31
    assert rtcp.ntp_middle(ntp) == ((1_000_000_000 + rtcp.NTP_EPOCH) & 0xFFFF) << 16 | 0x8000


def reference_time(sender: int, ntp: int, before: bytes = b"") -> bytes:
    """An extended report as browsers send it, with other blocks before."""
    body = sender.to_bytes(4, "big") + before + bytes((4, 0, 0, 2)) + ntp.to_bytes(8, "big")
    return bytes((0x80, 207)) + (len(body) // 4).to_bytes(2, "big") + body


@given(u32, u64)
def test_a_reference_time_is_answered_with_its_middle(sender: int, ntp: int) -> None:
    (message,) = rtcp.parse(reference_time(sender, ntp, before=bytes((7, 0, 0, 1)) + bytes(4)))
    assert message == rtcp.ReferenceTime(sender, ntp)
    answer = message.answer(0x01020304)
    # RFC 3611 section 4.5: block type 5, three words: SSRC of the receiver, LRR, DLRR.
    words = [int.from_bytes(answer[at : at + 4], "big") for at in range(0, len(answer), 4)]
    assert words == [0x80CF0005, 0x01020304, 0x05000003, sender, ntp >> 16 & 0xFFFFFFFF, 0]
    assert list(rtcp.parse(answer)) == [rtcp.DelayReport(0x01020304, [(sender, words[4], 0)])]
    assert list(rtcp.parse(message.pack())) == [message]


@pytest.mark.parametrize("words", [3, 4])
def test_a_cut_reference_time_is_refused(words: int) -> None:
    """The block says two words follow its head, the packet ends before."""
    data = reference_time(1, 1 << 40)
    data = data[:2] + (words - 1).to_bytes(2, "big") + data[4 : 4 * words]
    with pytest.raises(ValueError, match="cut off"):
        list(rtcp.parse(data))


@given(u32, u32, st.integers(0, 255))
def test_a_full_intra_request_names_its_stream_in_the_body(sender: int, media: int, number: int) -> None:
    data = rtcp.KeyFrameRequest(sender, media).pack_fir(number)
    assert data[:4] == bytes((0x84, 206, 0, 4)) and data[8:12] == bytes(4) and data[16] == number
    assert list(rtcp.parse(data)) == [rtcp.KeyFrameRequest(sender, media)]


@given(u32, st.integers(0, 10**11), st.lists(u32, max_size=5))
def test_an_estimate_is_told_to_18_bits(sender: int, bitrate: int, ssrcs: list[int]) -> None:
    (message,) = rtcp.parse(rtcp.Remb(sender, bitrate, ssrcs).pack())
    assert isinstance(message, rtcp.Remb)
    assert (message.sender, message.ssrcs) == (sender, ssrcs)
    assert message.bitrate <= bitrate <= message.bitrate * (1 + 2**-17) + 1


def test_a_lone_transport_feedback_is_told_from_everything_else() -> None:
    lone = rtcp.transport_feedback(1, 2, bytes(8))
    assert rtcp.is_only_transport_feedback(lone)
    (parsed,) = rtcp.parse(lone)
    assert isinstance(parsed, rtcp.TransportFeedback) and lone[12:] == parsed.body
    for other in (
        lone + lone,
        lone[:-1],
        lone[:16],
        rtcp.KeyFrameRequest(1, 2).pack() + lone,
        b"",
        lone[:1] * 40,
    ):
        assert not rtcp.is_only_transport_feedback(other)
    padded = bytes((lone[0] | 0x20,)) + lone[1:]
    assert not rtcp.is_only_transport_feedback(padded)
