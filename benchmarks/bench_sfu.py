"""What a forwarded packet costs: our media server, beside aiortc's MediaRelay in the same run.

    python -m benchmarks.bench_sfu [--subscribers 50] [--rounds 5] [--seconds 4]

Prints a table and writes benchmarks/results/sfu.json. The server runs in its own process pinned to one
core; load and receivers run on the others. Rounds of both servers alternate, results are medians. Latency
is taken from just before a packet is given to the publisher's kernel socket to the kernel's own receive
time stamp at a subscriber, so it contains two passes of loopback and everything the server does, and
nothing of the receiving program.
"""

import argparse
import asyncio
import fractions
import json
import os
import pathlib
import platform
import statistics
import sys
import time
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

from media_gateway.sfu import rtp
from media_gateway.sfu.client import EXTENSIONS, MediaClient
from media_gateway.sfu.dtls import Identity

RESULTS = pathlib.Path(__file__).parent / "results" / "sfu.json"
SERVER_CORE, LOAD_CORE = 0, 1
FRAME_PACKETS, FRAME_RATE, PAYLOAD = 9, 30, 1080
MEASURED = 3
"""Subscribers whose packets are decrypted and timed; the others take them off the socket and drop them."""
RELAY_SUBSCRIBERS = 4
RELAY_SIZE, RELAY_RATE = (640, 360), 15


class Server:
    """The child process and its line protocol."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.events: list[dict[str, Any]] = []
        self.on_event: Any = None

    async def __aenter__(self) -> "Server":
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.sfu_server", self.kind, str(SERVER_CORE),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 22,
        )  # fmt: skip
        await self._read("ready")
        self.lock = asyncio.Lock()
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            await asyncio.wait_for(self.process.wait(), 5)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()

    async def _read(self, what: str) -> Any:
        assert self.process.stdout is not None
        while True:
            line = await self.process.stdout.readline()
            if not line:
                raise RuntimeError(f"the {self.kind} server ended")
            message = json.loads(line)
            if what in message:
                return message[what]
            self.events.append(message["event"])

    async def call(self, op: str, **fields: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        async with self.lock:
            self.process.stdin.write(json.dumps({"op": op, **fields}).encode() + b"\n")
            reply: dict[str, Any] = await self._read("reply")
            return reply


async def subscribe(server: Server, name: str, identity: Identity, *, timed: bool) -> MediaClient:
    client = MediaClient(identity, kernel_times=timed)
    reply = await server.call("peer.add", peer=name, data={"generation": 1, "name": name, "publish": []})
    answer = client.answer(reply["subscribe"]["sdp"])
    data = {"generation": 1, "version": reply["subscribe"]["version"], "sdp": answer}
    await server.call("peer.answer", peer=name, data=data)
    await asyncio.wait_for(client.connected.wait(), 10)
    if not timed:
        client.drop = lambda datagram: datagram[0] >= 128
    return client


class Load:
    """One publisher of video-like bursts and its subscribers on our gateway."""

    async def start(self, server: Server, subscribers: int) -> None:
        self.server = server
        identity = Identity()
        self.publisher = MediaClient(identity)
        self.track = self.publisher.add_track("camera")
        data = {"generation": 1, "name": "publisher", "publish": ["camera"]}
        reply = await server.call("peer.add", peer="publisher", data=data)
        self.own = MediaClient(identity)
        answer = self.own.answer(reply["subscribe"]["sdp"])
        await server.call(
            "peer.answer", peer="publisher", data={"generation": 1, "version": 1, "sdp": answer}
        )
        offer = {"generation": 1, "sdp": self.publisher.offer(), "tracks": self.publisher.published()}
        reply = await server.call("peer.publish", peer="publisher", data=offer)
        self.publisher.connect(reply["sdp"])
        await asyncio.wait_for(self.publisher.connected.wait(), 10)
        self.clients = [
            await subscribe(server, f"s{number}", identity, timed=number < MEASURED)
            for number in range(subscribers)
        ]
        self.latencies: list[float] = []
        for client in self.clients[:MEASURED]:
            client.on_rtp = lambda packet, client=client: self._arrived(packet, client)  # type: ignore[misc]
        self.sequence = 1
        self.filler = os.urandom(PAYLOAD - 16)

    def _arrived(self, packet: bytes, client: MediaClient) -> None:
        self.latencies.append((client.arrived_ns - int.from_bytes(packet[16:24], "big")) / 1e6)

    def _packet(self, frame: int, place: int) -> bytes:
        head = rtp.HEADER.pack(
            0x90,
            self.track.codec.payload_type | (0x80 if place == FRAME_PACKETS - 1 else 0),
            self.sequence & 0xFFFF,
            frame * 3000 & 0xFFFFFFFF,
            self.track.ssrc,
        )
        number = self.publisher.transport_number
        self.publisher.transport_number = (number + 1) & 0xFFFF
        extension = bytes((EXTENSIONS[rtp.TRANSPORT_CC_URI] << 4 | 1,)) + number.to_bytes(2, "big") + b"\0"
        self.sequence += 1
        # Every frame is a key frame to the gateway, so that all subscribers start with the first one.
        start = b"\x10\x00\x9d\x01" if place == 0 else b"\x00\x00\x9d\x01"
        stamp = time.time_ns().to_bytes(8, "big")
        head += rtp.EXTENSION_HEAD.pack(rtp.ONE_BYTE_PROFILE, 1) + extension
        return head + start + stamp + self.filler

    async def run(self, seconds: float) -> int:
        """Send for a while at an even frame rate; packets sent. A frame leaves in two bursts, as if paced."""
        started = time.monotonic()
        frames = int(seconds * FRAME_RATE)
        for frame in range(frames):
            for place in range(FRAME_PACKETS):
                self.publisher.send_rtp(self._packet(frame, place))
                if place == FRAME_PACKETS // 2:
                    await asyncio.sleep(0.004)
            await asyncio.sleep(max(0.0, started + (frame + 1) / FRAME_RATE - time.monotonic()))
        return frames * FRAME_PACKETS

    def close(self) -> None:
        for client in (*self.clients, self.publisher, self.own):
            client.close()


async def measured(server: Server, work: Any) -> tuple[float, float, int]:
    """(CPU seconds of the server, wall seconds, datagrams it sent) while `work` runs."""
    cpu, counters = await server.call("cpu"), await server.call("counters")
    await work
    after, counters_after = await server.call("cpu"), await server.call("counters")
    return (
        after["cpu"] - cpu["cpu"],
        after["wall"] - cpu["wall"],
        counters_after["sent"] - counters["sent"],
    )


async def forwarding(server: Server, subscribers: int, rounds: int, seconds: float) -> dict[str, Any]:
    """CPU and latency of 1 -> `subscribers`."""
    load = Load()
    await load.start(server, subscribers)
    await load.run(1.0)
    results = []
    for _ in range(rounds):
        load.latencies.clear()
        before = sum(client.rtp_received for client in load.clients[:MEASURED])
        cpu, wall, sent = await measured(server, load.run(seconds))
        await asyncio.sleep(0.2)
        arrived = sum(client.rtp_received for client in load.clients[:MEASURED]) - before
        expected = MEASURED * int(seconds * FRAME_RATE) * FRAME_PACKETS
        ordered = sorted(load.latencies)
        results.append(
            {
                "us_per_packet": 1e6 * cpu / sent,
                "core_share": cpu / wall,
                "packets_per_s": sent / wall,
                "p50_ms": ordered[len(ordered) // 2],
                "p99_ms": ordered[int(0.99 * len(ordered))],
                "lost": 1 - arrived / expected,
            }
        )
    load.close()
    return {key: statistics.median(result[key] for result in results) for key in results[0]} | {
        "rounds": results
    }


class Picture(MediaStreamTrack):
    """A moving picture, the same for both servers."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        width, height = RELAY_SIZE
        rng = np.random.default_rng(1)
        self.base = np.kron(rng.integers(0, 255, (height // 8, width // 8, 3)), np.ones((8, 8, 1)))
        self.count = 0
        self.started = time.monotonic()

    async def recv(self) -> av.VideoFrame:
        await asyncio.sleep(max(0.0, self.started + self.count / RELAY_RATE - time.monotonic()))
        picture = np.roll(self.base, self.count * 2, axis=1).astype(np.uint8)
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = self.count * 90000 // RELAY_RATE, fractions.Fraction(1, 90000)
        self.count += 1
        return frame


def connection() -> RTCPeerConnection:
    return RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))


async def offer_picture(publisher: RTCPeerConnection, picture: Picture) -> str:
    transceiver = publisher.addTransceiver(picture, direction="sendonly")
    known = RTCRtpSender.getCapabilities("video").codecs
    transceiver.setCodecPreferences([c for c in known if c.mimeType in ("video/VP8", "video/rtx")])
    await publisher.setLocalDescription(await publisher.createOffer())
    return publisher.localDescription.sdp


async def per_frame(server: Server, picture: Picture, rounds: int, seconds: float) -> list[float]:
    """CPU ms of the server for one frame to one subscriber, a round each; frames are those really made."""
    results = []
    for _ in range(rounds):
        before = picture.count
        cpu, _, sent = await measured(server, asyncio.sleep(seconds))
        frames = picture.count - before
        if sent < frames * RELAY_SUBSCRIBERS // 2:
            raise RuntimeError(f"{server.kind} forwarded {sent} packets of {frames} frames")
        results.append(1000 * cpu / (frames * RELAY_SUBSCRIBERS))
    return results


async def real_video_through_gateway(rounds: int, seconds: float) -> list[float]:
    """CPU ms of our server for one video frame to one subscriber, a round each."""
    async with Server("gateway") as server:
        data = {"generation": 1, "name": "publisher", "publish": ["camera"]}
        await server.call("peer.add", peer="publisher", data=data)
        publisher, picture = connection(), Picture()
        text = await offer_picture(publisher, picture)
        offer = {"generation": 1, "sdp": text, "tracks": [{"mid": "0", "source": "camera"}]}
        reply = await server.call("peer.publish", peer="publisher", data=offer)
        await publisher.setRemoteDescription(RTCSessionDescription(reply["sdp"], "answer"))
        identity = Identity()
        clients = [
            await subscribe(server, f"s{number}", identity, timed=False)
            for number in range(RELAY_SUBSCRIBERS)
        ]
        await asyncio.sleep(2)
        results = await per_frame(server, picture, rounds, seconds)
        for client in clients:
            client.close()
        await publisher.close()
        return results


async def real_video_through_relay(rounds: int, seconds: float) -> list[float]:
    """The same for aiortc's MediaRelay.

    Its subscribers are aiortc peers that take packets and decode nothing.
    """
    async with Server("relay") as server:
        publisher, picture = connection(), Picture()
        text = await offer_picture(publisher, picture)
        reply = await server.call("publish", peer="publisher", sdp=text)
        await publisher.setRemoteDescription(RTCSessionDescription(reply["sdp"], "answer"))
        subscribers = []
        for number in range(RELAY_SUBSCRIBERS):
            subscriber = connection()
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
        results = await per_frame(server, picture, rounds, seconds)
        for peer in (*subscribers, publisher):
            await peer.close()
        return results


async def run(options: argparse.Namespace) -> dict[str, Any]:
    async with Server("gateway") as server:
        ours = await forwarding(server, options.subscribers, options.rounds, options.seconds)
    pairs = []
    for _ in range(options.pairs):
        gateway = statistics.median(await real_video_through_gateway(1, options.seconds))
        relay = statistics.median(await real_video_through_relay(1, options.seconds))
        pairs.append({"gateway_ms_per_frame": gateway, "relay_ms_per_frame": relay, "ratio": relay / gateway})
    beside = {key: statistics.median(pair[key] for pair in pairs) for key in pairs[0]}
    return {
        "machine": {
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "kernel": platform.release(),
            "load_average": os.getloadavg(),
        },
        "settings": vars(options) | {"relay_subscribers": RELAY_SUBSCRIBERS, "relay_size": RELAY_SIZE},
        "forwarding": ours,
        "beside_relay": beside | {"rounds": pairs},
    }


def show(result: dict[str, Any]) -> None:
    ours, beside = result["forwarding"], result["beside_relay"]
    rows = [
        (f"1 publisher -> {result['settings']['subscribers']} subscribers, CPU a forwarded packet",
         f"{ours['us_per_packet']:.2f} us"),
        ("  packets a second, share of one core",
         f"{ours['packets_per_s']:,.0f}, {100 * ours['core_share']:.0f} %"),
        ("  publisher's socket to subscriber's socket, p50 / p99",
         f"{ours['p50_ms']:.2f} / {ours['p99_ms']:.2f} ms"),
        ("  lost on the way", f"{100 * ours['lost']:.2f} %"),
        (f"640x360 at {RELAY_RATE}/s to {RELAY_SUBSCRIBERS}, CPU a frame and subscriber: this server",
         f"{beside['gateway_ms_per_frame']:.3f} ms"),
        ("  aiortc MediaRelay", f"{beside['relay_ms_per_frame']:.3f} ms"),
        ("  ratio (median of pairs)", f"{beside['ratio']:.0f} x"),
    ]  # fmt: skip
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"{name:<{width}}  {value:>20}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--subscribers", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0)
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {core for core in os.sched_getaffinity(0) if core != SERVER_CORE})
    result = asyncio.run(run(options))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    show(result)


if __name__ == "__main__":
    main()
