"""CPU of one video frame to one subscriber: our gateway beside aiortc's MediaRelay, on the same real picture.

The relay decodes and encodes anew, so packets say nothing of it; frames do.
"""

import asyncio
import fractions
import statistics
import time
from typing import Any

import av
import numpy as np
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCRtpSender, RTCSessionDescription

from .aiortc_servers import CONFIGURATION
from .processes import Child, cpu_seconds
from .servers import Plenum

SUBSCRIBERS = 4
SIZE, RATE = (640, 360), 15


class Picture(MediaStreamTrack):
    """A moving picture, the same for both servers."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        width, height = SIZE
        rng = np.random.default_rng(1)
        self.base = np.kron(rng.integers(0, 255, (height // 8, width // 8, 3)), np.ones((8, 8, 1)))
        self.count = 0
        self.started = time.monotonic()

    async def recv(self) -> av.VideoFrame:
        await asyncio.sleep(max(0.0, self.started + self.count / RATE - time.monotonic()))
        picture = np.roll(self.base, self.count * 2, axis=1).astype(np.uint8)
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = self.count * 90000 // RATE, fractions.Fraction(1, 90000)
        self.count += 1
        return frame


async def offer_picture(publisher: RTCPeerConnection, picture: Picture) -> str:
    transceiver = publisher.addTransceiver(picture, direction="sendonly")
    known = RTCRtpSender.getCapabilities("video").codecs
    transceiver.setCodecPreferences([c for c in known if c.mimeType in ("video/VP8", "video/rtx")])
    await publisher.setLocalDescription(await publisher.createOffer())
    sdp: str = publisher.localDescription.sdp
    return sdp


async def per_frame(server: Any, picture: Picture, seconds: float) -> float:
    """CPU ms of a server (with `pid` and `counters()`) for one frame to one subscriber."""
    before, cpu = picture.count, cpu_seconds(server.pid)
    sent = (await server.counters())["sent"]
    await asyncio.sleep(seconds)
    cpu, frames = cpu_seconds(server.pid) - cpu, picture.count - before
    sent = (await server.counters())["sent"] - sent
    if sent < frames * SUBSCRIBERS // 2:
        raise RuntimeError(f"{sent} packets forwarded of {frames} frames")
    return 1000 * cpu / (frames * SUBSCRIBERS)


async def through_gateway(seconds: float) -> float:
    async with Child("benchmarks.sfu.receivers") as receivers, Plenum(receivers) as server:
        publisher, picture = RTCPeerConnection(CONFIGURATION), Picture()
        text = await offer_picture(publisher, picture)
        await server.add("publisher", ["camera"])
        offer = {"generation": 1, "sdp": text, "tracks": [{"mid": "0", "source": "camera"}]}
        reply = await server.child.call("peer.publish", peer="publisher", data=offer)
        await publisher.setRemoteDescription(RTCSessionDescription(reply["sdp"], "answer"))
        for number in range(SUBSCRIBERS):
            await server.subscribe(f"s{number}", timed=False)
        await receivers.call("begin")
        await asyncio.sleep(2)
        result = await per_frame(server, picture, seconds)
        await publisher.close()
        return result


class _Relay(Child):
    async def counters(self) -> dict[str, Any]:
        return await self.call("counters")


async def through_relay(seconds: float) -> float:
    """Its subscribers are aiortc peers that take packets and decode nothing."""
    async with _Relay("benchmarks.sfu.serve", "relay") as server:
        assert isinstance(server, _Relay)
        publisher, picture = RTCPeerConnection(CONFIGURATION), Picture()
        text = await offer_picture(publisher, picture)
        reply = await server.call("publish", peer="publisher", sdp=text)
        await publisher.setRemoteDescription(RTCSessionDescription(reply["sdp"], "answer"))
        subscribers = []
        for number in range(SUBSCRIBERS):
            subscriber = RTCPeerConnection(CONFIGURATION)
            reply = await server.call("subscribe", peer=f"s{number}")
            await subscriber.setRemoteDescription(RTCSessionDescription(reply["sdp"], "offer"))
            await subscriber.setLocalDescription(await subscriber.createAnswer())
            await server.call("answer", peer=f"s{number}", sdp=subscriber.localDescription.sdp)
            for receiver in subscriber.getReceivers():
                # Decoding is not what is measured, and would take the load's core away from the publisher.
                receiver.transport._rtp_router.receivers.clear()
                receiver.transport._rtp_router.ssrc_table.clear()
                receiver.transport._rtp_router.payload_type_table.clear()
            subscribers.append(subscriber)
        await asyncio.sleep(3)
        result = await per_frame(server, picture, seconds)
        await server.call("close")
        for peer in (*subscribers, publisher):
            await peer.close()
        return result


async def beside_relay(rounds: int, seconds: float) -> dict[str, Any]:
    """Medians over pairs."""
    pairs = [
        {"gateway": await through_gateway(seconds), "relay": await through_relay(seconds)}
        for _ in range(rounds)
    ]
    return {
        "gateway_ms_per_frame": round(statistics.median(pair["gateway"] for pair in pairs), 4),
        "relay_ms_per_frame": round(statistics.median(pair["relay"] for pair in pairs), 4),
        "ratio": round(statistics.median(pair["relay"] / pair["gateway"] for pair in pairs), 1),
        "size": list(SIZE),
        "subscribers": SUBSCRIBERS,
    }
