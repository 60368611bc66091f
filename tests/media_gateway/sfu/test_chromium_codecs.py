"""Real Chromium sends every codec and several layers; what others decode is what was sent."""

import asyncio
import json
from typing import Any

import pytest

from tests.media_gateway.sfu.test_chromium import BLUE, GREEN, RED, Building, Tab, building, canvas, inbound

__all__ = ["building"]

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SIMULCAST = [
    {"rid": "q", "scaleResolutionDownBy": 4, "maxBitrate": 150_000},
    {"rid": "h", "scaleResolutionDownBy": 2, "maxBitrate": 500_000},
    {"rid": "f", "maxBitrate": 1_700_000},
]


async def publish_camera(
    tab: Tab, colour: tuple[int, int, int], size: tuple[int, int], **options: Any
) -> None:
    stream = canvas(colour, *size, moving=True)
    await tab.run(f"publish({{camera: {stream}}}, {json.dumps({'camera': options})})")


async def published(building: Building, peer: str) -> dict[str, Any]:
    stats = await building.harness.call("room.stats")
    (found,) = [each["publish"] for each in stats["peers"] if each["peer"] == peer]
    return next(track for track in found["tracks"] if track["source"] == "camera")  # type: ignore[no-any-return]


async def layers_have(building: Building, peer: str, sizes: dict[str, tuple[int, int]]) -> dict[str, Any]:
    """Wait until every layer came with its size."""
    deadline = asyncio.get_running_loop().time() + 15
    while True:
        track = await published(building, peer)
        found = {layer["rid"]: (layer["width"], layer["height"]) for layer in track["layers"]}
        if found == sizes:
            return track
        assert asyncio.get_running_loop().time() < deadline, found
        await asyncio.sleep(0.1)


async def show(building: Building, tab: Tab, width: int, height: int) -> None:
    """The tab says how large it shows Ann's camera."""
    shown = {"peer": "ann", "source": "camera", "width": width, "height": height, "priority": 1}
    await building.harness.call("peer.view", tab.name, generation=1, tracks=[shown])


async def test_three_layers_arrive_and_are_shown_as_large_as_asked_for(building: Building) -> None:
    ann, bob = await building.enter("ann"), await building.enter("bob")
    await publish_camera(ann, RED, (1280, 720), encodings=SIMULCAST)
    await bob.sees("ann camera", RED)
    sizes = {"q": (320, 180), "h": (640, 360), "f": (1280, 720)}
    track = await layers_have(building, "ann", sizes)
    assert track["codec"] == "VP8" and track["lost"] == 0
    for width, height in ((320, 180), (1280, 720), (640, 360)):
        await show(building, bob, width, height)
        await bob.until("look('ann camera')", lambda look, width=width: look["width"] == width)
        await bob.sees("ann camera", RED)
    (video,) = await inbound(bob, "video")
    assert video["packetsLost"] == 0 and video["freezeCount"] == 0


@pytest.mark.parametrize("codec", ["H264", "VP9", "AV1"])
async def test_a_camera_in_another_codec(building: Building, codec: str) -> None:
    ann, bob = await building.enter("ann"), await building.enter("bob")
    await publish_camera(ann, GREEN, (640, 360), codec=codec)
    await bob.sees("ann camera", GREEN)
    track = await layers_have(building, "ann", {"": (640, 360)})
    assert track["codec"] == codec
    assert codec in [event["data"]["codec"] for event in building.harness.named("track.added")]
    cho = await building.enter("cho")
    await cho.sees("ann camera", GREEN)
    (video,) = await inbound(cho, "video")
    assert video["framesDecoded"] > 0 and (video["frameWidth"], video["frameHeight"]) == (640, 360)


@pytest.mark.parametrize("codec", ["VP9", "AV1"])
async def test_spatial_layers_of_one_stream_are_layers_to_choose(building: Building, codec: str) -> None:
    ann, bob = await building.enter("ann"), await building.enter("bob")
    await publish_camera(ann, BLUE, (1280, 720), codec=codec, encodings=[{"scalabilityMode": "L3T3_KEY"}])
    await bob.sees("ann camera", BLUE)
    await layers_have(building, "ann", {"s0": (320, 180), "s1": (640, 360), "": (1280, 720)})
    for width, height in ((320, 180), (1280, 720), (640, 360)):
        await show(building, bob, width, height)
        await bob.until("look('ann camera')", lambda look, width=width: look["width"] == width)
        await bob.sees("ann camera", BLUE)
        frames = (await bob.run("look('ann camera')"))["frames"]
        await bob.until("look('ann camera')", lambda look, frames=frames: look["frames"] > frames + 15)
    (video,) = await inbound(bob, "video")
    assert video["packetsLost"] == 0


async def test_speech_is_redundant_between_browsers_and_plain_for_others(building: Building) -> None:
    ann, bob = await building.enter("ann"), await building.enter("bob")
    cho = await building.enter("cho")
    await cho.run("state.unknownCodec = 'red'")
    await ann.run("publish({mic: toneStream(440)})")
    for tab in (bob, cho):
        await tab.until("Object.keys(state.tracks)", lambda tracks: "ann mic" in tracks)
        pitch = await tab.run("pitch('ann mic')")
        assert pitch["frequency"] == pytest.approx(440, abs=10) and pitch["level"] > -60
    (redundant,), (plain,) = await inbound(bob, "audio"), await inbound(cho, "audio")
    size = [each["bytesReceived"] / each["packetsReceived"] for each in (redundant, plain)]
    assert size[0] > 1.5 * size[1], "two sounds in a packet, and one"


async def test_who_cannot_take_a_codec_keeps_everything_else(building: Building) -> None:
    ann, bob = await building.enter("ann"), await building.enter("bob")
    await bob.run("state.unknownCodec = 'H264'")
    await publish_camera(ann, RED, (640, 360), codec="H264")
    await ann.run(f"publish({{mic: toneStream(440), screen: {canvas(GREEN)}}})")
    await bob.sees("ann screen", GREEN)
    assert (await bob.run("pitch('ann mic')"))["frequency"] == pytest.approx(440, abs=10)
    assert await bob.run("look('ann camera')?.frames || 0") == 0
    # The lines may change as often as they like afterwards.
    await ann.run("unpublish('screen')")
    await bob.until("Object.keys(state.tracks)", lambda tracks: "ann screen" not in tracks)
    await ann.run("unpublish('camera')")
    cho = await building.enter("cho")
    await publish_camera(cho, BLUE, (640, 360))
    await bob.sees("cho camera", BLUE)
