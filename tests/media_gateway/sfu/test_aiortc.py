"""Real peers, real codecs: what one shows and says is what the others see and hear."""

import asyncio
import itertools
import statistics

import pytest

from media_gateway.sfu import rtp
from tests.media_gateway.sfu.aiortc_peers import AiortcPeer, Colour, LossyProxy, Tone, is_colour, pitch_of
from tests.media_gateway.sfu.support import Harness, until

RED, GREEN, BLUE = (200, 30, 30), (30, 200, 30), (30, 30, 200)


@pytest.fixture
async def people(harness: Harness):  # type: ignore[no-untyped-def]
    made: list[AiortcPeer] = []

    def person(name: str, **options: int) -> AiortcPeer:
        made.append(AiortcPeer(harness, name, **options))
        return made[-1]

    yield person
    for peer in made:
        await peer.close()


async def enough(peer: AiortcPeer, name: str, count: int) -> list:  # type: ignore[type-arg]
    """The frames of a track, once there are more than `count`."""
    await until(lambda: len(peer.frames.get(name, [])) > count, 15, f"{peer.name} gets {name}")
    return peer.frames[name]


async def test_three_see_and_hear_each_other(harness: Harness, people) -> None:  # type: ignore[no-untyped-def]
    media = {"ann": (RED, 440), "bob": (GREEN, 660), "cho": (BLUE, 880)}
    peers = {name: people(name) for name in media}
    for name, (rgb, frequency) in media.items():
        await peers[name].join()
        await peers[name].publish(camera=Colour(rgb), mic=Tone(frequency))
    for name, peer in peers.items():
        for other, (rgb, frequency) in media.items():
            if other == name:
                continue
            await enough(peer, f"{other} camera", 5)
            await enough(peer, f"{other} mic", 50)
            assert is_colour(peer.frames[f"{other} camera"][-1], rgb)
            assert pitch_of(peer.frames[f"{other} mic"][-25:]) == pytest.approx(frequency, abs=5)
        assert not any(key.startswith(name) for key in peer.frames)


async def test_pause_freezes_and_resume_shows_what_is_new(harness: Harness, people) -> None:  # type: ignore[no-untyped-def]
    ann, bob = people("ann"), people("bob")
    await ann.join()
    camera = Colour(RED)
    await ann.publish(camera=camera)
    await bob.join()
    frames = await enough(bob, "ann camera", 3)
    await harness.call("peer.pause", "ann", sources=["camera"], paused=True)
    await asyncio.sleep(0.3)
    camera.rgb = BLUE
    seen = len(frames)
    await asyncio.sleep(0.5)
    assert len(frames) <= seen + 1 and is_colour(frames[-1], RED)
    await harness.call("peer.pause", "ann", sources=["camera"], paused=False)
    await until(lambda: is_colour(frames[-1], BLUE), 5)


async def test_lost_packets_are_repaired_on_both_hops(harness: Harness, people) -> None:  # type: ignore[no-untyped-def]
    """Every fifth media datagram is lost, on the way in and on the way out; pictures and order survive."""
    counts = {"up": 0, "down": 0}

    def losing(direction: str):  # type: ignore[no-untyped-def]
        def lose(data: bytes, from_gateway: bool) -> bool:
            media = 128 <= data[0] < 192 and not rtp.is_rtcp(data)
            if not media or from_gateway != (direction == "down"):
                return False
            counts[direction] += 1
            return counts[direction] > 20 and counts[direction] % 5 == 0

        return lose

    up, down = (LossyProxy(harness.gateway.port, losing(direction)) for direction in ("up", "down"))
    ann = people("ann", publish_port=await up.start())
    bob = people("bob", subscribe_port=await down.start())
    await ann.join()
    await ann.publish(camera=Colour(GREEN, 640, 480))
    await bob.join()
    frames = await enough(bob, "ann camera", 45)
    assert all(is_colour(frame, GREEN) for frame in frames)
    steps = [after.pts - before.pts for before, after in itertools.pairwise(frames)]
    assert statistics.median(steps) == 6000
    assert sum(step > 12000 for step in steps[5:]) <= 2, "hardly a frame is missing"
    stats = {peer["peer"]: peer for peer in (await harness.call("room.stats"))["peers"]}
    (published,) = stats["ann"]["publish"]["tracks"]
    (received,) = stats["bob"]["subscribe"]["tracks"]
    assert up.lost > 5 and published["recovered"] >= up.lost - 3
    assert down.lost > 5 and received["resent"] >= 1
    up.close()
    down.close()
