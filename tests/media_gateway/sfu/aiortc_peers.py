"""Participants made of real aiortc peer connections: colours and tones in, colours and tones out."""

import asyncio
import fractions
import re
import time
from collections.abc import Callable
from typing import Any

import av
import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError

from tests.media_gateway.sfu.support import ALL, Harness

FRAME_RATE = 15


class Colour(MediaStreamTrack):
    """A plain picture of one colour."""

    kind = "video"

    def __init__(self, rgb: tuple[int, int, int], width: int = 320, height: int = 240) -> None:
        super().__init__()
        self.rgb, self.width, self.height = rgb, width, height
        self.count = 0
        self.started: float | None = None

    async def recv(self) -> av.VideoFrame:
        loop_time = time.monotonic()
        self.started = self.started or loop_time
        await asyncio.sleep(max(0.0, self.started + self.count / FRAME_RATE - loop_time))
        picture = np.full((self.height, self.width, 3), self.rgb, dtype=np.uint8)
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = self.count * 90000 // FRAME_RATE, fractions.Fraction(1, 90000)
        self.count += 1
        return frame


class Tone(MediaStreamTrack):
    """A sine of one frequency, 48 kHz mono in 20 ms frames."""

    kind = "audio"

    def __init__(self, frequency: float) -> None:
        super().__init__()
        self.frequency = frequency
        self.position = 0
        self.started: float | None = None

    async def recv(self) -> av.AudioFrame:
        now = time.monotonic()
        self.started = self.started or now
        await asyncio.sleep(max(0.0, self.started + self.position / 48000 - now))
        at = (np.arange(960) + self.position) / 48000
        samples = (12000 * np.sin(2 * np.pi * self.frequency * at)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples[None, :], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48000, self.position, fractions.Fraction(1, 48000)
        self.position += 960
        return frame


class LossyProxy(asyncio.DatagramProtocol):
    """Stands between one connection and the gateway; `lose(datagram, from_gateway)` says what is lost."""

    def __init__(self, gateway_port: int, lose: Callable[[bytes, bool], bool]) -> None:
        self.gateway = ("127.0.0.1", gateway_port)
        self.lose = lose
        self.client: tuple[str, int] | None = None
        self.lost = 0

    async def start(self) -> int:
        loop = asyncio.get_running_loop()
        self.transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        port: int = self.transport.get_extra_info("sockname")[1]
        return port

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        from_gateway = addr == self.gateway
        if not from_gateway:
            self.client = addr
        if self.lose(data, from_gateway):
            self.lost += 1
            return
        target = self.client if from_gateway else self.gateway
        if target is not None:
            self.transport.sendto(data, target)

    def close(self) -> None:
        self.transport.close()


class AiortcPeer:
    """Join, publish, and keep the latest frames of everything received, by "peer source"."""

    def __init__(
        self,
        harness: Harness,
        name: str,
        *,
        publish_port: int | None = None,
        subscribe_port: int | None = None,
    ) -> None:
        self.harness = harness
        self.name = name
        # Ports of proxies to go through instead of the gateway's own.
        self.publish_port = publish_port
        self.subscribe_port = subscribe_port
        # With its default policy aiortc leaves the second m-line of a kind on a transport that was discarded.
        configuration = RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        self.publish_pc = RTCPeerConnection(configuration)
        self.subscribe_pc = RTCPeerConnection(configuration)
        self.frames: dict[str, list[Any]] = {}
        self.by_mid: dict[str, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.subscribe_pc.on("track", self._track)
        harness.listeners.append(self._event)
        self._order = asyncio.Lock()

    async def join(self) -> None:
        reply = await self.harness.call("peer.add", self.name, generation=1, name=self.name, publish=ALL)
        await self._take_offer(reply["subscribe"])

    def _event(self, event: dict[str, Any]) -> None:
        if event["event"] == "subscribe.offer" and event["peer"] == self.name:
            self._start(self._take_offer(event["data"]))

    def _start(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @staticmethod
    def _adapted(text: str, port: int | None) -> str:
        """The gateway's offer for aiortc, which looks for candidates in the last m-line, not the first."""
        if port is not None:
            text = re.sub(r"(a=candidate:.* 127\.0\.0\.1) \d+ ", rf"\g<1> {port} ", text)
        lines = [line for line in text.split("\r\n") if "candidate" in line]
        head, *sections = text.split("\r\nm=")
        extra = "\r\n" + "\r\n".join(lines)
        rest = [section.removesuffix("\r\n") + extra for section in sections[1:]]
        return "\r\nm=".join([head, sections[0].removesuffix("\r\n"), *rest]) + "\r\n"

    async def _take_offer(self, offer: dict[str, Any]) -> None:
        async with self._order:
            text = self._adapted(offer["sdp"], self.subscribe_port)
            for section in text.split("\r\nm=")[1:]:
                mid = re.search(r"a=mid:(\S+)", section)
                msid = re.search(r"a=msid:(\S+ \S+)", section)
                if mid and msid:
                    self.by_mid[mid[1]] = msid[1]
            await self.subscribe_pc.setRemoteDescription(RTCSessionDescription(text, "offer"))
            await self.subscribe_pc.setLocalDescription(await self.subscribe_pc.createAnswer())
            await self.harness.call(
                "peer.answer",
                self.name,
                generation=1,
                version=offer["version"],
                sdp=self.subscribe_pc.localDescription.sdp,
            )

    def _track(self, track: MediaStreamTrack) -> None:
        transceiver = next(t for t in self.subscribe_pc.getTransceivers() if t.receiver.track is track)
        self._start(self._consume(track, self.by_mid[transceiver.mid]))

    async def _consume(self, track: MediaStreamTrack, name: str) -> None:
        frames = self.frames.setdefault(name, [])
        while True:
            try:
                frames.append(await track.recv())
            except MediaStreamError:
                return

    async def publish(self, **tracks: MediaStreamTrack) -> None:
        """Publish tracks by source name."""
        sources = []
        for source, track in tracks.items():
            transceiver = self.publish_pc.addTransceiver(track, direction="sendonly")
            if track.kind == "video":
                known = RTCRtpSender.getCapabilities("video").codecs
                wanted = [codec for codec in known if codec.mimeType in ("video/VP8", "video/rtx")]
                transceiver.setCodecPreferences(wanted)
            sources.append((transceiver, source))
        await self.publish_pc.setLocalDescription(await self.publish_pc.createOffer())
        reply = await self.harness.call(
            "peer.publish",
            self.name,
            generation=1,
            sdp=self.publish_pc.localDescription.sdp,
            tracks=[{"mid": transceiver.mid, "source": source} for transceiver, source in sources],
        )
        await self.publish_pc.setRemoteDescription(
            RTCSessionDescription(self._adapted(reply["sdp"], self.publish_port), "answer")
        )

    async def close(self) -> None:
        self.harness.listeners.remove(self._event)
        await self.publish_pc.close()
        await self.subscribe_pc.close()
        for task in list(self._tasks):
            task.cancel()


def colour_of(frame: av.VideoFrame) -> tuple[int, int, int]:
    """The mean colour of a frame's middle."""
    picture = frame.to_ndarray(format="rgb24")
    height, width, _ = picture.shape
    middle = picture[height // 4 : -height // 4, width // 4 : -width // 4]
    return tuple(int(value) for value in middle.reshape(-1, 3).mean(axis=0))  # type: ignore[return-value]


def is_colour(frame: av.VideoFrame, rgb: tuple[int, int, int]) -> bool:
    """Whether a decoded frame has about this colour; YUV and the encoder move it a little."""
    return all(abs(a - b) < 30 for a, b in zip(colour_of(frame), rgb, strict=True))


def pitch_of(frames: list[av.AudioFrame]) -> float:
    """The loudest frequency of decoded audio, in Hz; 0 for silence."""
    samples = np.concatenate([frame.to_ndarray().reshape(-1, 2)[:, 0] for frame in frames]).astype(float)
    if np.abs(samples).max() < 200:
        return 0.0
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * frames[0].sample_rate / len(samples))
