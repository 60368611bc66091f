"""Hostile datagrams by the million, straight into the endpoint of a gateway that is at work.

`python -m tests.media_gateway.sfu.fuzz --count 1000000` prints the figures. In one room Ann sends to Bob and
both turn hostile; in another Carol sends to Dave over real sockets all the while, and every picture of hers
must arrive. Strangers send damaged copies of everybody's datagrams, from their own and from stolen
addresses.
"""

import argparse
import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from media_gateway.sfu import dependency, stun
from media_gateway.sfu.allowance import Allowance
from media_gateway.sfu.client import MediaClient
from media_gateway.sfu.codecs import AV1, H264, OPUS, RED, VP8, VP9, Codec
from media_gateway.sfu.endpoint import Endpoint
from media_gateway.sfu.udp import Address, Slot
from tests.media_gateway.sfu.captured import packets
from tests.media_gateway.sfu.mutations import damaged, hostile_layer, hostile_rtcp, hostile_rtp
from tests.media_gateway.sfu.support import DELTA_FRAME, KEY_FRAME, Harness, RawPeer, Sender, until

BATCH = 32
"""Datagrams between two turns of the event loop; as many as a busy wake-up brings."""
RENEW = 4000
"""Datagrams after which the hostile people's connections are replaced."""
ADDRESSES = 64
PICTURES: tuple[tuple[Codec, str, tuple[str, ...]], ...] = (
    (VP8, "", ()), (VP8, "", ("q", "h", "f")), (H264, "h264", ()), (VP9, "vp9", ()),
    (VP9, "vp9_l3t3_key", ()), (AV1, "av1", ()), (AV1, "av1_l3t3_key", ()),
)  # fmt: skip
"""What Ann's camera sends, in turn: codec, captured stream, simulcast layers."""


class OddClient(MediaClient):
    """Offers the dependency descriptor, and sound as RED too."""

    def offer(self, *, name_ssrcs: bool = True, setup: str = "actpass") -> str:
        text = super().offer(name_ssrcs=name_ssrcs, setup=setup)
        opus, red = OPUS.payload_type, RED.payload_type
        text = text.replace(f"SAVPF {opus}\r\n", f"SAVPF {red} {opus}\r\n")
        lines = f"a=rtpmap:{red} red/48000/2\r\na=fmtp:{red} {opus}/{opus}\r\n"
        text = text.replace(f"a=rtpmap:{opus} ", lines + f"a=rtpmap:{opus} ")
        for track in self.tracks:
            codec, line = track.codec, f"a=rtpmap:{track.codec.payload_type} {track.codec.rtpmap}\r\n"
            more = f"a=extmap:5 {dependency.URI}\r\n" if codec.kind == "video" else ""
            more += f"a=fmtp:{codec.payload_type} {codec.fmtp}\r\n" if codec.fmtp else ""
            text = text.replace(line, line + more)
        return text


class OtherRoom(Harness):
    """A second room on the same gateway."""

    def __init__(self, harness: Harness, room: str) -> None:
        self.events, self.listeners, self.peers = harness.events, harness.listeners, {}
        self.gateway, self.room = harness.gateway, room

    async def call(self, op: str, peer: str | None = None, **data: Any) -> dict[str, Any]:
        return await self.gateway.handle(op, self.room, peer, data)


@dataclass
class Figures:
    count: int = 0
    seconds: float = 0.0
    kinds: Counter[str] = field(default_factory=Counter)
    spent: Counter[str] = field(default_factory=Counter)
    """CPU seconds in the endpoint, by kind"""
    slowest: dict[str, float] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    broken: int = 0
    """times somebody's connection was found closed, which no datagram of a stranger may do"""
    pictures_sent: int = 0
    pictures_received: int = 0
    memory: list[float] = field(default_factory=list)
    """MiB resident after each tenth of the run"""

    def __str__(self) -> str:
        lines = [
            f"{self.count} datagrams in {self.seconds:.1f} s, {len(self.faults)} exceptions",
            f"{self.broken} connections broken",
            f"the other room: {self.pictures_received} of {self.pictures_sent} pictures",
            "memory after each tenth, MiB: " + ", ".join(f"{size:.1f}" for size in self.memory),
        ]
        for kind, count in sorted(self.kinds.items()):
            mean, worst = 1e6 * self.spent[kind] / count, 1e3 * self.slowest[kind]
            lines.append(f"  {kind:24} {count:8}  {mean:7.1f} us each, slowest {worst:6.2f} ms")
        return "\n".join([*lines, *self.faults[:5]])


class Fuzzer:
    def __init__(self, harness: Harness, seed: int) -> None:
        self.harness = harness
        self.rng = random.Random(seed)
        self.figures = Figures()
        self.slot = Slot()
        self.samples: list[bytes] = []
        self.hellos: list[bytes] = []
        self.sequence = 0
        self.at = 0
        self.rids: dict[int, bytes] = {}
        self.seeds: list[tuple[bytes, bytes]] = []
        self.generation = 1
        self.ann: RawPeer
        self.bob: RawPeer
        self.strangers = [self._address("127.1.2.3", 1024 + number) for number in range(ADDRESSES)]
        self._stop = asyncio.Event()
        self.known_faults = 0
        self.newcomers = 0
        self.newcomer: tuple[bytes, bytes, Address] | None = None

    @property
    def endpoint(self) -> Endpoint:
        return self.harness.gateway._started

    def _address(self, ip: str, port: int) -> Address:
        return self.endpoint.socket.address_of(ip, port)

    # -- people ------------------------------------------------------------

    async def prepare(self) -> None:
        """Both rooms at work; real datagrams of every kind are kept as samples."""
        await self._renew()
        other = OtherRoom(self.harness, "other")
        self.carol, self.dave = RawPeer(other, "carol"), RawPeer(other, "dave")
        for peer in (self.dave, self.carol):
            await peer.join()
        client = await self.carol.publish("camera")
        self.victim = Sender(client, client.tracks[0])
        await until(lambda: "carol camera" in self.dave.names.values())
        self.victim.frame(True, 0)
        await until(lambda: self.dave.got("carol camera"))
        self.figures.pictures_sent = 1

    async def _renew(self) -> None:
        """Ann and Bob come (again), as they do after a reload."""
        if self.generation > 1:
            self._count_broken()
            # What the clients keep for tests would look like a leak.
            self.harness.events.clear()
            self.dave.rtcp.clear()
            self.ann.close(goodbye=False)
            self.bob.close(goodbye=False)
        self.bob = RawPeer(self.harness, "bob", self.generation)
        self.ann = RawPeer(self.harness, "ann", self.generation)
        self._keep_samples(self.bob.subscriber)
        self._keep_samples(self.ann.subscriber)
        for peer in (self.bob, self.ann):
            await peer.join()
        codec, captured, rids = PICTURES[self.generation % len(PICTURES)]
        client = self.ann.publisher = OddClient(self.ann.subscriber.identity)
        self._keep_samples(client)
        client.add_track("mic")
        camera = client.add_track("camera", rids)
        camera.codec = codec
        self.rids = {ssrc: rid.encode() for rid, ssrc in camera.layers.items()}
        self.seeds = [(b"", KEY_FRAME), (b"", DELTA_FRAME)]
        if captured:
            self.seeds = [(packet["descriptor"], packet["payload"]) for packet in packets(captured)]
        self.at = 0
        await self.ann.publish()
        sound, picture = Sender(client, client.tracks[0]), Sender(client, camera)
        await until(lambda: {"ann mic", "ann camera"} <= set(self.bob.names.values()), 20)
        for number in range(20):
            sound.send(b"sound", level=30)
            picture.frame(number == 0, number)
        await until(lambda: len(self.bob.got("ann mic")) >= 10, 20)
        for name in ("ann", "bob"):
            found = self.harness.gateway._rooms["room"].peers[name]
            for connection in (found.subscribe, found.publish):
                if connection is not None:
                    # What a live peer would be cut short at is what is to be tried here.
                    connection.transport._rtcp_allowance = Allowance(1e12, 1e12)
        self.bob.subscriber.send_rtcp(hostile_rtcp(self.rng, [1]))
        self.generation += 1

    def _count_broken(self) -> None:
        for name in ("ann", "bob"):
            peer = self.harness.gateway._rooms["room"].peers[name]
            for connection in (peer.subscribe, peer.publish):
                if connection is not None and connection.transport.state != "connected":
                    self.figures.broken += 1

    def _keep_samples(self, client: MediaClient) -> None:
        def keep(datagram: bytes) -> bool:
            if len(self.samples) < 500:
                self.samples.append(datagram)
            return False

        client.drop_sent = keep

    async def talk(self) -> None:
        """Carol's camera, at thirty pictures a second."""
        while not self._stop.is_set():
            self.victim.frame(False, self.figures.pictures_sent)
            self.figures.pictures_sent += 1
            await asyncio.sleep(0.033)

    # -- datagrams ------------------------------------------------------------

    def _path(self, client: MediaClient | None) -> Address:
        assert client is not None and client._sock is not None
        return self._address(*client._sock.getsockname()[:2])

    def _stranger(self) -> Address:
        return self.strangers[self.rng.randrange(ADDRESSES)]

    def damaged_from_strangers(self) -> tuple[bytes, Address]:
        return damaged(self.rng, self.samples), self._stranger()

    def damaged_from_peers(self) -> tuple[bytes, Address]:
        client = self.ann.publisher if self.rng.randrange(2) else self.bob.subscriber
        return damaged(self.rng, self.samples), self._path(client)

    def noise(self) -> tuple[bytes, Address]:
        return self.rng.randbytes(self.rng.randrange(1, 200)), self._stranger()

    def forged_stun(self) -> tuple[bytes, Address]:
        client = self.bob.subscriber
        username = f"{client.remote_ufrag}:x".encode()
        return stun.binding_request(
            self.rng.randbytes(12), username, self.rng.randbytes(16)
        ), self._stranger()

    def signed_stun(self) -> tuple[bytes, Address]:
        """Valid checks of somebody who has just come, with any attributes, from many addresses."""
        username, password, _ = self._newcomer()
        body = stun.ATTRIBUTE.pack(stun.USERNAME, len(username)) + username + bytes(-len(username) & 3)
        for _ in range(self.rng.randrange(4)):
            value = self.rng.randbytes(self.rng.choice((0, 4, 8, 33)))
            kind = self.rng.choice((0x24, 0x25, 0x8029, 0x802A, 0xC057, self.rng.getrandbits(16)))
            body += stun.ATTRIBUTE.pack(kind, len(value)) + value + bytes(-len(value) & 3)
        transaction, whole = self.rng.randbytes(12), self.rng.randrange(4) > 0
        request = stun._signed(stun.BINDING_REQUEST, transaction, body, password, fingerprinted=whole)
        return request, self._stranger()

    def handshake(self) -> tuple[bytes, Address]:
        """Damaged DTLS for somebody whose handshake is yet to come."""
        if not self.hellos:
            self.hellos = [sample for sample in self.samples if 20 <= sample[0] < 64]
        *_, address = self._newcomer()
        return damaged(self.rng, self.hellos) if self.rng.randrange(3) else self.rng.choice(
            self.hellos
        ), address

    def _newcomer(self) -> tuple[bytes, bytes, Address]:
        """Somebody whose address is known and who has no keys yet; another one after a while."""
        if self.newcomer is not None and self.rng.randrange(50):
            return self.newcomer
        operations = self.harness.gateway._operations
        assert operations is not None
        self.newcomers += 1
        data = {"generation": self.newcomers, "name": "", "publish": []}
        operations.table["peer.add"]("room", "eve", data)
        transport = self.harness.gateway._rooms["room"].peers["eve"].subscribe.transport
        username, password = f"{transport.current.ufrag}:evil".encode(), transport.current.pwd.encode()
        address = self._stranger()
        transport.consent(address, self.endpoint.now, use_candidate=False)
        self.newcomer = username, password, address
        return self.newcomer

    def rtcp_of_bob(self) -> tuple[bytes, Address]:
        names = [*self.bob.names, *self.bob.repairs, 1]
        return self._protected(self.bob.subscriber, hostile_rtcp(self.rng, names), rtcp_packet=True)

    def rtcp_of_ann(self) -> tuple[bytes, Address]:
        assert self.ann.publisher is not None
        names = [track.ssrc for track in self.ann.publisher.tracks]
        return self._protected(self.ann.publisher, hostile_rtcp(self.rng, names), rtcp_packet=True)

    def rtp_of_ann(self) -> tuple[bytes, Address]:
        client = self.ann.publisher
        assert client is not None
        ssrcs = [track.ssrc for track in client.tracks] * 4 + list(range(1, 40))
        ssrcs += [track.rtx_ssrc for track in client.tracks if track.rtx_ssrc is not None] * 4
        types = [track.codec.payload_type for track in client.tracks] + [RED.payload_type]
        types += [track.codec.rtx_payload_type for track in client.tracks if track.codec.rtx_payload_type]
        self.sequence += self.rng.choice((1, 1, 1, 2, 50, 3000))
        return self._protected(client, hostile_rtp(self.rng, self.sequence, ssrcs, types), rtcp_packet=False)

    def layers_of_ann(self) -> tuple[bytes, Address]:
        """What her camera would send, in order, nearly whole."""
        client = self.ann.publisher
        assert client is not None
        camera = client.tracks[1]
        ssrc = self.rng.choice([*self.rids, camera.ssrc]) if self.rids else camera.ssrc
        self.sequence += 1
        self.at = (self.at + 1) % len(self.seeds)
        packet = hostile_layer(
            self.rng, self.sequence, ssrc, camera.codec.payload_type, self.rids.get(ssrc, b""),
            self.seeds[self.at],
        )  # fmt: skip
        return self._protected(client, packet, rtcp_packet=False)

    def _protected(self, client: MediaClient, packet: bytes, *, rtcp_packet: bool) -> tuple[bytes, Address]:
        context = client._srtp_out
        assert context is not None
        data = context.protect_rtcp(packet) if rtcp_packet else context.protect(packet)
        return data or packet, self._path(client)

    # -- the run ------------------------------------------------------------

    async def run(self, count: int) -> Figures:
        figures, endpoint = self.figures, self.endpoint
        makers: list[Callable[[], tuple[bytes, Address]]] = [
            self.damaged_from_strangers, self.damaged_from_peers, self.noise, self.forged_stun,
            self.signed_stun, self.handshake, self.rtcp_of_bob, self.rtcp_of_ann, self.rtp_of_ann,
            self.layers_of_ann,
        ]  # fmt: skip
        weights = [8, 8, 2, 1, 1, 2, 4, 2, 4, 6]
        talking = asyncio.create_task(self.talk())
        started = time.monotonic()
        while figures.count < count:
            endpoint.begin()
            for maker in self.rng.choices(makers, weights, k=BATCH):
                datagram, address = maker()
                self._deliver(maker.__name__, datagram, address)
            endpoint.flush()
            await asyncio.sleep(0)
            if figures.count // RENEW != (figures.count - BATCH) // RENEW:
                await self._renew()
            if figures.count >= (len(figures.memory) + 1) * count / 10:
                figures.memory.append(resident())
        figures.seconds = time.monotonic() - started
        self._stop.set()
        await talking
        await asyncio.sleep(0.2)
        figures.pictures_received = len(self.dave.got("carol camera"))
        return figures

    def _deliver(self, kind: str, datagram: bytes, address: Address) -> None:
        figures = self.figures
        length = len(datagram)
        self.slot.view[:length] = datagram
        before = time.thread_time()
        self.endpoint._datagram(self.slot, length, address)
        taken = time.thread_time() - before
        if self.endpoint.faults.count > self.known_faults:
            self.known_faults = self.endpoint.faults.count
            figures.faults.append(f"{kind}: {datagram.hex()} (its trace is in the log)")
        figures.count += 1
        figures.kinds[kind] += 1
        figures.spent[kind] += taken
        figures.slowest[kind] = max(figures.slowest.get(kind, 0.0), taken)

    def close(self) -> None:
        for peer in (self.ann, self.bob, self.carol, self.dave):
            peer.close()


def resident() -> float:
    """MiB of memory this process has resident (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


async def fuzz(count: int, seed: int) -> Figures:
    """`count` hostile datagrams into a fresh gateway on loopback."""
    async with Harness(tcp=False) as harness:
        fuzzer = Fuzzer(harness, seed)
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(
            lambda _, context: fuzzer.figures.faults.append(f"in the event loop: {context}")
        )
        await fuzzer.prepare()
        try:
            return await fuzzer.run(count)
        finally:
            fuzzer.close()


async def costs() -> dict[str, float]:
    """CPU microseconds that one datagram of a stranger costs, by what it looks like."""
    async with Harness(tcp=False) as harness:
        fuzzer = Fuzzer(harness, 1)
        await fuzzer.prepare()
        endpoint, rng = fuzzer.endpoint, fuzzer.rng
        client = fuzzer.ann.publisher
        assert client is not None
        ssrc = client.tracks[1].ssrc.to_bytes(4, "big")

        def forged(name: str) -> bytes:
            return stun.binding_request(rng.randbytes(12), f"{name}:abcd".encode(), rng.randbytes(16))

        kinds: dict[str, Callable[[], bytes]] = {
            "noise": lambda: rng.randbytes(100),
            "RTP, unknown SSRC": lambda: b"\x80\x60" + rng.randbytes(1000),
            "RTP, known SSRC": lambda: b"\x80\x60" + rng.randbytes(6) + ssrc + rng.randbytes(1000),
            "DTLS": lambda: b"\x16\xfe\xff" + rng.randbytes(150),
            "STUN, unknown ufrag": lambda: forged(rng.randbytes(6).hex()),
            "STUN, known ufrag": lambda: forged(fuzzer.bob.subscriber.remote_ufrag),
        }
        found = {}
        for kind, make in kinds.items():
            datagrams = [make() for _ in range(5000)]
            best = float("inf")
            for _ in range(5):
                endpoint.begin()
                before = time.thread_time()
                for datagram in datagrams:
                    fuzzer.slot.view[: len(datagram)] = datagram
                    endpoint._datagram(fuzzer.slot, len(datagram), fuzzer.strangers[0])
                best = min(best, time.thread_time() - before)
            found[kind] = 1e6 * best / len(datagrams)
        fuzzer.close()
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--costs", action="store_true", help="what a stranger's datagram costs instead")
    options = parser.parse_args()
    if options.costs:
        for kind, cost in asyncio.run(costs()).items():
            print(f"{kind:24} {cost:6.2f} us")
        return
    figures = asyncio.run(fuzz(options.count, options.seed))
    print(figures)
    if figures.faults or figures.broken or figures.pictures_received != figures.pictures_sent:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
