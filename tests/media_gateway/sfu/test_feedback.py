"""What a publisher is told: only what it offered to take, and nothing that a hostile answer could upset."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

from media_gateway.sfu import rtcp, rtp
from media_gateway.sfu.client import MediaClient
from media_gateway.sfu.extended_report import DelayReport, ReferenceTime
from media_gateway.sfu.publisher import PublishConnection
from media_gateway.sfu.remb import START, TICKS
from tests.media_gateway.sfu.support import IDENTITY, Harness, Sender, until

Kind = TypeVar("Kind")
SEND_TIME_ID = 6
SEND_TIME = f"a=extmap:{SEND_TIME_ID} {rtp.ABS_SEND_TIME_URI}\r\n"


class Publisher:
    """Ann with a camera whose offer was changed, and what she was told."""

    def __init__(self, client: MediaClient, connection: PublishConnection) -> None:
        self.client = client
        self.connection = connection
        self.sender = Sender(client, client.tracks[0])
        self.told: list[rtcp.Packet] = []
        client.on_rtcp = lambda packet: self.told.extend(rtcp.parse(packet))

    def of(self, kind: type[Kind]) -> list[Kind]:
        return [packet for packet in self.told if isinstance(packet, kind)]


async def publisher(harness: Harness, change: Callable[[str], str], watched: bool = True) -> Publisher:
    if watched:
        await harness.join("bob")
    ann = await harness.join("ann")
    client = ann.publisher = MediaClient(IDENTITY)
    client.add_track("camera")
    reply = await ann.call(
        "peer.publish", generation=1, sdp=change(client.offer()), tracks=client.published()
    )
    client.connect(reply["sdp"])
    await asyncio.wait_for(client.connected.wait(), 5)
    connection = harness.gateway._rooms["room"].peers["ann"].publish
    assert connection is not None
    return Publisher(client, connection)


# -- key frames ------------------------------------------------------------


async def test_a_key_frame_is_asked_for_by_fir_where_only_that_is_known(harness: Harness) -> None:
    raw: list[bytes] = []
    ann = await publisher(harness, lambda text: text.replace("a=rtcp-fb:96 nack pli\r\n", ""))
    ann.client.on_rtcp = raw.append
    ann.sender.frame(False, 1)
    await until(lambda: len(_requests(raw)) >= 2, timeout=10)
    first, second = _requests(raw)[:2]
    assert first[0] & 31 == second[0] & 31 == rtcp.FMT_FIR
    assert first[12:16] == ann.sender.track.ssrc.to_bytes(4, "big")
    assert second[16] == first[16] + 1, "each request has a number of its own"


async def test_a_key_frame_is_asked_for_by_pli_where_both_are_known(harness: Harness) -> None:
    raw: list[bytes] = []
    ann = await publisher(harness, lambda text: text)
    ann.client.on_rtcp = raw.append
    ann.sender.frame(False, 1)
    await until(lambda: _requests(raw))
    assert _requests(raw)[0][0] & 31 == rtcp.FMT_PLI


def _requests(packets: list[bytes]) -> list[bytes]:
    wanted = (rtcp.FMT_PLI, rtcp.FMT_FIR)
    return [p for p in packets if p[1] == rtcp.PAYLOAD_FEEDBACK and p[0] & 31 in wanted]


# -- losses ------------------------------------------------------------


async def test_without_nack_a_gap_is_only_counted(harness: Harness) -> None:
    ann = await publisher(harness, lambda text: text.replace("a=rtcp-fb:96 nack\r\n", ""))
    ann.sender.frame(True, 1)
    ann.sender.sequence += 1
    for tag in range(2, 6):
        ann.sender.frame(False, tag)
        await asyncio.sleep(0.02)
    await until(lambda: ann.of(rtcp.ReceiverReport), timeout=8)
    assert not ann.of(rtcp.Nack)
    assert ann.of(rtcp.ReceiverReport)[-1].reports[0].packets_lost == 1


async def test_without_rtx_packets_are_asked_for_and_come_as_they_were(harness: Harness) -> None:
    def without_rtx(text: str) -> str:
        lines = [line for line in text.split("\r\n") if "rtx" not in line and "apt=" not in line]
        return "\r\n".join(lines).replace("SAVPF 96 97", "SAVPF 96")

    ann = await publisher(harness, without_rtx)
    ann.sender.frame(True, 1)
    missing, sent = ann.sender.sequence, len(ann.sender.sent)
    lost = ann.sender.packet(b"\x10\x01 lost", marker=True)
    assert len(ann.sender.sent) == sent + 1
    for tag in range(2, 5):
        ann.sender.frame(False, tag)
    await until(lambda: ann.of(rtcp.Nack))
    assert ann.of(rtcp.Nack)[0].sequences == [missing]
    ann.client.send_rtp(lost)
    (stream,) = ann.connection.streams
    await until(lambda: stream.receiver.received == 5)
    assert stream.receiver.lost == 0


# -- estimates ------------------------------------------------------------


def only_remb(text: str) -> str:
    return text.replace("a=rtcp-fb:96 transport-cc\r\n", f"{SEND_TIME}a=rtcp-fb:96 goog-remb\r\n")


async def test_an_estimate_is_told_where_that_is_all_the_browser_knows(harness: Harness) -> None:
    ann = await publisher(harness, only_remb)
    ann.sender.frame(True, 1)

    start = time.monotonic()
    while not ann.of(rtcp.Remb):
        packet = ann.sender.packet(b"\x10\x01 more", marker=True)
        parsed = rtp.parse(packet)
        stamp = int((time.monotonic() - start) * TICKS).to_bytes(3, "big")
        elements = bytes((SEND_TIME_ID << 4 | 2,)) + stamp
        head = packet[:12] + rtp.EXTENSION_HEAD.pack(rtp.ONE_BYTE_PROFILE, 1) + elements
        ann.client.send_rtp(head + packet[parsed.start :])
        await asyncio.sleep(0.01)
        assert time.monotonic() - start < 10

    (remb, *_) = ann.of(rtcp.Remb)
    assert ann.sender.track.ssrc in remb.ssrcs and remb.bitrate >= 0.99 * START
    assert not ann.of(rtcp.TransportFeedback)
    stats = await harness.call("room.stats")
    (described,) = [peer["publish"] for peer in stats["peers"] if peer["peer"] == "ann"]
    assert described["estimate"] >= START


async def test_a_browser_with_transport_wide_feedback_gets_no_estimate(harness: Harness) -> None:
    both = "a=rtcp-fb:96 transport-cc\r\na=rtcp-fb:96 goog-remb\r\n"
    ann = await publisher(
        harness, lambda text: text.replace("a=rtcp-fb:96 transport-cc\r\n", SEND_TIME + both)
    )
    ann.sender.frame(True, 1)
    await until(lambda: ann.of(rtcp.TransportFeedback))
    assert ann.connection.feedback.remb is None


# -- the receiver's time ------------------------------------------------------------


def with_time(text: str) -> str:
    return text.replace("a=mid:0\r\n", "a=mid:0\r\na=rtcp-xr:rcvr-rtt=all\r\n")


async def test_the_round_trip_is_learned_from_the_senders_answer(harness: Harness) -> None:
    ann = await publisher(harness, with_time)
    ann.sender.frame(True, 1)
    await until(lambda: ann.of(ReferenceTime), timeout=8)
    (time_sent, *_) = ann.of(ReferenceTime)
    hostile = [
        DelayReport(1, [(time_sent.sender + 1, 5, 0)]),  # for somebody else
        DelayReport(1, [(time_sent.sender, 0, 0)]),  # of no time of ours
        DelayReport(1, [(time_sent.sender, 1, 0)]),  # years ago
        DelayReport(1, []),
    ]
    for report in hostile:
        ann.client.send_rtcp(report.pack())
    await asyncio.sleep(0.1)
    assert ann.connection.feedback.round_trip is None
    ann.client.send_rtcp(time_sent.answer(ann.sender.track.ssrc))
    await until(lambda: ann.connection.feedback.round_trip is not None)
    assert 0 <= (ann.connection.feedback.round_trip or 0) < 5


async def test_nobody_is_told_our_time_unasked(harness: Harness) -> None:
    ann = await publisher(harness, lambda text: text)
    ann.sender.frame(True, 1)
    await until(lambda: ann.of(rtcp.ReceiverReport), timeout=8)
    assert not ann.of(ReferenceTime)
