"""Many subscribers in one process, each behaving like a browser to the network: connectivity checks every
two seconds, transport-wide feedback sixteen times a second where the server numbers its packets, receiver
reports every second, a NACK for one in 200 packets. They decode nothing; only the timed ones decrypt, to find
the time stamp that the load put into each packet.
"""

import asyncio
import contextlib
import os
import resource
import socket
import time
from typing import Any

import numpy as np

from media_gateway.sfu import rtcp, rtp, sdp
from media_gateway.sfu.client import SO_TIMESTAMPNS, MediaClient
from media_gateway.sfu.identity import Identity

from .batch import Array, Drain, Rows
from .feedback import OWN_SSRC, Feedback
from .processes import Event, Handler, main
from .publish import MAGIC

PASS = 0.005
PASSES_A_FEEDBACK = 12
FEEDBACKS_A_REPORT = 16
PACKETS_A_NACK = 200
GROUP = 128
"""Sockets emptied in one pass: with more of them each waits a pass or more."""
SO_RCVBUFFORCE = 33
BUFFER = 8 << 20
TIMED_SHARE = 4000
"""Packets a second that are decrypted to be timed; of more, only a share."""


class Member:
    """One subscriber."""

    def __init__(self, name: str, timed: bool, identity: Identity) -> None:
        self.name = name
        self.timed = timed
        self.client = MediaClient(identity)
        self.feedback = Feedback()
        self.client.on_rtcp = self.feedback.note_rtcp
        self.descriptor = -1
        self.transport_id = 0
        self.turn = 0
        self.since_nack = 0
        self.repairs: frozenset[int] = frozenset()
        self.audio: frozenset[int] = frozenset()

    def answer(self, text: str) -> str:
        offer = sdp.parse(text)
        for section in offer.media:
            self.transport_id = section.extensions.get(rtp.TRANSPORT_CC_URI, self.transport_id)
            self.repairs |= set(section.repairs.values())
            if section.kind == "audio":
                self.audio |= set(section.ssrcs)
        return self.client.answer(text)

    def adopt(self) -> None:
        """Take the socket from the client's own reader."""
        sock = self.client.release_socket()
        self.descriptor = sock.fileno()
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        try:
            sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        except PermissionError:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)

    def report(self) -> None:
        """Send what is due."""
        packet, ssrcs, sequences = self.feedback.take()
        client = self.client
        if packet is not None and self.transport_id:
            client.send_rtcp(packet)
        self.turn += 1
        if not len(ssrcs):
            return
        if self.turn % FEEDBACKS_A_REPORT == 0:
            compound = self.feedback.report(ssrcs, sequences, self.repairs)
            if compound is not None:
                client.send_rtcp(compound)
        self.since_nack += len(ssrcs)
        if self.since_nack > PACKETS_A_NACK:
            media, sequence = int(ssrcs[-1]), int(sequences[-1])
            if media not in self.repairs and media not in self.audio:
                self.since_nack = 0
                client.send_rtcp(rtcp.Nack(OWN_SSRC, media, [sequence]).pack())


class Receivers:
    """All subscribers, and what was counted since `reset`."""

    def __init__(self) -> None:
        self.identity = Identity()
        self.members: dict[str, Member] = {}
        self.list: list[Member] = []
        self.short = Drain()
        self.long = Drain(rows=512, row=2048)
        self.element: tuple[int, int] = (0, 0)
        """(offset of the transport-wide element, its head byte), as the last packet had it"""
        self.repair_type = -1
        self.passes = 0
        self.rng = np.random.default_rng(1)
        self.reset()

    def reset(self) -> None:
        self.media = np.zeros(len(self.list), np.int64)
        self.repair = np.zeros(len(self.list), np.int64)
        self.padded = 0
        self.bytes = 0
        self.latencies: list[float] = []
        self.share = 1.0
        self.cpu = time.process_time()
        self.since = time.monotonic()

    def answer(self, name: str, text: str, timed: bool) -> str:
        member = self.members.get(name)
        if member is None:
            member = self.members[name] = Member(name, timed, self.identity)
            if timed:
                member.client.on_rtp = lambda packet: self._timed(member, packet)
        for section in sdp.parse(text).media:
            for form in section.formats.values():
                if form.apt is not None:
                    self.repair_type = form.payload_type
        return member.answer(text)

    def _timed(self, member: Member, packet: bytes) -> None:
        at = packet.find(MAGIC, 12, 96)
        if at > 0:
            stamp = int.from_bytes(packet[at + len(MAGIC) : at + len(MAGIC) + 8], "big")
            self.latencies.append((member.client.arrived_ns - stamp) / 1e6)

    async def begin(self) -> None:
        """Wait until all are connected and read their sockets from now on."""
        new = [member for member in self.members.values() if member.descriptor < 0]
        for member in new:
            await asyncio.wait_for(member.client.connected.wait(), 20)
        for member in new:
            member.adopt()
        self.list = list(self.members.values())
        self.reset()
        if self.passes == 0:
            self.passes = 1
            asyncio.get_running_loop().call_soon(self._pass)

    def _pass(self) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        self.passes += 1
        groups = max(1, len(self.list) // GROUP)
        turn = self.passes % groups
        due = list(enumerate(self.list))[turn::groups]
        for rows in self.short.read((i, m.descriptor) for i, m in due if not m.timed):
            self._take(rows)
        for rows in self.long.read((i, m.descriptor) for i, m in due if m.timed):
            self._take(rows)
            self._decrypt(rows)
        phase = self.passes % PASSES_A_FEEDBACK
        for member in self.list[phase::PASSES_A_FEEDBACK]:
            member.report()
        loop.call_at(max(started + PASS, loop.time()), self._pass)

    def _take(self, rows: Rows) -> None:
        data = rows.data
        first, second = data[:, 0], data[:, 1]
        media = (first >= 128) & ((second < 192) | (second > 223)) & (rows.lengths >= 12)
        repair = media & ((second & 0x7F) == self.repair_type)
        size = len(self.list)
        self.repair += np.bincount(rows.owners[repair], minlength=size)
        self.media += np.bincount(rows.owners[media & ~repair], minlength=size)
        self.padded += int((media & ~repair & ((first & 0x20) > 0)).sum())
        self.bytes += int(rows.lengths[media].sum())
        numbers = self._numbers(rows, media)
        words = data[:, :12].astype(np.int64)
        sequences = words[:, 2] << 8 | words[:, 3]
        ssrcs = words[:, 8] << 24 | words[:, 9] << 16 | words[:, 10] << 8 | words[:, 11]
        times = rows.arrived_ns // 1000
        all_media = bool(media.all())
        for owner, start, count in rows.segments:
            part = slice(start, start + count)
            member = self.list[owner]
            if all_media:
                member.feedback.add(numbers[part], times[part], ssrcs[part], sequences[part])
                continue
            kept = media[part]
            if kept.any():
                member.feedback.add(
                    numbers[part][kept], times[part][kept], ssrcs[part][kept], sequences[part][kept]
                )
            for row in (np.nonzero(~kept)[0] + start).tolist():
                member.client.feed(bytes(data[row, : rows.lengths[row]]))

    def _numbers(self, rows: Rows, media: Array) -> Array:
        """The transport-wide number of each packet, -1 where there is none."""
        data = rows.data
        at, head = self.element
        extended = media & ((data[:, 0] & 16) > 0)
        found = extended & (data[:, at] == head) & (at > 0)
        numbers = np.where(found, data[:, at + 1].astype(np.int64) << 8 | data[:, at + 2], -1)
        for row in np.nonzero(extended & ~found)[0].tolist():
            ident = self.list[rows.owners[row]].transport_id
            raw = bytes(data[row, : min(64, int(rows.lengths[row]))])
            place = element_offset(raw, ident)
            if place:
                self.element = place, ident << 4 | 1
                numbers[row] = raw[place + 1] << 8 | raw[place + 2]
        return numbers

    def _decrypt(self, rows: Rows) -> None:
        data, lengths = rows.data, rows.lengths
        for row, owner in enumerate(rows.owners.tolist()):
            if data[row, 0] < 128 or 192 <= data[row, 1] <= 223:
                continue
            if self.share < 1 and self.rng.random() > self.share:
                continue
            client = self.list[owner].client
            client.arrived_ns = int(rows.arrived_ns[row])
            client.feed(bytes(data[row, : lengths[row]]))
        if len(self.latencies) > TIMED_SHARE * (time.monotonic() - self.since + 0.1):
            self.share = max(0.05, self.share * 0.9)

    def told(self) -> dict[str, Any]:
        """Counters since `reset`."""
        return {
            "media": int(self.media.sum()),
            "media_min": int(self.media.min()) if len(self.media) else 0,
            "repair": int(self.repair.sum()),
            "padded": self.padded,
            "bytes": self.bytes,
            "cpu": time.process_time() - self.cpu,
            "wall": time.monotonic() - self.since,
            "latencies": self.latencies,
        }


def element_offset(packet: bytes, ident: int) -> int:
    """Where the two-byte element `ident` stands in a one-byte header extension; 0 when it is not there."""
    at = 12 + 4 * (packet[0] & 15)
    if len(packet) < at + 4 or packet[at : at + 2] != b"\xbe\xde":
        return 0
    end = min(len(packet) - 2, at + 4 + 4 * int.from_bytes(packet[at + 2 : at + 4], "big"))
    at += 4
    while at < end:
        head = packet[at]
        if head >> 4 == ident and head & 15 == 1:
            return at
        at += 1 if head == 0 else 2 + (head & 15)
    return 0


async def make(emit: Event) -> Handler:
    """The requests of the parent."""
    with contextlib.suppress(ValueError, OSError):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    receivers = Receivers()

    async def handle(request: dict[str, Any]) -> dict[str, Any]:
        op = request["op"]
        if op == "answer":
            return {"sdp": receivers.answer(request["name"], request["sdp"], request["timed"])}
        if op == "begin":
            await receivers.begin()
            return {"profiles": sorted({m.client.profile.name.decode() for m in receivers.list})}
        if op == "reset":
            receivers.reset()
            return {"pid": os.getpid()}
        if op == "told":
            return receivers.told()
        if op == "close":
            for member in receivers.list:
                member.client.close()
            return {}
        raise ValueError(f"unknown request {op}")

    return handle


if __name__ == "__main__":
    main(make, server=False)
