"""A source with layers and subscribers without a network: what would leave is kept as packets."""

from collections.abc import Iterable
from typing import Any

from media_gateway.sfu import rtp
from media_gateway.sfu.bandwidth import BandwidthEstimator
from media_gateway.sfu.burst import Run
from media_gateway.sfu.codecs import OPUS, VP8, Codec
from media_gateway.sfu.downtrack import DownTrack
from media_gateway.sfu.layer import Layer
from media_gateway.sfu.sender import Sender
from media_gateway.sfu.source import Source
from media_gateway.sfu.udp import renumbered


class Transport:
    """Connected, and nothing behind it."""

    def __init__(self) -> None:
        self.srtp_handle: Any = object()
        self.tag = 16
        self.destination: Any = object()
        self.stream = None
        self.rtcp: list[bytes] = []

    def send_rtcp(self, packet: bytes) -> None:
        self.rtcp.append(packet)


class Wire:
    """Takes what a socket would send."""

    def __init__(self) -> None:
        self.out: dict[int, list[bytes]] = {}

    def fan_out(self, run: Run, receivers: Iterable[DownTrack], now: float) -> None:
        for receiver in receivers:
            if run.first < receiver.floor or receiver.hold(run, now):
                continue
            for record, packet in zip(run.records, run.packets, strict=True):
                self.send_packet(receiver.sender, renumbered(record, packet, receiver), now)

    def send_packet(self, sender: Sender, packet: bytes, now: float) -> None:
        sender.number = (sender.number + 1) & 0xFFFF
        sender.sent(1, len(packet) + 16, now)
        self.out.setdefault(id(sender), []).append(packet)


class Uplink:
    """Counts the key frames asked for."""

    def __init__(self) -> None:
        self.asked = 0

    def request_keyframe(self) -> bool:
        self.asked += 1
        return True


class World:
    """One source; `subscriber()` adds receivers, `frame()` publishes."""

    def __init__(self, codec: Codec = VP8, name: str = "camera", rids: tuple[str, ...] = ("",)) -> None:
        self.wire = Wire()
        self.outbox: list[Layer] = []
        self.active: list[dict[str, bool]] = []
        self.source = Source(1, "ann", "Ann", name, codec, self.wire, self.outbox)  # type: ignore[arg-type]
        self.source.layers_wanted = self.active.append
        for rid in rids:
            self.source.layer(rid).uplink = Uplink()
        self.counts = {rid: [1000 * (place + 1), 200 * place, place] for place, rid in enumerate(rids)}
        self.now = 100.0

    def subscriber(self) -> DownTrack:
        transport = Transport()
        sender = Sender(transport, self.wire, BandwidthEstimator(self.now), lambda sender: None)  # type: ignore[arg-type]
        down = DownTrack(self.source, sender, "0")
        down.rtx = down.attached = True
        self.source.attach(down, self.now)
        return down

    def frame(self, rid: str = "", *, key: bool = False, packets: int = 1, size: int = 50) -> None:
        """One VP8 frame of a layer; the layers' clocks are one, as an encoder's are."""
        sequence, picture, tl0 = self.counts[rid]
        timestamp = int(self.now * 90000) + self.counts[rid][1] & 0xFFFFFFFF
        for place in range(packets):
            head = bytes((0x90 if place == 0 else 0x80, 0xC0)) + (0x8000 | picture & 0x7FFF).to_bytes(
                2, "big"
            )
            head += bytes((tl0 & 0xFF,))
            start = b"\x00\x00\x00\x9d\x01\x2a\x00\x05\xd0\x02" if key else b"\x01\x00\x00"
            payload = head + (start if place == 0 else b"\x55") + bytes(size)
            marker = int(place == packets - 1)
            self.source.layer(rid).deliver(sequence, timestamp, marker, memoryview(payload), self.now)
            sequence += 1
        self.counts[rid] = [sequence, picture + 1, tl0 + 1]

    def voice(self, *, forward: bool = True) -> None:
        sequence = self.counts[""][0]
        self.counts[""][0] += 1
        stamp = int(self.now * 48000) & 0xFFFFFFFF
        self.source.layer("").deliver(sequence, stamp, 0, memoryview(b"opus"), self.now, forward=forward)

    def pass_time(self, seconds: float = 1 / 30) -> None:
        """Send what waits, then let time go by."""
        waiting, self.outbox[:] = list(self.outbox), []
        for layer in waiting:
            layer.send(self.now)
        self.now += seconds

    def got(self, down: DownTrack) -> list[rtp.Parsed]:
        """Media packets a subscriber got, without resends."""
        return [
            p for p in map(rtp.parse, self.wire.out.get(id(down.sender), [])) if p.ssrc == self.source.ssrc
        ]

    def raw(self, down: DownTrack) -> list[bytes]:
        return self.wire.out.get(id(down.sender), [])


def pictures(packets: list[bytes], ssrc: int) -> list[tuple[int, int]]:
    """(picture id, TL0PICIDX) of each media packet."""
    found = []
    for packet in packets:
        parsed = rtp.parse(packet)
        if parsed.ssrc == ssrc:
            payload = packet[parsed.start : parsed.end]
            found.append((int.from_bytes(payload[2:4], "big") & 0x7FFF, payload[4]))
    return found


__all__ = ["OPUS", "VP8", "Transport", "Uplink", "World", "pictures"]
