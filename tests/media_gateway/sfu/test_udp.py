"""The two kinds of socket behave alike."""

import asyncio
import os
import socket
import sys
from typing import Any

import pytest

from media_gateway.sfu import rtp, udp
from media_gateway.sfu.burst import Record, Run, runs, template
from media_gateway.sfu.srtp import PROFILES, Profile, SrtpContext, session_keys
from media_gateway.sfu.udp import Slot, UdpSocket, open_socket
from media_gateway.sfu.udp_batched import offload_works
from media_gateway.sfu.udp_plain import PlainSocket

KINDS = [pytest.param((False, False), id="plain")]
if sys.platform == "linux":
    KINDS.append(pytest.param((True, False), id="batched"))
    if offload_works():
        KINDS.append(pytest.param((True, True), id="offload"))


def read_all(sock: UdpSocket, count: int) -> list[tuple[bytes, object]]:
    found: list[tuple[bytes, object]] = []

    def take(slot: Slot, length: int, address: object) -> None:
        found.append((bytes(slot.view[:length]), address))

    while len(found) < count and sock.receive(take):
        pass
    return found


class Target:
    """A transport and its only track in one."""

    def __init__(self, context: SrtpContext, tag: int, destination: object) -> None:
        self.context = context
        self.srtp_handle = context.handle
        self.tag = tag
        self.destination = destination
        self.stream = None
        self.sender = self.transport = self
        self.number = 65534
        self.told: list[tuple[int, int]] = []
        self.floor = self.clock_shift = self.picture_shift = self.tl0_shift = 0
        self.shift = 0
        self.rewrites = False
        self.header = None
        self.held = False

    def sent(self, count: int, size: int, now: float) -> None:
        self.told.append((count, size))

    def hold(self, run: Run, now: float) -> bool:
        return self.held


class Ways(list[bytes]):
    """Where a peer behind TCP gets its datagrams."""

    def send(self, datagram: bytes) -> None:
        self.append(datagram)


def made(first: int, sizes: list[int]) -> list[Record]:
    """Packets of those payload sizes with running indices and VP8 picture ids."""
    records = []
    for place, size in enumerate(sizes):
        ident = 0x8000 | 300 + place
        payload = bytes((0x90, 0xC0)) + ident.to_bytes(2, "big") + bytes((place,)) + os.urandom(size - 5)
        packet = template(96, 9000 + place, 77, b"", payload)
        records.append((first + place, 9000 + place, packet, (22, ident, 24, place)))
    return records


def opened_packets(datagrams: list[bytes], context: SrtpContext) -> list[rtp.Parsed]:
    packets = []
    for data in datagrams:
        slot = Slot()
        slot.view[: len(data)] = data
        size = context.unprotect(slot.pointer, len(data))
        assert size, "the packet authenticates"
        packets.append((rtp.parse(slot.view[:size]), bytes(slot.view[:size])))
    return packets


@pytest.fixture
def contexts():  # type: ignore[no-untyped-def]
    def make(profile: Profile) -> tuple[SrtpContext, SrtpContext]:
        key = os.urandom(profile.key_length + profile.salt_length)
        return SrtpContext(profile, key, outbound=True), SrtpContext(profile, key, outbound=False)

    return make


@pytest.fixture(params=KINDS)
def sock(request: pytest.FixtureRequest):  # type: ignore[no-untyped-def]
    opened = open_socket("127.0.0.1", 0, batched=request.param[0], gso=request.param[1])
    yield opened
    opened.close()


@pytest.fixture
def other():  # type: ignore[no-untyped-def]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.bind(("127.0.0.1", 0))
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        opened.settimeout(2)
        yield opened


def test_datagrams_come_in_order_with_their_sender(sock: UdpSocket, other: socket.socket) -> None:
    datagrams = [os.urandom(1 + 17 * i) for i in range(100)]
    for datagram in datagrams:
        other.sendto(datagram, ("127.0.0.1", sock.port))
    found = read_all(sock, 100)
    assert [data for data, _ in found] == datagrams
    assert {sock.describe(address) for _, address in found} == {other.getsockname()}
    assert len({address for _, address in found}) == 1, "addresses are keys"
    assert sock.received == 100 and sock.bytes_received == sum(map(len, datagrams))


def test_an_answer_reaches_the_sender(sock: UdpSocket, other: socket.socket) -> None:
    other.sendto(b"ping", ("127.0.0.1", sock.port))
    ((_, address),) = read_all(sock, 1)
    destination = sock.destination(address)
    for number in range(5):
        sock.send(destination, b"pong %d" % number)
    sock.flush()
    assert [other.recv(100) for _ in range(5)] == [b"pong %d" % number for number in range(5)]
    assert sock.sent == 5


def test_an_address_given_as_text_is_the_same_key(sock: UdpSocket, other: socket.socket) -> None:
    other.sendto(b"ping", ("127.0.0.1", sock.port))
    ((_, address),) = read_all(sock, 1)
    assert sock.address_of(*other.getsockname()) == address
    with pytest.raises((OSError, ValueError)):
        sock.address_of("no.such.host", 5)


MANY = 400


def test_more_than_a_ring_is_flushed_by_itself(sock: UdpSocket, other: socket.socket) -> None:
    destination = sock.destination(sock.address_of(*other.getsockname()))
    for number in range(MANY):
        sock.send(destination, number.to_bytes(2, "big"))
    sock.flush()
    got = [int.from_bytes(other.recv(100), "big") for _ in range(MANY)]
    assert got == list(range(MANY))


SIZES = [900, 901, 900, 901, 340, 1200, 1180, 50, 700]
"""A frame that can be levelled and its short end, and then packets of all sizes."""


@pytest.mark.parametrize("receivers", [3, 40])
@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name.decode())
def test_a_burst_fans_out_numbered_and_encrypted_for_each(
    sock: UdpSocket, other: socket.socket, contexts: Any, profile: Profile, receivers: int
) -> None:
    destination = sock.destination(sock.address_of(*other.getsockname()))
    pairs = [contexts(profile) for _ in range(receivers)]
    targets = [Target(out, profile.tag, destination) for out, _ in pairs]
    for place, target in enumerate(targets):
        target.shift = 1000 * place + 65530 - 500
    records = made(500, SIZES)
    for run in runs(records):
        sock.fan_out(run, targets, 1.0)
    sock.flush()
    total = len(records) * len(targets)
    datagrams = [other.recv(2048) for _ in range(total)]
    assert sock.sent == total and sock.send_drops == 0
    if sock.gso:
        assert sock.messages < total, "the kernel cut some of them"
    by_target: dict[int, list[bytes]] = {}
    for data in datagrams:
        base = (int.from_bytes(data[2:4], "big") - 65530 & 0xFFFF) // 1000
        by_target.setdefault(base, []).append(data)
    for place, (_, incoming) in enumerate(pairs):
        packets = opened_packets(by_target[place], incoming)
        for at, (parsed, whole) in enumerate(packets):
            assert parsed.sequence == (65530 + 1000 * place + at) & 0xFFFF
            assert parsed.extensions == {3: ((65534 + at) & 0xFFFF).to_bytes(2, "big")}
            assert parsed.timestamp == 9000 + at and parsed.ssrc == 77
            assert whole[parsed.start : parsed.end] == records[at][2][20:], "the payload, without any padding"
        assert sum(count for count, _ in targets[place].told) == len(records)
        assert targets[place].number == (65534 + len(records)) & 0xFFFF


@pytest.mark.parametrize("usual", [True, False])
@pytest.mark.parametrize("receivers", [1, 30])
def test_offsets_of_switched_subscribers_are_applied(
    sock: UdpSocket, other: socket.socket, contexts: Any, receivers: int, usual: bool
) -> None:
    destination = sock.destination(sock.address_of(*other.getsockname()))
    pairs = [contexts(PROFILES[0]) for _ in range(receivers)]
    targets = [Target(out, PROFILES[0].tag, destination) for out, _ in pairs]
    for place, target in enumerate(targets):
        target.shift = 1000 * place
        if place % 3 == 0:
            target.rewrites, target.clock_shift = True, 0xFFFFFFFF - 9000 - place
            target.picture_shift, target.tl0_shift = 0x7FFF - place, 250
    records = made(1, [600, 600, 601])
    if not usual:
        records[1] = (*records[1][:3], None)
    for run in runs(records):
        sock.fan_out(run, targets, 1.0)
    sock.flush()
    by_target: dict[int, list[bytes]] = {}
    for data in (other.recv(2048) for _ in range(3 * receivers)):
        by_target.setdefault(int.from_bytes(data[2:4], "big") // 1000, []).append(data)
    for place, (_, incoming) in enumerate(pairs):
        target = targets[place]
        for at, (parsed, whole) in enumerate(opened_packets(by_target[place], incoming)):
            payload = whole[parsed.start : parsed.end]
            assert parsed.timestamp == (9000 + at + target.clock_shift) & 0xFFFFFFFF
            counted = records[at][3] is not None
            ident = 300 + at + target.picture_shift * counted & 0x7FFF | 0x8000
            assert payload[2:4] == ident.to_bytes(2, "big")
            assert payload[4] == at + target.tl0_shift * counted & 0xFF


def test_what_a_subscriber_must_not_get_is_left_out(
    sock: UdpSocket, other: socket.socket, contexts: Any
) -> None:
    destination = sock.destination(sock.address_of(*other.getsockname()))
    late, held, unkeyed, behind_tcp, good = (
        Target(contexts(PROFILES[0])[0], PROFILES[0].tag, destination) for _ in range(5)
    )
    late.floor, held.held, unkeyed.srtp_handle = 6, True, None
    behind_tcp.stream = Ways()  # type: ignore[assignment]
    (run,) = runs(made(5, [500, 500]))
    sock.fan_out(run, [late, held, unkeyed, behind_tcp, good], 1.0)
    sock.flush()
    assert len({other.recv(2048) for _ in range(2)}) == 2 and sock.sent == 2
    assert len(behind_tcp.stream) == 2, "the same packets take the other way"  # type: ignore[arg-type]
    assert [target.number for target in (late, held, unkeyed)] == [65534] * 3


def test_an_oversized_packet_is_dropped_and_counted(
    sock: UdpSocket, other: socket.socket, contexts: Any
) -> None:
    destination = sock.destination(sock.address_of(*other.getsockname()))
    target = Target(contexts(PROFILES[0])[0], PROFILES[0].tag, destination)
    for run in runs(made(1, [udp.MAX_PLAIN])):
        sock.fan_out(run, [target], 1.0)
    sock.flush()
    assert sock.send_drops == 1 and sock.sent == 0


@pytest.mark.skipif(not offload_works(), reason="no segmentation offload here")
def test_a_message_the_kernel_will_not_cut_is_cut_here(other: socket.socket, contexts: Any) -> None:
    sock = open_socket("127.0.0.1", 0, batched=True, gso=True)
    out, incoming = contexts(PROFILES[0])
    target = Target(out, PROFILES[0].tag, sock.destination(sock.address_of(*other.getsockname())))
    # Without UDP checksums the kernel refuses to segment (EIO), as it does for devices that cannot help it.
    sock.sock.setsockopt(socket.SOL_SOCKET, 11, 1)
    records = made(1, [600] * 4)
    for run in runs(records):
        sock.fan_out(run, [target], 1.0)
    sock.flush()
    packets = opened_packets([other.recv(2048) for _ in range(4)], incoming)
    assert [whole[parsed.start : parsed.end] for parsed, whole in packets] == [r[2][20:] for r in records]
    assert not sock.gso and sock.sent == 4 and sock.send_drops == 0
    sock.close()


def test_an_unreachable_address_does_not_stop_the_others(sock: UdpSocket, other: socket.socket) -> None:
    good = sock.destination(sock.address_of(*other.getsockname()))
    # A broadcast address is refused by the kernel without SO_BROADCAST.
    bad = sock.destination(sock.address_of("255.255.255.255", 9))
    for destination in (good, bad, good, bad, good):
        sock.send(destination, b"x")
    sock.flush()
    assert [other.recv(10) for _ in range(3)] == [b"x"] * 3
    assert sock.send_drops == 2


@pytest.mark.parametrize("kind", KINDS)
def test_ipv6_and_ipv4_on_one_socket(kind: tuple[bool, bool]) -> None:
    try:
        sock = open_socket("::", 0, batched=kind[0], gso=kind[1])
    except OSError:
        pytest.skip("no IPv6 here")
    try:
        for host, family in (("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)):
            with socket.socket(family, socket.SOCK_DGRAM) as other:
                other.bind((host, 0))
                other.settimeout(2)
                other.sendto(b"ping", (host, sock.port))
                ((_, address),) = read_all(sock, 1)
                assert sock.describe(address) == other.getsockname()[:2]
                assert sock.describe(sock.address_of(host, 7)) == (host, 7)
                sock.send(sock.destination(address), b"pong")
                sock.flush()
                assert other.recv(10) == b"pong"
    finally:
        sock.close()


def test_the_batched_kind_is_taken_where_there_is_one() -> None:
    sock = open_socket("127.0.0.1", 0)
    assert isinstance(sock, PlainSocket) == (sys.platform != "linux")
    sock.close()


def test_a_used_port_is_an_error(sock: UdpSocket) -> None:
    with pytest.raises(OSError):
        open_socket("127.0.0.1", sock.port)


def test_session_keys_are_mirrored() -> None:
    material = os.urandom(60)
    for profile in PROFILES:
        receive, send = session_keys(profile, material, server=True)
        assert session_keys(profile, material, server=False) == (send, receive)
        assert len(receive) == profile.key_length + profile.salt_length


async def test_reading_an_empty_socket_is_nothing(sock: UdpSocket) -> None:
    await asyncio.sleep(0)
    assert read_all(sock, 0) == [] and sock.receive(lambda *_: None) == 0
