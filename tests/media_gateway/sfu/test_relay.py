"""One room on two workers: everybody hears and sees everybody, whichever worker serves them."""

import asyncio
import itertools
import time
from typing import Any

import pytest

from media_gateway.sfu import red, relay_in
from media_gateway.sfu.burst import DESCRIPTOR_ID
from media_gateway.sfu.client import MediaClient
from media_gateway.sfu.codecs import AV1, RED
from media_gateway.sfu.errors import GatewayError
from media_gateway.sfu.rtp import read_extensions
from media_gateway.sfu.svc import element

from .support import IDENTITY, KEY_FRAME, Harness, RawPeer, Sender, until
from .wire import Uplink


async def join_rooms(first: Harness, second: Harness) -> None:
    """Relay both ways, as the web tier does."""
    for giver, taker, there, here in ((first, second, "two", "one"), (second, first, "one", "two")):
        offer = await giver.call("relay.open", relay=there)
        answer = await taker.call("relay.pull", relay=here, sdp=offer["sdp"])
        await giver.call("relay.answer", relay=there, sdp=answer["sdp"])


async def camera(peer: RawPeer) -> Sender:
    client = await peer.publish("camera")
    return Sender(client, client.tracks[0])


async def sees(viewer: RawPeer, name: str, sender: Sender) -> None:
    """Send key frames until one arrives."""
    for tag in itertools.count(1):
        frame = sender.frame(True, tag)
        await asyncio.sleep(0.05)
        if frame in viewer.got(name):
            return
        assert tag < 100, f"{viewer.name} never saw {name}"


@pytest.fixture
async def pair():  # type: ignore[no-untyped-def]
    async with Harness() as first, Harness() as second:
        yield first, second


async def test_media_crosses_in_both_directions_unchanged(pair: Any) -> None:
    first, second = pair
    ann, bob, eve = await first.join("ann"), await second.join("bob"), await second.join("eve")
    ann_camera, bob_camera = await camera(ann), await camera(bob)
    await join_rooms(first, second)
    await sees(bob, "ann camera", ann_camera)
    await sees(eve, "ann camera", ann_camera)
    await sees(ann, "bob camera", bob_camera)
    before = len(bob.got("ann camera"))
    sent = [ann_camera.frame(False, 500 + number) for number in range(40)]
    await until(lambda: len(bob.got("ann camera")) >= before + 40)
    assert bob.got("ann camera")[before:] == sent
    for before_, after in itertools.pairwise(bob.received["ann camera"]):
        assert after.sequence == (before_.sequence + 1) & 0xFFFF
    assert len(bob.names) == 1, "what came over the relay does not go back"


async def test_sources_that_come_and_go_later_do_so_everywhere(pair: Any) -> None:
    first, second = pair
    ann, bob = await first.join("ann"), await second.join("bob")
    await join_rooms(first, second)
    sender = await camera(ann)
    await sees(bob, "ann camera", sender)
    await ann.call("peer.pause", sources=["camera"], paused=True)
    await until(lambda: second.gateway._rooms["room"].relays.sources[0].blocked)
    await ann.call("peer.pause", sources=["camera"], paused=False)
    await sees(bob, "ann camera", sender)
    await ann.call("peer.remove")
    await until(lambda: not second.gateway._rooms["room"].relays.sources)
    await until(lambda: "a=inactive" in bob.offers[-1].split("m=video")[1])


async def test_what_is_lost_between_workers_is_asked_for_again(pair: Any) -> None:
    first, second = pair
    ann, bob = await first.join("ann"), await second.join("bob")
    sender = await camera(ann)
    await join_rooms(first, second)
    await sees(bob, "ann camera", sender)
    client = second.gateway._rooms["room"].relays.incoming["one"].client
    count = itertools.count()
    client.drop = lambda datagram: datagram[0] >= 128 and next(count) % 7 == 3
    before = len(bob.got("ann camera"))
    sent = []
    for number in range(100):
        sent.append(sender.frame(False, 900 + number))
        await asyncio.sleep(0.005)
    client.drop = None
    sender.frame(False, 2000)  # by which the end of what was sent is known
    await until(lambda: set(sent) <= set(bob.got("ann camera")[before:]))


async def test_a_key_frame_is_asked_for_across(pair: Any) -> None:
    first, second = pair
    ann, bob = await first.join("ann"), await second.join("bob")
    sender = await camera(ann)
    await join_rooms(first, second)
    await sees(bob, "ann camera", sender)
    asked = first.gateway._rooms["room"].peers["ann"].publish.plis
    late = await second.join("late")
    await until(lambda: first.gateway._rooms["room"].peers["ann"].publish.plis > asked)
    await sees(late, "ann camera", sender)


async def test_sound_crosses_and_a_lost_track_message_is_made_up_for(pair: Any) -> None:
    first, second = pair
    ann, bob = await first.join("ann"), await second.join("bob")
    client = await ann.publish("mic")
    sender = Sender(client, client.tracks[0])
    await join_rooms(first, second)
    incoming = second.gateway._rooms["room"].relays.incoming["one"]
    missed: list[bytes] = []
    incoming.client.on_data = missed.append
    await until(lambda: missed)
    incoming.client.on_data = incoming._data
    await until(lambda: "ann mic" in bob.names.values(), what="told again")
    for number in range(10):
        sender.send(bytes((number, 1, 2)), level=20)
        sender.timestamp += 960
        await asyncio.sleep(0.02)
    await until(lambda: bytes((9, 1, 2)) in bob.got("ann mic"))


async def test_dependency_descriptors_cross(pair: Any) -> None:
    """By them alone a browser knows which layer of AV1 a frame is of, and what it needs for it."""
    first, second = pair
    await first.join("ann")
    await second.join("bob")
    await join_rooms(first, second)
    room = first.gateway._rooms["room"]
    source = room.new_source("ann", "Ann", "camera", AV1)
    layer = source.layer("q")
    layer.uplink = Uplink()
    room.peers["ann"].sources["camera"] = source
    room.show(source)
    room.relays.add(source)
    relays = second.gateway._rooms["room"].relays
    await until(lambda: relays.sources)
    long, short = bytes((0xC0, 0, 7)) + bytes(30), bytes((0x40, 0, 8))
    found: set[bytes | None] = set()
    for number in itertools.count():
        payload = memoryview(bytes((0x18, 0x0A)) + bytes(60))
        descriptor = short if number % 2 else long
        layer.deliver(number, 3000 * number, 1, payload, time.monotonic(), element(descriptor))
        first.gateway._started.request_flush()
        await asyncio.sleep(0.02)
        records = [record for there in relays.sources[0].layers for record in there.cache.packets if record]
        found = {read_extensions(packet, len(packet)).get(DESCRIPTOR_ID) for _, _, packet, _ in records}
        if len(found) > 1:
            break
        assert number < 400, "nothing crossed"
    assert found == {long, short}


async def test_redundant_speech_crosses_and_comes_plain_to_who_takes_only_that(pair: Any) -> None:
    first, second = pair
    ann, bob = await first.join("ann"), await second.join("bob")
    eve = RawPeer(second, "eve")
    second.peers["eve"] = eve
    answer = eve.subscriber.answer
    eve.subscriber.answer = lambda text, **options: answer(text, **options).replace(" 63 111", " 111")
    await eve.join()
    client = ann.publisher = MediaClient(IDENTITY)
    track = client.add_track("mic")
    offer = client.offer().replace("SAVPF 111", "SAVPF 111 63")
    offer += "a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n"
    reply = await ann.call("peer.publish", generation=1, sdp=offer, tracks=client.published())
    client.connect(reply["sdp"])
    await asyncio.wait_for(client.connected.wait(), 5)
    await join_rooms(first, second)
    track.codec = RED
    sender = Sender(client, track)
    for number in itertools.count():
        blocks = [red.Block(111, 960, b"word before"), red.Block(111, 0, b"word %d" % number)]
        sender.send(red.pack(blocks), level=20)
        sender.timestamp += 960
        await asyncio.sleep(0.02)
        if len(bob.got("ann mic")) > 5 and len(eve.got("ann mic")) > 5:
            break
        assert number < 400
    assert red.unpack(bob.got("ann mic")[-1])[-1].data.startswith(b"word ")
    assert all(payload.startswith(b"word ") for payload in eve.got("ann mic"))
    assert {packet.payload_type for packet in bob.received["ann mic"]} == {63}
    assert {packet.payload_type for packet in eve.received["ann mic"]} == {111}


async def test_a_worker_that_falls_silent_is_told_and_its_sources_end(
    pair: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_in, "GONE_AFTER", 1.0)
    monkeypatch.setattr(relay_in, "LOST_AFTER", 2.0)
    first, second = pair
    ann, bob = await first.join("ann"), await second.join("bob")
    sender = await camera(ann)
    await join_rooms(first, second)
    await sees(bob, "ann camera", sender)
    second.gateway._rooms["room"].relays.incoming["one"].client.drop = lambda datagram: True
    event = (await until(lambda: second.named("relay.lost"), 8))[0]
    assert event["data"] == {"relay": "one"}
    await until(lambda: not second.gateway._rooms["room"].relays.sources)
    # Made anew, it works again.
    await join_rooms(first, second)
    await sees(bob, "ann camera", sender)


async def test_nonsense_is_refused_and_leaves_nothing(pair: Any) -> None:
    first, second = pair
    await first.join("ann")
    for op, data in (
        ("relay.open", {}),
        ("relay.open", {"relay": "x" * 100}),
        ("relay.answer", {"relay": "nobody", "sdp": "x"}),
        ("relay.pull", {"relay": "two", "sdp": "v=0"}),
        ("relay.pull", {"relay": "two", "sdp": 5}),
    ):
        with pytest.raises(GatewayError):
            await first.call(op, **data)
    with pytest.raises(GatewayError, match="not_found"):
        await second.call("relay.open", relay="one")
    assert not first.gateway._rooms["room"].relays.incoming
    relay = first.gateway._rooms["room"].relays
    await first.call("relay.open", relay="two")
    with pytest.raises(GatewayError, match="bad_sdp"):
        await first.call("relay.answer", relay="two", sdp="v=0\r\nm=x")
    await first.call("relay.close", relay="two")
    assert not relay.out


async def test_a_hostile_relay_does_no_harm(pair: Any) -> None:
    first, second = pair
    ann, bob = await first.join("ann"), await second.join("bob")
    sender = await camera(ann)
    await join_rooms(first, second)
    await sees(bob, "ann camera", sender)
    incoming = second.gateway._rooms["room"].relays.incoming["one"]
    for data in (
        b"",
        b"{",
        b"[]",
        b"5",
        b'{"ssrc": "x"}',
        b'{"ssrc": 1}',
        b'{"ssrc": 1, "codec": "x"}',
        b"\xff",
    ):
        incoming._data(data)
    ssrc = next(iter(incoming.tracks))
    for packet in (b"\xb0" + bytes(11), b"\x90" + bytes(7) + ssrc.to_bytes(4, "big"), bytes(12)):
        incoming._rtp(packet)
    incoming._rtcp(b"\x80\xc8\x00\xff")
    assert len(incoming.tracks) == 1 and KEY_FRAME
    await sees(bob, "ann camera", sender)
