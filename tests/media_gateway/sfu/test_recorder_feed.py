"""The recorder feed as a recorder sees it."""

import asyncio
import json
import socket
import struct
import time
from typing import Any

import pytest

from media_gateway.sfu import recorder_feed, red, rtcp
from media_gateway.sfu.client import MediaClient
from media_gateway.sfu.codecs import OPUS, RED
from media_gateway.sfu.gateway import GatewayError
from tests.media_gateway.sfu.support import IDENTITY, Harness, Sender, until

TOKEN = "00112233445566ff"


class Recorder:
    """A UDP socket that takes the feed apart (docs/protocol.md section 3)."""

    def __init__(self) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.sock.setblocking(False)
        self.address = list(self.sock.getsockname())
        self.messages: list[tuple[int, int, int, bytes]] = []
        asyncio.get_running_loop().add_reader(self.sock.fileno(), self._read)

    def _read(self) -> None:
        while True:
            try:
                data = self.sock.recv(4096)
            except BlockingIOError:
                return
            kind, token, track, when = struct.unpack_from("!B8sIQ", data)
            assert token.hex() == TOKEN
            self.messages.append((kind, track, when, data[21:]))

    def of(self, kind: int) -> list[tuple[int, bytes]]:
        return [(track, body) for found, track, _, body in self.messages if found == kind]

    def tracks(self) -> dict[int, dict[str, Any]]:
        return {track: json.loads(body) for track, body in self.of(1)}

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.sock.fileno())
        self.sock.close()


@pytest.fixture
async def recorder():  # type: ignore[no-untyped-def]
    opened = Recorder()
    yield opened
    opened.close()


@pytest.fixture(params=[None, False], ids=["batched", "plain"])
async def harness(request: pytest.FixtureRequest):  # type: ignore[no-untyped-def]
    async with Harness(batched=request.param) as started:
        yield started


async def start(harness: Harness, recorder: Recorder, recording: str = "r1") -> int:
    reply = await harness.call("room.record", recording=recording, address=recorder.address, token=TOKEN)
    return reply["tracks"]


async def test_tracks_packets_states_and_clock_arrive(harness: Harness, recorder: Recorder) -> None:
    ann = await harness.join("ann")
    client = await ann.publish("mic", "camera")
    mic, camera = (Sender(client, track) for track in client.tracks)
    asked: list[bytes] = []
    client.on_rtcp = asked.append
    before = time.time_ns()
    assert await start(harness, recorder) == 2
    await until(lambda: len(recorder.tracks()) == 2)
    by_source = {body["source"]: (number, body) for number, body in recorder.tracks().items()}
    number, body = by_source["camera"]
    assert body == {
        "instance": harness.gateway.instance, "peer": "ann", "name": "ann", "source": "camera",
        "kind": "video", "codec": "VP8", "clock_rate": 90000, "channels": 1, "fmtp": "",
    }  # fmt: skip
    assert by_source["mic"][1]["codec"] == "opus" and by_source["mic"][1]["channels"] == 2
    camera.frame(False, 1)
    await until(lambda: [m for p in asked for m in rtcp.parse(p) if isinstance(m, rtcp.KeyFrameRequest)])
    sent = [camera.frame(tag == 0, tag) for tag in range(20)]
    mic.send(b"opus", level=30)
    await until(lambda: len(recorder.of(2)) == 21)
    packets = [body for track, body in recorder.of(2) if track == number]
    assert [packet[12:] for packet in packets] == sent, "no extension, no padding"
    assert all(packet[0] == 0x80 for packet in packets)
    numbers = [int.from_bytes(packet[2:4], "big") for packet in packets]
    assert numbers == [(numbers[0] + i) & 0xFFFF for i in range(20)]
    assert all(before <= when <= time.time_ns() for _, _, when, _ in recorder.messages)
    # The clock.
    ntp = rtcp.ntp_time(1_700_000_000)
    client.send_rtcp(rtcp.SenderReport(client.tracks[1].ssrc, ntp, camera.timestamp - 3000, 1, 1).pack())
    await until(lambda: recorder.of(4))
    ((track, body),) = recorder.of(4)
    assert track == number
    assert struct.unpack("!QI", body) == (ntp, int.from_bytes(packets[-1][4:8], "big"))
    # Pause and end.
    await harness.call("peer.pause", "ann", sources=["camera"], paused=True)
    await harness.call("peer.pause", "ann", sources=["camera"], paused=False)
    await harness.call("peer.remove", "ann")
    await until(lambda: len(recorder.of(3)) >= 4)
    states = [json.loads(body) for track, body in recorder.of(3) if track == number]
    assert states == [{"paused": True}, {"paused": False}, {"ended": True}]


async def test_a_later_track_is_recorded_too_and_unrecord_ends_all(
    harness: Harness, recorder: Recorder
) -> None:
    ann = await harness.join("ann")
    assert await start(harness, recorder) == 0
    client = await ann.publish("mic")
    await until(lambda: recorder.tracks())
    Sender(client, client.tracks[0]).send(b"one")
    await until(lambda: [body[12:] for _, body in recorder.of(2)] == [b"one"])
    await harness.call("room.unrecord", recording="r1")
    await until(lambda: [json.loads(body) for _, body in recorder.of(3)] == [{"ended": True}])
    Sender(client, client.tracks[0], sequence=200).send(b"two")
    await asyncio.sleep(0.1)
    assert len(recorder.of(2)) == 1
    assert await harness.call("room.unrecord", recording="r1") == {}, "idempotent"


async def test_a_recovered_packet_is_recorded_as_the_original(harness: Harness, recorder: Recorder) -> None:
    ann = await harness.join("ann")
    client = await ann.publish("camera")
    sender = Sender(client, client.tracks[0])

    def repair(packet: bytes) -> None:
        for message in rtcp.parse(packet):
            if isinstance(message, rtcp.Nack):
                for sequence in message.sequences:
                    sender.repair(sequence)

    client.on_rtcp = repair
    await start(harness, recorder)
    sent = []
    for tag in range(12):
        client.drop_sent = (lambda data: data[0] >= 128) if tag == 6 else None
        sent.append(sender.frame(tag == 0, tag))
        client.drop_sent = None
    await until(lambda: len(recorder.of(2)) == 12)
    packets = sorted((body for _, body in recorder.of(2)), key=lambda body: body[2:4])
    assert [packet[12:] for packet in packets] == sent
    assert {packet[1] & 0x7F for packet in packets} == {96}


async def test_announcements_and_key_frames_are_repeated(
    harness: Harness, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_feed, "ANNOUNCE_EVERY", 0.5)
    monkeypatch.setattr(recorder_feed, "KEYFRAME_EVERY", 0.5)
    ann = await harness.join("ann")
    client = await ann.publish("camera")
    sender = Sender(client, client.tracks[0])
    asked: list[bytes] = []
    client.on_rtcp = asked.append
    await start(harness, recorder)
    for tag in range(24):
        sender.frame(True, tag)
        await asyncio.sleep(0.1)
    assert len(recorder.of(1)) >= 3
    requests = [m for p in asked for m in rtcp.parse(p) if isinstance(m, rtcp.KeyFrameRequest)]
    assert 2 <= len(requests) <= 6


async def test_recording_again_moves_to_the_new_address(harness: Harness, recorder: Recorder) -> None:
    ann = await harness.join("ann")
    client = await ann.publish("mic")
    await harness.call("room.record", recording="r1", address=["127.0.0.1", 9], token="f" * 16)
    assert await start(harness, recorder) == 1
    Sender(client, client.tracks[0]).send(b"here")
    await until(lambda: recorder.of(2))
    assert (await harness.call("room.stats"))["recordings"]["r1"] == {"tracks": 1, "packets": 1}


async def test_a_recorded_room_survives_its_last_peer(harness: Harness, recorder: Recorder) -> None:
    ann = await harness.join("ann")
    await start(harness, recorder)
    await harness.call("peer.remove", "ann")
    ann.close()
    assert harness.gateway.rooms() == ["room"]
    again = await harness.join("ann", generation=2)
    client = await again.publish("mic")
    Sender(client, client.tracks[0]).send(b"back")
    await until(lambda: [body[12:] for _, body in recorder.of(2)] == [b"back"])
    await harness.call("room.close")
    assert harness.gateway.rooms() == []


@pytest.mark.parametrize(
    "change",
    [
        {"token": "xyz"},
        {"token": None},
        {"address": "127.0.0.1:5"},
        {"address": ["127.0.0.1"]},
        {"address": ["localhost", 5000]},
        {"address": ["127.0.0.1", 0]},
        {"address": ["127.0.0.1", "5000"]},
        {"address": ["224.0.0.1", 5000]},
        {"address": ["0.0.0.0", 5000]},
        {"recording": ""},
        {"recording": None},
        {"recording": ["r"]},
    ],
)
async def test_bad_requests_record_nothing(change: dict[str, Any]) -> None:
    async with Harness() as harness:
        await harness.join("ann")
        data = {"recording": "r1", "address": ["127.0.0.1", 5000], "token": TOKEN} | change
        with pytest.raises(GatewayError) as caught:
            await harness.call("room.record", **data)
        assert caught.value.code == "bad_request"
        assert (await harness.call("room.stats"))["recordings"] == {}


async def test_redundant_speech_is_recorded_plain_with_its_clock(
    harness: Harness, recorder: Recorder
) -> None:
    """Losses that the redundancy makes good are none for the recorder."""
    ann = await harness.join("ann")
    client = ann.publisher = MediaClient(IDENTITY)
    track = client.add_track("mic")
    offer = client.offer().replace("SAVPF 111", "SAVPF 111 63")
    offer += "a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n"
    reply = await ann.call("peer.publish", generation=1, sdp=offer, tracks=client.published())
    client.connect(reply["sdp"])
    await asyncio.wait_for(client.connected.wait(), 5)
    assert await start(harness, recorder) == 1
    track.codec = RED
    mic = Sender(client, track)

    def speak(number: int, *, lost: bool = False) -> None:
        older, newer = (b"word %d" % each for each in (number - 1, number))
        packet = mic.packet(red.pack([red.Block(111, 960, older), red.Block(111, 0, newer)]), level=30)
        mic.timestamp += 960
        if not lost:
            client.send_rtp(packet)

    for number in range(1, 9):
        speak(number, lost=number == 5)
    await until(lambda: len(recorder.of(2)) == 8)
    ((_, described),) = recorder.tracks().items()
    assert (described["codec"], described["fmtp"]) == ("opus", OPUS.fmtp)
    packets = [body for _, body in recorder.of(2)]
    assert [packet[12:] for packet in packets] == [b"word %d" % number for number in range(1, 9)]
    numbers = [int.from_bytes(packet[2:4], "big") for packet in packets]
    assert numbers == [(numbers[0] + place) & 0xFFFF for place in range(8)]
    stamps = [int.from_bytes(packet[4:8], "big") for packet in packets]
    assert stamps == [(stamps[0] + 960 * place) & 0xFFFFFFFF for place in range(8)]
    assert {packet[1] & 0x7F for packet in packets} == {OPUS.payload_type}
    client.send_rtcp(rtcp.SenderReport(track.ssrc, 7 << 32, mic.timestamp - 960, 1, 1).pack())
    await until(lambda: recorder.of(4))
    ((_, clock),) = recorder.of(4)
    assert struct.unpack("!QI", clock) == (7 << 32, stamps[-1])
