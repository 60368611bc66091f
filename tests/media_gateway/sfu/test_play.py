"""`peer.play`: a room played to a client's own offer, on m-lines that stay while their content changes."""

import asyncio
import itertools
from collections.abc import AsyncIterator

import pytest

from media_gateway.sfu import rtcp, rtp, transport
from media_gateway.sfu.client import MediaClient
from media_gateway.sfu.client_sdp import ClientLines
from media_gateway.sfu.codecs import OPUS, VP8
from media_gateway.sfu.errors import GatewayError
from tests.media_gateway.sfu.support import IDENTITY, KEY_FRAME, Harness, Sender, until
from tests.media_gateway.sfu.test_relay import join_rooms


class Player:
    """A WHEP client: what it receives, by payload type."""

    def __init__(self) -> None:
        self.client = MediaClient(IDENTITY)
        self.packets: list[rtp.Parsed] = []
        self.payloads: list[tuple[int, bytes]] = []
        self.client.on_rtp = self._rtp

    def _rtp(self, packet: bytes) -> None:
        parsed = rtp.parse(packet)
        self.packets.append(parsed)
        self.payloads.append((parsed.payload_type, packet[parsed.start : parsed.end]))

    def offer(self, kinds: tuple[str, ...] = ("audio", "video"), direction: str = "recvonly") -> str:
        own = ClientLines(self.client.ufrag, self.client.pwd, IDENTITY.fingerprint)
        lines = own.head([str(at) for at in range(len(kinds))], "actpass")
        for at, kind in enumerate(kinds):
            codec = OPUS if kind == "audio" else VP8
            lines += [f"m={kind} 9 UDP/TLS/RTP/SAVPF {codec.payload_type}", "c=IN IP4 0.0.0.0", f"a=mid:{at}"]
            lines += [f"a={direction}", "a=rtcp-mux", f"a=rtpmap:{codec.payload_type} {codec.rtpmap}"]
        return "\r\n".join(lines) + "\r\n"

    async def play(self, harness: Harness, name: str = "screen1", **offer: object) -> str:
        await harness.call("peer.add", name, generation=1, name="", publish=[])
        reply = await harness.call("peer.play", name, generation=1, sdp=self.offer(**offer))  # type: ignore[arg-type]
        self.client.connect(reply["sdp"])
        await asyncio.wait_for(self.client.connected.wait(), 5)
        return str(reply["sdp"])

    def shown(self) -> set[bytes]:
        """The tags of the frames that came."""
        return {payload[-4:] for kind, payload in self.payloads if kind == VP8.payload_type}


@pytest.fixture
async def player(harness: Harness) -> AsyncIterator[Player]:
    made = Player()
    yield made
    made.client.close()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda sdp: "hello", "bad_sdp"),
        (lambda sdp: sdp.replace("a=recvonly", "a=sendonly"), "bad_sdp"),
        (lambda sdp: sdp.replace("a=setup:actpass", "a=setup:passive"), "bad_sdp"),
        (lambda sdp: sdp.replace("opus", "pcmu").replace("VP8", "H261"), "bad_sdp"),
        (lambda sdp: sdp.replace("a=fingerprint:sha-256", "a=fingerprint:md5"), "bad_sdp"),
        (lambda sdp: None, "bad_sdp"),
    ],
)
async def test_refusals_change_nothing(harness: Harness, player: Player, change, code: str) -> None:  # type: ignore[no-untyped-def]
    await harness.call("peer.add", "w", generation=1, name="", publish=[])
    with pytest.raises(GatewayError) as refused:
        await harness.call("peer.play", "w", generation=1, sdp=change(player.offer()))
    assert refused.value.code == code
    with pytest.raises(GatewayError, match="generation"):
        await harness.call("peer.play", "w", generation=2, sdp=player.offer())
    assert "sdp" in await harness.call("peer.play", "w", generation=1, sdp=player.offer())
    with pytest.raises(GatewayError):
        await harness.call("peer.play", "w", generation=1, sdp="v=0")


async def test_the_answer(harness: Harness, player: Player) -> None:
    answer = await player.play(harness, kinds=("audio", "video", "video"))
    head, *sections = answer.split("\r\nm=")
    assert "a=setup:passive" in head and "a=ice-lite" in head and "BUNDLE 0 1 2" in head
    assert [section.split()[0] for section in sections] == ["audio", "video", "video"]
    assert all("a=sendonly" in section and "a=ssrc:" in section for section in sections)


async def test_a_picture_is_played_and_the_next_goes_on_from_it(harness: Harness, player: Player) -> None:
    """Another participant, then a screen: one SSRC, numbers without a hole, time that never goes back."""
    await player.play(harness)
    tags = {}
    senders = []
    for place, (name, source) in enumerate((("ann", "camera"), ("bob", "screen"))):
        peer = await harness.join(name)
        client = await peer.publish(source)
        sender = Sender(client, client.tracks[0], sequence=1000 * (place + 1))
        sender.timestamp = 77_000_000 * (place + 1)
        senders.append(sender)
        tag = tags[name] = (place + 1).to_bytes(4, "big")

        def shown(sender: Sender = sender, place: int = place, tag: bytes = tag) -> bool:
            for other in senders[:-1]:
                other.frame(False, 1)
            sender.frame(True, place + 1)
            return tag in player.shown()

        await until(shown, what=f"{name}'s {source}")
        await asyncio.sleep(0.1)
    pictures = [packet for packet in player.packets if packet.payload_type == VP8.payload_type]
    assert len({packet.ssrc for packet in pictures}) == 1
    numbers = sorted({packet.sequence for packet in pictures})
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    by_number = sorted(pictures, key=lambda packet: packet.sequence)
    steps = [b.timestamp - a.timestamp for a, b in itertools.pairwise(by_number)]
    assert all(0 <= step < 10 * 90_000 for step in steps), steps
    # The screen ends: back to the camera, with a key frame.
    del player.payloads[:]
    await harness.call("peer.remove", "bob")

    def back() -> bool:
        senders[0].frame(True, 9)
        return (9).to_bytes(4, "big") in player.shown()

    await until(back, what="ann's camera again")
    first = next(payload for kind, payload in player.payloads if payload.endswith((9).to_bytes(4, "big")))
    assert first.startswith(KEY_FRAME[:4])


async def test_voices_share_the_lines(harness: Harness, player: Player) -> None:
    await player.play(harness, kinds=("audio", "audio", "video"))
    senders = {}
    for name in ("ann", "bob"):
        client = await (await harness.join(name)).publish("mic")
        senders[name] = Sender(client, client.tracks[0])

    def heard() -> bool:
        for number, sender in enumerate(senders.values()):
            sender.send(b"voice" + bytes([number]), level=10)
            sender.timestamp += 960
        return {payload for kind, payload in player.payloads if kind == OPUS.payload_type} >= {
            b"voice\x00",
            b"voice\x01",
        }

    await until(heard)
    assert len({packet.ssrc for packet in player.packets}) == 2


async def test_what_is_muted_is_not_played(harness: Harness, player: Player) -> None:
    await player.play(harness)
    client = await (await harness.join("ann")).publish("camera")
    sender = Sender(client, client.tracks[0])
    await until(lambda: sender.frame(True, 5) and player.shown())
    await harness.call("peer.pause", "ann", sources=["camera"], paused=True)
    await asyncio.sleep(0.3)
    count = len(player.payloads)
    for _ in range(10):
        sender.frame(True, 6)
        await asyncio.sleep(0.02)
    assert len(player.payloads) == count


async def test_what_comes_from_another_worker_is_played(harness: Harness, player: Player) -> None:
    """In a room that is spread, and on from there when its publisher goes."""
    async with Harness() as other:
        await player.play(harness)
        publisher = await (await other.join("ann")).publish("screen")
        sender = Sender(publisher, publisher.tracks[0])
        await join_rooms(other, harness)
        await until(lambda: sender.frame(True, 5) and (5).to_bytes(4, "big") in player.shown())
        await other.call("peer.remove", "ann")
        here = await (await harness.join("bob")).publish("camera")
        second = Sender(here, here.tracks[0])
        await until(lambda: second.frame(True, 6) and (6).to_bytes(4, "big") in player.shown(), 10)
    pictures = [packet for packet in player.packets if packet.payload_type == VP8.payload_type]
    numbers = sorted({packet.sequence for packet in pictures})
    assert len({packet.ssrc for packet in pictures}) == 1
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


async def test_reports_of_a_player_are_consent(
    harness: Harness, player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some players make no checks once connected; they stay as long as they report, and go when they stop."""
    monkeypatch.setattr(transport, "LOST_AFTER", 1.5)
    harness.gateway.config.lost_after = 1.5
    await player.play(harness)
    player.client.pinging = False
    for _ in range(30):
        player.client.send_rtcp(rtcp.ReceiverReport(1).pack())
        await asyncio.sleep(0.1)
    assert not harness.named("peer.gone", "screen1")
    await until(lambda: harness.named("peer.gone", "screen1"), 8)


async def test_ice_restart_and_end(harness: Harness, player: Player) -> None:
    await player.play(harness)
    client = await (await harness.join("ann")).publish("camera")
    sender = Sender(client, client.tracks[0])
    await until(lambda: sender.frame(True, 5) and player.shown())
    reply = await harness.call("peer.ice", "screen1", generation=1, ufrag="newOne")
    assert reply["ufrag"] != player.client.remote_ufrag
    player.client.ufrag, player.client.remote_ufrag = "newOne", reply["ufrag"]
    player.client.remote_pwd = reply["pwd"]
    player.client.move()
    count = len(player.payloads)
    await until(lambda: sender.frame(True, 5) and len(player.payloads) > count + 5)
    await harness.call("peer.remove", "screen1")
    count = len(player.payloads)
    for _ in range(5):
        sender.frame(True, 5)
        await asyncio.sleep(0.02)
    assert len(player.payloads) <= count + 1
    assert (await harness.call("room.stats"))["peers"][0]["peer"] == "ann"
