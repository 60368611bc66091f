"""What one participant may not do to the others: too many voices, too much picture."""

import asyncio
import itertools

from .support import Harness, RawPeer, Sender, until


async def talker(harness: Harness, name: str) -> tuple[RawPeer, Sender]:
    peer = await harness.join(name)
    client = await peer.publish("mic")
    return peer, Sender(client, client.tracks[0])


async def test_only_the_loudest_are_heard_and_there_is_no_hole_in_what_is() -> None:
    async with Harness(loudest=2) as harness:
        listener = await harness.join("listener")
        talkers = {name: await talker(harness, name) for name in ("ann", "bob", "eve")}
        await until(lambda: sum("mic" in name for name in listener.names.values()) == 3)
        for round_ in range(60):
            for name, (_, sender) in talkers.items():
                # Two speak; the third one's room hums, and it says something at the end.
                level = 90 if name == "eve" and round_ < 40 else 5 if name == "eve" else 30
                sender.send(name.encode() + bytes((round_,)), level=level)
                sender.timestamp += 960
            await asyncio.sleep(0.01)
        await until(lambda: b"eve" + bytes((59,)) in listener.got("eve mic"))
        assert len(listener.got("ann mic")) >= 30 and len(listener.got("bob mic")) >= 30
        eve = listener.received["eve mic"]
        assert listener.got("eve mic")[-20:] == [b"eve" + bytes((number,)) for number in range(40, 60)], (
            "not one packet of the first syllable is missing"
        )
        assert len(eve) < 45, "its hum was not forwarded"
        for before, after in itertools.pairwise(eve):
            assert after.sequence == (before.sequence + 1) & 0xFFFF


async def test_a_publisher_beyond_its_bit_rate_loses_its_picture_until_it_sends_less() -> None:
    async with Harness(max_bitrate=200_000) as harness:
        viewer = await harness.join("bob")
        ann = await harness.join("ann")
        client = await ann.publish("camera")
        sender = Sender(client, client.tracks[0])
        await until(lambda: "ann camera" in viewer.names.values())

        async def send(seconds: float, size: int) -> None:
            for _ in range(int(seconds / 0.02)):
                sender.send(b"\x10\x00\x9d\x01\x2a" + bytes(size), marker=True)
                sender.timestamp += 1800
                await asyncio.sleep(0.02)

        def withdrawn() -> bool:
            (layer,) = harness.gateway._rooms["room"].peers["ann"].sources["camera"].layers
            return layer.withdrawn

        await send(2.5, 200)
        assert not withdrawn() and len(viewer.got("ann camera")) > 50
        for _ in range(8):
            await send(0.5, 1150)
            if withdrawn():
                break
        assert withdrawn(), "about twice as much as allowed"
        before = len(viewer.got("ann camera"))
        await send(0.5, 1150)
        assert len(viewer.got("ann camera")) - before < 5
        for _ in range(10):
            await send(0.5, 200)
            if not withdrawn():
                break
        before = len(viewer.got("ann camera"))
        await send(0.5, 200)
        assert len(viewer.got("ann camera")) > before + 5, "back as soon as it sends less"
