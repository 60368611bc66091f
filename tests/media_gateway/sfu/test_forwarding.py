"""Packets in, packets out: raw peers, exact contents."""

import asyncio
import itertools

import pytest

from media_gateway.sfu import rtcp, rtp, twcc
from media_gateway.sfu.layer import CATCH_UP
from tests.media_gateway.sfu.support import Harness, RawPeer, Sender, until


@pytest.fixture(params=[None, False], ids=["batched", "plain"])
async def harness(request: pytest.FixtureRequest):  # type: ignore[no-untyped-def]
    async with Harness(batched=request.param) as started:
        yield started


async def camera(harness: Harness, name: str = "ann", **options: bool) -> tuple[RawPeer, Sender]:
    peer = await harness.join(name)
    client = await peer.publish("camera", **options)
    return peer, Sender(client, client.tracks[-1])


async def watching(harness: Harness, sender: Sender, viewer: RawPeer, name: str) -> None:
    """Send key frames until the viewer gets one."""
    for tag in range(200):
        sender.frame(True, tag)
        await asyncio.sleep(0.02)
        if viewer.got(name):
            return
    raise AssertionError("nothing arrived")


def rtcp_of(packets: list[bytes], kind: type) -> list:  # type: ignore[type-arg]
    return [message for packet in packets for message in rtcp.parse(packet) if isinstance(message, kind)]


async def test_video_arrives_unchanged_with_numbers_of_its_own(harness: Harness) -> None:
    viewer = await harness.join("bob")
    _, sender = await camera(harness)
    await watching(harness, sender, viewer, "ann camera")
    before = len(viewer.got("ann camera"))
    sent = [sender.frame(False, 1000 + tag) for tag in range(30)]
    await until(lambda: len(viewer.got("ann camera")) >= before + 30)
    assert viewer.got("ann camera")[before:] == sent
    packets = viewer.received["ann camera"]
    first = packets[0]
    for place, packet in enumerate(packets):
        assert packet.sequence == (first.sequence + place) & 0xFFFF
        assert packet.timestamp == (first.timestamp + 3000 * place) & 0xFFFFFFFF
        assert packet.payload_type == 96 and packet.marker
        # Nothing of the publisher's extensions, but this transport's own running number.
        number = int.from_bytes(first.extensions[3], "big") + place
        assert packet.extensions == {3: (number & 0xFFFF).to_bytes(2, "big")}


async def test_padding_is_taken_off(harness: Harness) -> None:
    viewer = await harness.join("bob")
    _, sender = await camera(harness)
    await watching(harness, sender, viewer, "ann camera")
    packet = bytearray(sender.packet(b"\x10\x01padded"))
    packet[0] |= 0x20
    sender.client.send_rtp(bytes(packet) + b"\0\0\0\x04")
    await until(lambda: b"\x10\x01padded" in viewer.got("ann camera"))


async def test_video_begins_with_a_key_frame_that_was_asked_for(harness: Harness) -> None:
    _, sender = await camera(harness)
    asked: list[bytes] = []
    sender.client.on_rtcp = asked.append
    for tag in range(5):
        sender.frame(False, tag)
    await until(lambda: rtcp_of(asked, rtcp.KeyFrameRequest))
    sender.frame(True, 50)
    await asyncio.sleep(CATCH_UP + 0.1)
    viewer = await harness.join("bob")
    await until(lambda: len(rtcp_of(asked, rtcp.KeyFrameRequest)) >= 2)
    for tag in range(5):
        sender.frame(False, 100 + tag)
    await asyncio.sleep(0.1)
    assert viewer.got("ann camera") == [], "nothing that cannot be decoded"
    key = sender.frame(True, 200)
    await until(lambda: viewer.got("ann camera") == [key])
    assert rtcp_of(asked, rtcp.KeyFrameRequest)[-1].media == sender.track.ssrc


async def test_a_key_frame_is_asked_for_with_the_answer_and_kept_for_the_newcomer(harness: Harness) -> None:
    _, sender = await camera(harness)
    asked: list[bytes] = []
    sender.client.on_rtcp = asked.append
    sender.frame(True, 1)
    await asyncio.sleep(CATCH_UP + 0.1)
    sender.frame(False, 2)
    await asyncio.sleep(0.05)
    layer = harness.gateway._rooms["room"].peers["ann"].sources["camera"].layers[0]
    bob = RawPeer(harness, "bob")
    harness.peers["bob"] = bob
    reply = await bob.call("peer.add", generation=1, name="bob", publish=[])
    before = layer.keyframe_requests
    joining = asyncio.ensure_future(bob.take_offer(reply["subscribe"]))
    await until(lambda: rtcp_of(asked, rtcp.KeyFrameRequest))
    assert layer.keyframe_requests == before + 1
    sent = [sender.frame(True, 3), sender.frame(False, 4)]
    await joining
    await until(lambda: len(bob.got("ann camera")) >= 2)
    assert bob.got("ann camera") == sent
    bob.close()


async def test_key_frame_requests_are_at_least_half_a_second_apart(harness: Harness) -> None:
    viewer = await harness.join("bob")
    _, sender = await camera(harness)
    asked: list[bytes] = []
    await watching(harness, sender, viewer, "ann camera")
    await asyncio.sleep(0.6)
    sender.client.on_rtcp = asked.append
    ssrc = viewer.received["ann camera"][0].ssrc
    for _ in range(40):
        viewer.subscriber.send_rtcp(rtcp.ReceiverReport(1).pack() + rtcp.KeyFrameRequest(1, ssrc).pack())
        await asyncio.sleep(0.02)
        sender.frame(True, 1)
    await asyncio.sleep(0.3)
    assert 1 <= len(rtcp_of(asked, rtcp.KeyFrameRequest)) <= 3


async def test_audio_flows_at_once_and_levels_make_a_speaker(harness: Harness) -> None:
    viewer = await harness.join("bob")
    ann = await harness.join("ann")
    client = await ann.publish("mic")
    sender = Sender(client, client.tracks[0])
    for number in range(60):
        sender.send(b"opus%d" % number, level=20)
        sender.timestamp += 960
        await asyncio.sleep(0.01)
    await until(lambda: len(viewer.got("ann mic")) > 20)
    assert viewer.got("ann mic")[-1] == b"opus59"
    assert viewer.received["ann mic"][0].payload_type == 111
    (event,) = harness.named("speaker")
    assert event["data"] == {"peers": ["ann"]} and event["peer"] is None


async def test_a_lost_packet_of_the_publisher_is_asked_for_and_forwarded(harness: Harness) -> None:
    viewer = await harness.join("bob")
    _, sender = await camera(harness)
    await watching(harness, sender, viewer, "ann camera")

    def repair(packet: bytes) -> None:
        for message in rtcp.parse(packet):
            if isinstance(message, rtcp.Nack):
                for sequence in message.sequences:
                    sender.repair(sequence)

    sender.client.on_rtcp = repair
    before = len(viewer.got("ann camera"))
    sent = []
    for tag in range(40):
        # Every tenth packet never reaches the gateway.
        sender.client.drop_sent = (lambda data: data[0] >= 128) if tag % 10 == 5 else None
        sent.append(sender.frame(False, tag))
        sender.client.drop_sent = None
        await asyncio.sleep(0.005)
    await until(lambda: len(viewer.got("ann camera")) >= before + 40)
    got = zip(viewer.received["ann camera"], viewer.got("ann camera"), strict=True)
    in_order = [payload for _, payload in sorted(got, key=lambda pair: pair[0].sequence)]
    assert in_order[before:] == sent
    stats = await harness.call("room.stats")
    (track,) = stats["peers"][1]["publish"]["tracks"]
    assert (track["recovered"], track["lost"]) == (4, 0)


async def test_after_an_outage_it_goes_on_with_a_key_frame_and_no_hole(harness: Harness) -> None:
    viewer = await harness.join("bob")
    _, sender = await camera(harness)
    await watching(harness, sender, viewer, "ann camera")
    asked: list[bytes] = []
    sender.client.on_rtcp = asked.append
    sender.sequence += 60
    await asyncio.sleep(0.6)
    before = len(viewer.got("ann camera"))
    sender.frame(False, 1)
    await until(lambda: rtcp_of(asked, rtcp.KeyFrameRequest))
    assert rtcp_of(asked, rtcp.Nack) == []
    sender.frame(False, 2)
    last = [sender.frame(True, 3), sender.frame(False, 4)]
    await until(lambda: viewer.got("ann camera")[-2:] == last)
    packets = viewer.received["ann camera"][before - 1 :]
    steps = [(b.sequence - a.sequence) & 0xFFFF for a, b in itertools.pairwise(packets)]
    assert steps == [1] * len(steps)


async def test_a_subscribers_nack_is_answered_by_rtx(harness: Harness) -> None:
    viewer = await harness.join("bob")
    _, sender = await camera(harness)
    await watching(harness, sender, viewer, "ann camera")
    sent = [sender.frame(False, tag) for tag in range(20)]
    await until(lambda: sent[-1] in viewer.got("ann camera"))
    packets = viewer.received["ann camera"][-20:]
    wanted = [packets[3].sequence, packets[4].sequence, packets[17].sequence]
    viewer.subscriber.send_rtcp(rtcp.ReceiverReport(1).pack() + rtcp.Nack(1, packets[0].ssrc, wanted).pack())
    await until(lambda: len(viewer.got("rtx ann camera")) == 3)
    assert [int.from_bytes(payload[:2], "big") for payload in viewer.got("rtx ann camera")] == wanted
    assert [payload[2:] for payload in viewer.got("rtx ann camera")] == [sent[3], sent[4], sent[17]]
    resent = viewer.received["rtx ann camera"]
    assert {packet.payload_type for packet in resent} == {97}
    assert resent[0].timestamp == packets[3].timestamp
    # Asked again within the same round trip, it is not sent again.
    viewer.subscriber.send_rtcp(rtcp.ReceiverReport(1).pack() + rtcp.Nack(1, packets[0].ssrc, wanted).pack())
    viewer.subscriber.send_rtcp(rtcp.ReceiverReport(1).pack() + rtcp.Nack(1, packets[0].ssrc, wanted).pack())
    await asyncio.sleep(0.1)
    assert len(viewer.got("rtx ann camera")) <= 6


async def test_a_nack_for_what_was_never_sent_is_ignored(harness: Harness) -> None:
    viewer = await harness.join("bob")
    _, sender = await camera(harness)
    await watching(harness, sender, viewer, "ann camera")
    first = viewer.received["ann camera"][0]
    strange = [(first.sequence - 1) & 0xFFFF, (first.sequence + 5000) & 0xFFFF]
    viewer.subscriber.send_rtcp(rtcp.ReceiverReport(1).pack() + rtcp.Nack(1, first.ssrc, strange).pack())
    viewer.subscriber.send_rtcp(rtcp.ReceiverReport(1).pack() + rtcp.Nack(1, 12345, strange).pack())
    await asyncio.sleep(0.1)
    assert viewer.got("rtx ann camera") == []


async def test_a_subscriber_learns_the_round_trip(harness: Harness) -> None:
    """Browsers time their requests for what is missing by it; who only receives knows it no other way."""
    viewer = await harness.join("bob")
    assert "a=rtcp-xr:rcvr-rtt=all" in viewer.offers[0]
    clock = (0x1122334455667788).to_bytes(8, "big")
    viewer.rtcp.clear()
    viewer.subscriber.send_rtcp(bytes((0x80, 207, 0, 4, 0, 0, 0, 9, 4, 0, 0, 2)) + clock)
    answer = await until(lambda: next((p for p in viewer.rtcp if p[1] == 207), None))
    assert answer[8:] == bytes((5, 0, 0, 3, 0, 0, 0, 9)) + clock[2:6] + bytes(4)


async def test_pause_stops_and_resume_goes_on_without_a_hole(harness: Harness) -> None:
    viewer = await harness.join("bob")
    _, sender = await camera(harness)
    await watching(harness, sender, viewer, "ann camera")
    await harness.call("peer.pause", "ann", sources=["camera"], paused=True)
    before = len(viewer.got("ann camera"))
    for tag in range(30):
        sender.frame(tag % 10 == 0, tag)
    await asyncio.sleep(0.15)
    assert len(viewer.got("ann camera")) == before
    asked: list[bytes] = []
    sender.client.on_rtcp = asked.append
    await harness.call("peer.pause", "ann", sources=["camera"], paused=False)
    await until(lambda: rtcp_of(asked, rtcp.KeyFrameRequest))
    sender.frame(False, 98)
    key = sender.frame(True, 99)
    delta = sender.frame(False, 100)
    await until(lambda: delta in viewer.got("ann camera"))
    assert viewer.got("ann camera")[before:] == [key, delta]
    packets = viewer.received["ann camera"]
    assert packets[before].sequence == (packets[before - 1].sequence + 1) & 0xFFFF
    elapsed = rtp.timestamp_delta(packets[before].timestamp, packets[before - 1].timestamp)
    assert elapsed == 3000 * 32, "the clock goes on as the publisher's does"


async def test_what_is_not_permitted_is_not_forwarded(harness: Harness) -> None:
    viewer = await harness.join("bob")
    _, sender = await camera(harness)
    await watching(harness, sender, viewer, "ann camera")
    await harness.call("peer.permit", "ann", publish=["mic"])
    before = len(viewer.got("ann camera"))
    for tag in range(10):
        sender.frame(True, tag)
    await asyncio.sleep(0.1)
    assert len(viewer.got("ann camera")) == before
    await harness.call("peer.permit", "ann", publish=["mic", "camera"])
    key = sender.frame(True, 77)
    await until(lambda: key in viewer.got("ann camera"))


async def test_a_source_never_permitted_is_not_even_announced(harness: Harness) -> None:
    viewer = await harness.join("bob")
    ann = RawPeer(harness, "ann")
    harness.peers["ann"] = ann
    await ann.join(allowed=["mic"])
    client = await ann.publish("camera")
    sender = Sender(client, client.tracks[0])
    for tag in range(10):
        sender.frame(True, tag)
    await asyncio.sleep(0.1)
    assert harness.named("track.added") == [] and viewer.names == {}
    await harness.call("peer.permit", "ann", publish=["camera"])
    await until(lambda: "ann camera" in viewer.names.values())
    await watching(harness, sender, viewer, "ann camera")


async def test_ssrcs_the_offer_does_not_name_are_learned_by_mid(harness: Harness) -> None:
    viewer = await harness.join("bob")
    ann = await harness.join("ann")
    client = await ann.publish("camera", "screen", name_ssrcs=False)
    cam, screen = (Sender(client, track) for track in client.tracks)
    for tag in range(40):
        cam.frame(True, tag)
        screen.frame(True, 1000 + tag)
        await asyncio.sleep(0.01)
    await until(lambda: viewer.got("ann camera") and viewer.got("ann screen"))
    assert all(int.from_bytes(p[-4:], "big") < 1000 for p in viewer.got("ann camera"))
    assert all(int.from_bytes(p[-4:], "big") >= 1000 for p in viewer.got("ann screen"))


async def test_publishers_get_feedback_on_every_packet(harness: Harness) -> None:
    _, sender = await camera(harness)
    packets: list[bytes] = []
    sender.client.on_rtcp = packets.append
    for tag in range(40):
        sender.client.drop_sent = (lambda data: data[0] >= 128) if tag == 20 else None
        sender.frame(tag == 0, tag)
        sender.client.drop_sent = None
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.15)
    seen: dict[int, bool] = {}
    for feedback in rtcp_of(packets, rtcp.TransportFeedback):
        base, arrivals, _, _ = twcc.decode(feedback.body)
        seen.update({base + i: arrival is not None for i, arrival in enumerate(arrivals)})
    assert [number for number in range(40) if not seen[number]] == [20]
    assert len(rtcp_of(packets, rtcp.TransportFeedback)) >= 3


async def test_publishers_get_reports_and_subscribers_the_publishers_clock(harness: Harness) -> None:
    viewer = await harness.join("bob")
    _, sender = await camera(harness)
    packets: list[bytes] = []
    sender.client.on_rtcp = packets.append
    await watching(harness, sender, viewer, "ann camera")
    ntp = rtcp.ntp_time(1_700_000_000.25)
    report = rtcp.SenderReport(sender.track.ssrc, ntp, sender.timestamp, 5, 500)
    sender.client.send_rtcp(report.pack())
    sender.frame(False, 500)
    await until(lambda: rtcp_of(viewer.rtcp, rtcp.SenderReport))
    (passed_on,) = rtcp_of(viewer.rtcp, rtcp.SenderReport)
    last = viewer.received["ann camera"][-1]
    await until(lambda: viewer.got("ann camera")[-1][-4:] == (500).to_bytes(4, "big"))
    last = viewer.received["ann camera"][-1]
    assert passed_on.ntp == ntp and passed_on.ssrc == last.ssrc
    assert passed_on.rtp_timestamp == last.timestamp, "the same instant on both sides"
    assert passed_on.packets == len(viewer.got("ann camera")) - 1
    await until(lambda: any(r.reports and r.reports[0].lsr for r in rtcp_of(packets, rtcp.ReceiverReport)), 3)
    block = rtcp_of(packets, rtcp.ReceiverReport)[-1].reports[0]
    assert block.ssrc == sender.track.ssrc and block.lsr == rtcp.ntp_middle(ntp)
    # The subscriber's report back gives its round trip.
    lsr = rtcp.ntp_middle(passed_on.ntp)
    back = rtcp.ReceiverReport(1, [rtcp.ReportBlock(last.ssrc, 25, 3, 9, 1, lsr, 0)])
    viewer.subscriber.send_rtcp(back.pack())
    await asyncio.sleep(0.05)
    stats = await harness.call("room.stats")
    (track,) = stats["peers"][0]["subscribe"]["tracks"]
    assert track["round_trip_ms"] is not None and track["fraction_lost"] == pytest.approx(0.098, abs=0.001)


async def test_a_subscriber_gets_everybody_but_itself(harness: Harness) -> None:
    peers = [await harness.join(name) for name in ("ann", "bob", "cho")]
    senders = []
    for peer in peers:
        client = await peer.publish("mic")
        senders.append(Sender(client, client.tracks[0]))
    await asyncio.sleep(0.1)
    for number in range(20):
        for sender, peer in zip(senders, peers, strict=True):
            sender.send(f"{peer.name} {number}".encode())
        await asyncio.sleep(0.01)
    for peer in peers:
        others = {f"{other.name} mic" for other in peers if other is not peer}
        await until(lambda peer=peer, others=others: all(peer.got(name) for name in others))
        assert set(peer.received) == others
        for name in others:
            assert peer.got(name)[-1].decode() == name.replace("mic", "19")
