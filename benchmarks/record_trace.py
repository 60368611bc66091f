"""Record when real Chromium sends which packets of a 1280x720 camera: `benchmarks/traces/camera-720p.json`.

    python -m benchmarks.record_trace [--seconds 10] [--warm-up 15]

Chromium publishes a made-up but lively picture (a textured room, sensor noise, somebody who sways and at
times gestures) in three layers to the media server. A relay between the two notes the kernel's receive time,
length and header of each datagram; headers are not encrypted, contents are not needed. Run it on a quiet
machine.
"""

import argparse
import asyncio
import json
import socket
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from playwright.async_api import async_playwright

from media_gateway.sfu import rtp
from media_gateway.sfu.client import SO_TIMESTAMPNS
from media_gateway.sfu.client_sdp import RID_URI
from media_gateway.sfu.gateway import Gateway, GatewayConfig
from tests.e2e.conftest import FLAGS
from tests.services.browser import chromium_path

TRACE = Path(__file__).parent / "traces" / "camera-720p.json"
WIDTH, HEIGHT, RATE, LOOP = 1280, 720, 30, 6
LAYERS = {"q": (4, 150_000), "h": (2, 500_000), "f": (1, 1_700_000)}
"""rid -> (how much smaller, bit/s at most): what the room page publishes"""
TAG = 16
"""Bytes of the authentication tag (AES-GCM)."""

PAGE = """<!doctype html><script>
async function start(layers) {
  const video = { width: 1280, height: 720, frameRate: 30 };
  const stream = await navigator.mediaDevices.getUserMedia({ video });
  window.pc = new RTCPeerConnection();
  const sendEncodings = Object.entries(layers).map(([rid, [scaleResolutionDownBy, maxBitrate]]) =>
    ({ rid, scaleResolutionDownBy, maxBitrate }));
  const transceiver = pc.addTransceiver(stream.getVideoTracks()[0], { direction: 'sendonly', sendEncodings });
  await pc.setLocalDescription();
  const answer = await publish(pc.localDescription.sdp, transceiver.mid);
  await pc.setRemoteDescription({ type: 'answer', sdp: answer });
}
async function told() {
  const all = [...(await pc.getStats()).values()].filter((s) => s.type === 'outbound-rtp');
  return all.map(({ rid, frameWidth, frameHeight, framesPerSecond, qualityLimitationReason }) =>
    ({ rid, frameWidth, frameHeight, framesPerSecond, qualityLimitationReason }));
}
</script>"""


def pictures() -> Iterator[bytes]:
    """The frames of the clip as 4:2:0 planes."""
    rng = np.random.default_rng(7)
    # Natural pictures hold about as much in each octave of detail: noise that falls off with frequency.
    fy, fx = np.fft.fftfreq(HEIGHT)[:, None], np.fft.rfftfreq(WIDTH)[None, :]
    falloff = 1 / np.maximum(np.hypot(fy, fx), 1 / WIDTH) ** 1.1

    def texture() -> Any:
        made = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((HEIGHT, WIDTH))) * falloff, (HEIGHT, WIDTH))
        return (made - made.min()) / (made.max() - made.min())

    room, person = 40 + 150 * texture(), 70 + 160 * texture()
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    for step in range(LOOP * RATE):
        t = step / RATE
        lively = max(0.0, np.sin(2 * np.pi * t / LOOP)) ** 2
        sway = int(25 * np.sin(2 * np.pi * t / 3)), int(8 * np.sin(2 * np.pi * t / 1.5))
        head = ((x - 640 - sway[0]) / 130) ** 2 + ((y - 270 - sway[1]) / 170) ** 2 < 1
        body = ((x - 640 - sway[0] // 2) / 330) ** 2 + ((y - 760) / 330) ** 2 < 1
        hand_x, hand_y = 300 + 200 * np.sin(7 * t) * lively, 620 - 260 * lively
        hand = ((x - hand_x) / 60) ** 2 + ((y - hand_y) / 70) ** 2 < 1
        moved = np.roll(person, sway[::-1], axis=(0, 1))
        light = np.where(head | body | hand, moved, room) + rng.normal(0, 2.0, room.shape)
        chroma = np.where(head | hand, 150, np.where(body, 110, 128))[::2, ::2].astype(np.uint8)
        yield light.clip(16, 235).astype(np.uint8).tobytes() + chroma.tobytes() + (255 - chroma).tobytes()


def write_clip(path: Path) -> Path:
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{RATE}:1 Ip A1:1 C420jpeg\n".encode())
        for picture in pictures():
            file.write(b"FRAME\n" + picture)
    return path


class Relay:
    """Stands between the browser and the server and writes down what the browser sends."""

    def __init__(self, server: tuple[str, int]) -> None:
        self.outer, self.inner = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        for sock in (self.outer, self.inner):
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.outer.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.outer.bind(("127.0.0.1", 0))
        self.inner.connect(server)
        self.port: int = self.outer.getsockname()[1]
        self.browser: tuple[str, int] | None = None
        self.seen: list[tuple[int, int, bytes]] = []
        """(Unix ns, bytes, the first 64 of them)"""
        loop = asyncio.get_running_loop()
        loop.add_reader(self.outer.fileno(), self._up)
        loop.add_reader(self.inner.fileno(), self._down)

    def _up(self) -> None:
        while True:
            try:
                data, ancillary, _, self.browser = self.outer.recvmsg(2048, 64)
            except BlockingIOError:
                return
            seconds, nanoseconds = struct.unpack("qq", ancillary[0][2])
            if data[0] >= 128 and not rtp.is_rtcp(data):
                self.seen.append((seconds * 1_000_000_000 + nanoseconds, len(data), data[:64]))
            self.inner.send(data)

    def _down(self) -> None:
        while True:
            try:
                data = self.inner.recv(2048)
            except BlockingIOError:
                return
            if self.browser is not None:
                self.outer.sendto(data, self.browser)

    def close(self) -> None:
        for sock in (self.outer, self.inner):
            asyncio.get_running_loop().remove_reader(sock.fileno())
            sock.close()


def layers_of(
    seen: list[tuple[int, int, bytes]], first: int, rid_id: int, media_type: int
) -> dict[str, list[list[int]]]:
    """rid -> packets from place `first` on, as [us since the one before, payload bytes, 1 starts a frame | 2
    ends it].
    """
    rids: dict[int, str] = {}
    for _, _, head in seen:  # only the first packets of a stream carry its name
        name = rtp.read_extensions(head, len(head)).get(rid_id)
        if name:
            rids.setdefault(int.from_bytes(head[8:12], "big"), name.decode())
    seen = seen[first:]
    packets: dict[str, list[list[int]]] = {}
    stamps: dict[str, int] = {}
    last: dict[str, int] = {}
    begin = seen[0][0]
    for when, length, head in seen:
        ssrc, kind = int.from_bytes(head[8:12], "big"), head[1] & 0x7F
        if kind != media_type:
            continue  # a repair or a probe
        rid = rids.get(ssrc, "f")
        stamp = int.from_bytes(head[4:8], "big")
        starts = stamps.get(rid, stamp) != stamp
        # The loop begins with a whole frame.
        if starts or rid in last:
            start, end = rtp.payload_bounds(bytes((head[0] & ~32,)) + head[1:], length)
            flags = (1 if starts else 0) | (2 if head[1] & 0x80 else 0)
            step = (when - last.get(rid, begin)) // 1000
            packets.setdefault(rid, []).append([step, end - start - TAG, flags])
            last[rid] = last.get(rid, begin) + step * 1000
        stamps[rid] = stamp
    return packets


async def record(clip: Path, warm_up: float, seconds: float) -> dict[str, Any]:
    gateway = Gateway(GatewayConfig(host="127.0.0.1"), lambda event: None)
    await gateway.start()
    relay = Relay(("127.0.0.1", gateway.port))
    add = {"generation": 1, "name": "camera", "publish": ["camera"]}
    await gateway.handle("peer.add", "room", "camera", add)
    offered = ""

    async def publish(sdp: str, mid: str) -> str:
        nonlocal offered
        offered = sdp
        data = {"generation": 1, "sdp": sdp, "tracks": [{"mid": mid, "source": "camera"}]}
        answer: str = (await gateway.handle("peer.publish", "room", "camera", data))["sdp"]
        return answer.replace(f" 127.0.0.1 {gateway.port} ", f" 127.0.0.1 {relay.port} ")

    async with async_playwright() as driver:
        device = f"--use-file-for-fake-video-capture={clip}"
        browser = await driver.chromium.launch(executable_path=chromium_path(), args=[*FLAGS, device])
        page = await browser.new_page()
        await page.route("http://localhost/", lambda r: r.fulfill(body=PAGE, content_type="text/html"))
        await page.expose_function("publish", publish)
        await page.goto("http://localhost/")
        await page.evaluate("layers => start(layers)", LAYERS)
        await asyncio.sleep(warm_up)
        first = len(relay.seen)
        await asyncio.sleep(seconds)
        seen, told = list(relay.seen), await page.evaluate("told()")
        version = browser.version
        await browser.close()
    relay.close()
    await gateway.stop()
    lines = offered.splitlines()
    rid_id = next((int(line[9:].split()[0]) for line in lines if line.endswith(RID_URI)), 0)
    vp8 = next(int(line[9:].split()[0]) for line in lines if line.endswith("VP8/90000"))
    sizes = {s.get("rid", "f"): [s["frameWidth"], s["frameHeight"]] for s in told}
    layers = {}
    for rid, packets in layers_of(seen, first, rid_id, vp8).items():
        rate = round(8 * sum(size for _, size, _ in packets) / seconds)
        layers[rid] = {"size": sizes[rid], "bitrate": rate, "packets": packets}
    return {"browser": version, "codec": "VP8", "seconds": seconds, "told": told, "layers": layers}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--warm-up", type=float, default=15.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clip = write_clip(Path(folder) / "camera.y4m")
        result = asyncio.run(record(clip, options.warm_up, options.seconds))
    TRACE.parent.mkdir(exist_ok=True)
    TRACE.write_text(json.dumps(result, separators=(",", ":")) + "\n")
    for rid, layer in result["layers"].items():
        packets = layer["packets"]
        frames = sum(flags & 1 for _, _, flags in packets)
        rate = f"{layer['bitrate'] / 1000:.0f} kbit/s"
        print(rid, layer["size"], rate, f"{len(packets)} packets, {frames} frames")


if __name__ == "__main__":
    main()
