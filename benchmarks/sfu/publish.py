"""Publishers that send schedules: headers and extensions as a browser writes them, a time stamp in the
payload, key frames when they are asked for, sender reports every second.
"""

import asyncio
import heapq
import os
import random
import secrets
import time

from media_gateway.sfu import rtcp, rtp
from media_gateway.sfu.client import EXTENSIONS, MediaClient, OutTrack
from media_gateway.sfu.client_sdp import LAYER_EXTENSIONS, RID_URI

from .schedule import Schedule, Slot

MAGIC = b"plenum-bench"
"""Stands before the time stamp (8 bytes, Unix ns) in the payload of each video packet."""
REPORT_EVERY = 1.0
_FILLER = os.urandom(1500)
_LEVEL = 30


class Stream:
    """One ssrc of a publisher on its schedule. Numbers go on from loop to loop."""

    def __init__(self, client: MediaClient, track: OutTrack, rid: str, schedule: Schedule) -> None:
        self.client, self.track, self.schedule = client, track, schedule
        self.ssrc = track.layers[rid] if rid else track.ssrc
        self.clock = track.codec.clock_rate
        self.sequence = random.randrange(1000)
        self.base = secrets.randbits(20)
        self.picture = self.tl0 = 0
        self.key = True
        self.key_wanted = True
        self.packets = self.octets = 0
        self.timestamp = self.base
        fixed = bytes((EXTENSIONS[rtp.MID_URI] << 4,)) + track.mid.encode()[:1]
        if rid:
            fixed += bytes((LAYER_EXTENSIONS[RID_URI] << 4,)) + rid.encode()[:1]
        if track.codec.kind == "audio":
            fixed += bytes((EXTENSIONS[rtp.AUDIO_LEVEL_URI] << 4, _LEVEL))
        self.fixed = fixed + bytes(-(len(fixed) + 3) % 4)

    def send(self, slot: Slot, when: float) -> None:
        """One packet of the schedule, due at `when` seconds of the load's clock."""
        track, client = self.track, self.client
        if slot.starts:
            self.timestamp = (self.base + int(when * self.clock)) & 0xFFFFFFFF
            self.picture = (self.picture + 1) & 0x7FFF
            self.tl0 = (self.tl0 + 1) & 0xFF
            self.key, self.key_wanted = self.key_wanted, False
        number = client.transport_number
        client.transport_number = (number + 1) & 0xFFFF
        extension = bytes((EXTENSIONS[rtp.TRANSPORT_CC_URI] << 4 | 1, number >> 8, number & 255)) + self.fixed
        head = rtp.HEADER.pack(
            0x90, track.codec.payload_type | (0x80 if slot.marker else 0), self.sequence & 0xFFFF,
            self.timestamp, self.ssrc,
        )  # fmt: skip
        head += rtp.EXTENSION_HEAD.pack(rtp.ONE_BYTE_PROFILE, len(extension) // 4) + extension
        self.sequence += 1
        payload = self._video(slot) if track.codec.kind == "video" else _FILLER[: slot.size]
        self.packets += 1
        self.octets += len(payload)
        client.send_rtp(head + payload)

    def _video(self, slot: Slot) -> bytes:
        start = bytes((
            0x90 if slot.starts else 0x80, 0xE0, 0x80 | self.picture >> 8, self.picture & 255, self.tl0, 0,
        ))  # fmt: skip
        if slot.starts:
            width, height = self.schedule.size
            start += b"\x10\x02\x00" if self.key else b"\x11\x02\x00"
            if self.key:
                start += b"\x9d\x01\x2a" + width.to_bytes(2, "little") + height.to_bytes(2, "little")
        start += MAGIC + time.time_ns().to_bytes(8, "big")
        return start + _FILLER[: max(0, slot.size - len(start))]

    def report(self) -> None:
        if self.packets:
            now = rtcp.ntp_time(time.time())
            report = rtcp.SenderReport(self.ssrc, now, self.timestamp, self.packets, self.octets)
            self.client.send_rtcp(report.pack() + rtcp.source_description(self.ssrc, "x"))


class Load:
    """Streams that play together. `late_ms` tells how far behind its schedule the load was at worst."""

    def __init__(self) -> None:
        self.streams: list[Stream] = []
        self.origin = time.monotonic()
        self.sent = 0
        self.late_ms = 0.0

    def add(self, client: MediaClient, track: OutTrack, rid: str, schedule: Schedule) -> Stream:
        stream = Stream(client, track, rid, schedule)
        self.streams.append(stream)
        previous = client.on_rtcp

        def hear(packet: bytes) -> None:
            previous(packet)
            for part in rtcp.parse(packet):
                if isinstance(part, rtcp.KeyFrameRequest) and part.media == stream.ssrc:
                    stream.key_wanted = True

        client.on_rtcp = hear
        return stream

    async def play(self, seconds: float, streams: list[Stream] | None = None) -> int:
        """Send for a while; packets sent. Each stream starts at a place of its own in its loop."""
        chosen = self.streams if streams is None else streams
        started = time.monotonic()
        queue: list[tuple[float, int, int, float]] = []
        for place, stream in enumerate(chosen):
            slots, period = stream.schedule.slots, stream.schedule.period
            phase = period * ((place * 0.618) % 1)
            first = next((i for i, slot in enumerate(slots) if slot.starts and slot.at >= phase), 0)
            queue.append((place * 0.0037 % 0.033, place, first, place * 0.0037 % 0.033 - slots[first].at))
        heapq.heapify(queue)
        before, reports = self.sent, started + REPORT_EVERY
        self.late_ms = 0.0
        while queue[0][0] < seconds:
            now = time.monotonic()
            due = queue[0][0] - (now - started)
            if due > 0:
                if now > reports:
                    reports = now + REPORT_EVERY
                    for stream in chosen:
                        stream.report()
                await asyncio.sleep(due)
                continue
            self.late_ms = max(self.late_ms, -1000 * due)
            at, place, index, offset = queue[0]
            stream = chosen[place]
            slots = stream.schedule.slots
            stream.send(slots[index], started - self.origin + at)
            self.sent += 1
            index += 1
            if index == len(slots):
                index, offset = 0, offset + stream.schedule.period
            heapq.heapreplace(queue, (slots[index].at + offset, place, index, offset))
        return self.sent - before
