"""Players with payload types of their own: what they decode, and what is on the wire."""

import asyncio
from typing import Any

import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from media_gateway.sfu import rtcp, rtp
from media_gateway.sfu.burst import OwnHeader, template
from media_gateway.sfu.client import MediaClient
from media_gateway.sfu.client_sdp import ClientLines
from tests.media_gateway.sfu.aiortc_peers import AiortcPeer, Colour, Tone, is_colour, pitch_of
from tests.media_gateway.sfu.support import IDENTITY, Harness, Sender, until

GREEN = (30, 200, 30)
OFFER = [
    "m=video 9 UDP/TLS/RTP/SAVPF 120 124",
    "c=IN IP4 0.0.0.0",
    "a=mid:0",
    "a=recvonly",
    "a=rtcp-mux",
    f"a=extmap:3 {rtp.MID_URI}",
    f"a=extmap:7 {rtp.TRANSPORT_CC_URI}",
    "a=rtpmap:120 VP8/90000",
    "a=rtcp-fb:120 nack",
    "a=rtcp-fb:120 transport-cc",
    "a=rtpmap:124 rtx/90000",
    "a=fmtp:124 apt=120",
]


class AiortcPlayer:
    """A WHEP client as people write it: aiortc's defaults, the answer taken as it is."""

    def __init__(self) -> None:
        self.pc = RTCPeerConnection()
        self.frames: dict[str, list[Any]] = {"audio": [], "video": []}
        self.tasks: list[asyncio.Task[None]] = []
        self.pc.on("track", lambda track: self.tasks.append(asyncio.ensure_future(self._consume(track))))

    async def _consume(self, track: MediaStreamTrack) -> None:
        while True:
            try:
                self.frames[track.kind].append(await track.recv())
            except MediaStreamError:
                return

    async def play(self, harness: Harness) -> str:
        for kind in self.frames:
            self.pc.addTransceiver(kind, direction="recvonly")
        await self.pc.setLocalDescription(await self.pc.createOffer())
        await harness.call("peer.add", "screen", generation=1, name="", publish=[])
        reply = await harness.call("peer.play", "screen", generation=1, sdp=self.pc.localDescription.sdp)
        await self.pc.setRemoteDescription(RTCSessionDescription(reply["sdp"], "answer"))
        return str(reply["sdp"])

    async def close(self) -> None:
        await self.pc.close()
        for task in self.tasks:
            task.cancel()


async def test_aiortc_plays_by_its_default_offer(harness: Harness) -> None:
    ann, player = AiortcPeer(harness, "ann"), AiortcPlayer()
    try:
        await ann.join()
        await ann.publish(camera=Colour(GREEN), mic=Tone(700))
        answer = await player.play(harness)
        assert "a=rtpmap:96 opus" in answer and "a=rtpmap:97 VP8" in answer, answer
        await until(lambda: len(player.frames["video"]) > 10, 15, "pictures")
        await until(lambda: len(player.frames["audio"]) > 60, 15, "sound")
        assert is_colour(player.frames["video"][-1], GREEN)
        assert pitch_of(player.frames["audio"][-25:]) == pytest.approx(700, abs=5)
    finally:
        await player.close()
        await ann.close()


async def test_numbers_of_the_offer_are_on_the_wire(harness: Harness) -> None:
    """Payload type, retransmission, and the transport-wide number's extension are those of the client."""
    client = MediaClient(IDENTITY)
    packets: list[bytes] = []
    client.on_rtp = packets.append
    try:
        own = ClientLines(client.ufrag, client.pwd, IDENTITY.fingerprint)
        offer = "\r\n".join([*own.head(["0"], "actpass"), *OFFER]) + "\r\n"
        await harness.call("peer.add", "screen", generation=1, name="", publish=[])
        answer = (await harness.call("peer.play", "screen", generation=1, sdp=offer))["sdp"]
        assert f"a=extmap:7 {rtp.TRANSPORT_CC_URI}" in answer and rtp.MID_URI not in answer
        assert "a=rtpmap:120 VP8" in answer and "a=fmtp:124 apt=120" in answer
        client.connect(answer)
        await asyncio.wait_for(client.connected.wait(), 5)
        publisher = await (await harness.join("ann")).publish("camera")
        sender = Sender(publisher, publisher.tracks[0])
        await until(lambda: sender.frame(True, 5) and any(packet[1] & 0x7F == 120 for packet in packets))
        first = next(packet for packet in packets if packet[1] & 0x7F == 120)
        assert first[12:18] == bytes((0xBE, 0xDE, 0, 1, 0, 7 << 4 | 1))
        wanted = rtp.parse(first)
        nack = rtcp.ReceiverReport(1).pack() + rtcp.Nack(1, wanted.ssrc, [wanted.sequence]).pack()
        client.send_rtcp(nack)

        def repaired() -> bytes | None:
            found = (packet for packet in packets if packet[1] & 0x7F == 124)
            number = wanted.sequence.to_bytes(2, "big")
            return next((packet for packet in found if packet[20:22] == number), None)

        again = await until(repaired, what="the packet again")
        assert again[12:18] == first[12:18] and again[22:] == first[20:]
        assert {packet[1] & 0x7F for packet in packets} <= {120, 124}
        assert {packet[17] for packet in packets} == {7 << 4 | 1}
    finally:
        client.close()


@pytest.mark.parametrize(
    ("change", "taken"),
    [
        ((f"a=extmap:7 {rtp.TRANSPORT_CC_URI}", f"a=extmap:3 {rtp.TRANSPORT_CC_URI}"), 3),
        ((f"a=extmap:7 {rtp.TRANSPORT_CC_URI}", f"a=extmap:1 {rtp.TRANSPORT_CC_URI}"), None),
        ((f"a=extmap:7 {rtp.TRANSPORT_CC_URI}", f"a=extmap:15 {rtp.TRANSPORT_CC_URI}"), None),
        (("a=rtcp-fb:120 transport-cc", "a=rtcp-fb:120 nack pli"), None),
    ],
)
async def test_the_transport_wide_number_is_taken_where_it_can_be(
    harness: Harness, change: tuple[str, str], taken: int | None
) -> None:
    own = ClientLines("abcd", "p" * 22, IDENTITY.fingerprint)
    lines = [*own.head(["0"], "actpass"), *(change[1] if line == change[0] else line for line in OFFER)]
    await harness.call("peer.add", "screen", generation=1, name="", publish=[])
    offer = "\r\n".join(line for line in lines if line != f"a=extmap:3 {rtp.MID_URI}") + "\r\n"
    answer = (await harness.call("peer.play", "screen", generation=1, sdp=offer))["sdp"]
    found = [line for line in answer.split("\r\n") if rtp.TRANSPORT_CC_URI in line]
    assert found == ([] if taken is None else [f"a=extmap:{taken} {rtp.TRANSPORT_CC_URI}"])
    assert ("transport-cc" in answer.replace(rtp.TRANSPORT_CC_URI, "")) == (taken is not None)


async def test_redundant_sound_needs_our_number_inside(harness: Harness) -> None:
    """What is inside of a redundant packet names its payload type and is passed on as it came."""
    for name, opus in (("one", 111), ("two", 109)):
        own = ClientLines("abcd", "p" * 22, IDENTITY.fingerprint)
        lines = [*own.head(["0"], "actpass"), f"m=audio 9 UDP/TLS/RTP/SAVPF {opus} 120", "c=IN IP4 0.0.0.0"]
        lines += ["a=mid:0", "a=recvonly", "a=rtcp-mux", f"a=rtpmap:{opus} opus/48000/2"]
        lines += ["a=rtpmap:120 red/48000/2", f"a=fmtp:120 {opus}/{opus}"]
        await harness.call("peer.add", name, generation=1, name="", publish=[])
        offer = "\r\n".join(lines) + "\r\n"
        answer = (await harness.call("peer.play", name, generation=1, sdp=offer))["sdp"]
        assert f"a=rtpmap:{opus} opus/48000/2" in answer
        assert ("a=rtpmap:120 red" in answer) == (opus == 111)


@pytest.mark.parametrize("extension", [b"\x10\x7f", b"\x00\x01\x01\x7f"])
def test_a_header_of_ones_own_in_both_forms_of_extensions(extension: bytes) -> None:
    packet = bytearray(template(0x80 | 96, 5, 1, extension, b"payload"))
    wide = packet[12:14] == b"\x10\x00"
    OwnHeader(0xAABBCCDD, 120, 9).write(memoryview(packet), 0)
    assert packet[1] == 0x80 | 120 and packet[8:12] == b"\xaa\xbb\xcc\xdd"
    assert packet[16:18] == (b"\x09\x02" if wide else b"\x00\x91")
    assert packet.endswith(b"payload")
    OwnHeader(7).write(memoryview(packet), 0)
    assert packet[1] == 0x80 | 120 and packet[8:12] == bytes((0, 0, 0, 7))
