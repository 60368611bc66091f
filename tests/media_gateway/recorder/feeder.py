"""Test helpers: a media worker that sends the recorder feed, and media with known content."""

from __future__ import annotations

import asyncio
import fractions
import random
import socket
import struct
from dataclasses import dataclass, field

import av
import numpy as np
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import Vp8Encoder

from media_gateway.recorder import feed

START_NS = 1_790_000_000_000_000_000
SECOND = 1_000_000_000
NTP_EPOCH = 2_208_988_800


def rtp(
    seq: int, timestamp: int, payload: bytes, *, marker: bool = False, ssrc: int = 1, payload_type: int = 96
) -> bytes:
    return (
        struct.pack("!BBHII", 0x80, marker << 7 | payload_type, seq & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc)
        + payload
    )


def ntp(seconds: float) -> int:
    """Unix seconds to the 64-bit NTP format."""
    return int((seconds + NTP_EPOCH) * (1 << 32))


class Worker:
    """Sends datagrams the way a media worker does; each has its own socket, as each process would."""

    def __init__(self, answer: dict, instance: str = "instance-1") -> None:
        self.address = tuple(answer["address"])
        self.token = bytes.fromhex(answer["token"])
        self.instance = instance
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sent = 0

    def send(self, datagram: bytes) -> None:
        self.socket.sendto(datagram, self.address)
        self.sent += 1

    def close(self) -> None:
        self.socket.close()

    def info(self, peer: str, source: str, name: str = "", codec: str = "") -> feed.TrackInfo:
        video = source in ("camera", "screen")
        return feed.TrackInfo(
            instance=self.instance,
            peer=peer,
            name=name or peer.title(),
            source=source,
            kind="video" if video else "audio",
            codec=codec or ("VP8" if video else "opus"),
            clock_rate=90_000 if video else 48_000,
            channels=1 if video else 2,
        )


@dataclass
class Stream:
    """A track's datagrams with their times, made before they are sent so that tests can spoil them."""

    worker: Worker
    number: int
    info: feed.TrackInfo
    items: list[tuple[float, bytes]] = field(default_factory=list)  # (seconds after START_NS, datagram)

    def arrival(self, at: float) -> int:
        return START_NS + round(at * SECOND)

    def describe(self, start: float, end: float) -> None:
        """The description that a media worker repeats every 2 seconds while the track lives."""
        at = start
        while at <= end:
            self.items.append(
                (at, feed.pack_track(self.worker.token, self.number, self.arrival(at), self.info))
            )
            at += 2.0

    def packet(self, at: float, packet: bytes) -> None:
        self.items.append((at, feed.pack_rtp(self.worker.token, self.number, self.arrival(at), packet)))

    def state(self, at: float, **state: bool) -> None:
        self.items.append((at, feed.pack_state(self.worker.token, self.number, self.arrival(at), **state)))

    def report(self, at: float, ntp_seconds: float, timestamp: int) -> None:
        self.items.append(
            (
                at,
                feed.pack_report(
                    self.worker.token, self.number, self.arrival(at), ntp(ntp_seconds), timestamp & 0xFFFFFFFF
                ),
            )
        )


async def send_all(*streams: Stream) -> None:
    """Send in order of time, giving the recorder its turn so that the socket's buffer never overflows."""
    items = sorted(
        (
            (at, index, stream.worker, datagram)
            for stream in streams
            for index, (at, datagram) in enumerate(stream.items)
        ),
        key=lambda item: (item[0], item[1]),
    )
    for count, (_, _, worker, datagram) in enumerate(items):
        worker.send(datagram)
        if count % 64 == 63:
            await asyncio.sleep(0)
    for _ in range(20):
        await asyncio.sleep(0)


def picture(color: tuple[int, int, int], width: int = 320, height: int = 180) -> np.ndarray:
    """A plain RGB picture."""
    return np.full((height, width, 3), color, dtype=np.uint8)


class Vp9Encoder:
    """Encodes VP9 and cuts frames into RTP payloads (RFC 9628), as aiortc's encoders do for other codecs."""

    def __init__(self) -> None:
        self.target_bitrate = 500_000
        self.context: av.VideoCodecContext | None = None
        self.count = 0

    def encode(self, frame: av.VideoFrame, force_keyframe: bool = False) -> tuple[list[bytes], int]:
        size = (frame.width, frame.height)
        if self.context is None or (self.context.width, self.context.height) != size:
            self.context = av.CodecContext.create("libvpx-vp9", "w")
            self.context.width, self.context.height = size
            self.context.pix_fmt, self.context.bit_rate = "yuv420p", self.target_bitrate
            self.context.time_base = fractions.Fraction(1, 90_000)
            self.context.framerate, self.context.gop_size = fractions.Fraction(15), 1000
            self.context.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
        kinds = av.video.frame.PictureType
        frame.pict_type = kinds.I if force_keyframe else kinds.NONE
        (packet,) = self.context.encode(frame)
        data = bytes(packet)
        pieces = [data[at : at + 1000] for at in range(0, len(data), 1000)]
        picture = (0x8000 | self.count & 0x7FFF).to_bytes(2, "big")
        self.count += 1
        flags = [0x80 | (0 if packet.is_keyframe else 0x40) for _ in pieces]
        flags[0] |= 0x08
        flags[-1] |= 0x04
        return [
            bytes((flag,)) + picture + piece for flag, piece in zip(flags, pieces, strict=True)
        ], frame.pts


ENCODERS = {"VP8": Vp8Encoder, "H264": H264Encoder, "VP9": Vp9Encoder}


def add_video(
    stream: Stream,
    start: float,
    end: float,
    color: tuple[int, int, int] | None = None,
    *,
    draw=None,
    fps: int = 15,
    width: int = 320,
    height: int = 180,
    first_seq: int = 1000,
    first_timestamp: int = 5000,
    keyframe_every: float = 0,
    delay: float = 0.02,
    ssrc: int = 1,
    describe: bool = True,
) -> int:
    """Encode pictures (``draw(seconds) -> RGB array`` or one colour) and packetise them.

    Returns the next sequence number.

    The RTP timestamp of ``start`` is ``first_timestamp``; packets come ``delay`` seconds after capture.
    """
    encoder = ENCODERS[stream.info.codec]()
    encoder.target_bitrate = 500_000
    still = None if color is None else picture(color, width, height)
    seq = first_seq
    if describe:
        stream.describe(start, end)
    count = round((end - start) * fps)
    for index in range(count):
        at = start + index / fps
        rgb = still if still is not None else draw(at)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24").reformat(
            format="yuv420p"
        )
        frame.pts = index * 90_000 // fps
        frame.time_base = fractions.Fraction(1, 90_000)
        forced = bool(keyframe_every) and index % round(keyframe_every * fps) == 0
        payloads, _ = encoder.encode(frame, force_keyframe=forced)
        timestamp = first_timestamp + index * 90_000 // fps
        for part, payload in enumerate(payloads):
            packet = rtp(seq, timestamp, payload, marker=part == len(payloads) - 1, ssrc=ssrc)
            stream.packet(at + delay + part * 0.0005, packet)
            seq += 1
    return seq


def tone(frequency: float, seconds: float, amplitude: float = 0.2) -> np.ndarray:
    """Mono float samples at 48 kHz."""
    return amplitude * np.sin(2 * np.pi * frequency * np.arange(round(seconds * 48_000)) / 48_000)


def opus_packets(samples: np.ndarray) -> list[bytes]:
    """20 ms packets of mono or stereo (n, 2) float samples."""
    stereo = np.repeat(samples[:, None], 2, axis=1) if samples.ndim == 1 else samples
    encoder = av.CodecContext.create("libopus", "w")
    encoder.bit_rate, encoder.format, encoder.layout, encoder.sample_rate = 64_000, "s16", "stereo", 48_000
    packets = []
    data = (np.clip(stereo, -1, 1) * 32767).astype(np.int16)
    for index in range(len(data) // 960):
        part = np.ascontiguousarray(data[index * 960 : (index + 1) * 960]).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(part, format="s16", layout="stereo")
        frame.sample_rate, frame.pts = 48_000, index * 960
        frame.time_base = fractions.Fraction(1, 48_000)
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    return packets


def add_audio(
    stream: Stream,
    start: float,
    samples: np.ndarray,
    *,
    first_seq: int = 500,
    first_timestamp: int = 70_000,
    delay: float = 0.02,
    ssrc: int = 2,
    describe: bool = True,
) -> int:
    """Packetise samples as Opus from ``start`` on; returns the next sequence number."""
    packets = opus_packets(samples)
    if describe:
        stream.describe(start, start + len(packets) * 0.02)
    for index, payload in enumerate(packets):
        packet = rtp(
            first_seq + index,
            first_timestamp + index * 960,
            payload,
            ssrc=ssrc,
            payload_type=111,
            marker=index == 0,
        )
        stream.packet(start + index * 0.02 + delay, packet)
    return first_seq + len(packets)


def spoil(
    stream: Stream, *, seed: int = 1, loss: float = 0.0, reorder: float = 0.0, duplicate: float = 0.0
) -> None:
    """Lose, swap and double RTP datagrams as a bad network does."""
    chance = random.Random(seed)
    spoiled: list[tuple[float, bytes]] = []
    for at, datagram in stream.items:
        if datagram[0] != feed.KIND_RTP:
            spoiled.append((at, datagram))
            continue
        if chance.random() < loss:
            continue
        late = 0.03 if chance.random() < reorder else 0.0
        spoiled.append((at + late, _retime(datagram, stream.arrival(at + late))))
        if chance.random() < duplicate:
            spoiled.append((at + 0.01, _retime(datagram, stream.arrival(at + 0.01))))
    stream.items = spoiled


def _retime(datagram: bytes, arrival_ns: int) -> bytes:
    kind, token, number, _ = feed.DATAGRAM.unpack_from(datagram)
    return feed.DATAGRAM.pack(kind, token, number, arrival_ns) + datagram[feed.DATAGRAM.size :]
