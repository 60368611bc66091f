"""The two kinds of socket behave alike."""

import asyncio
import os
import socket
import sys

import pytest

from media_gateway.sfu import rtp, udp
from media_gateway.sfu.srtp import PROFILES, SrtpContext, session_keys
from media_gateway.sfu.udp import PlainSocket, Slot, UdpSocket, open_socket

KINDS = [pytest.param(False, id="plain")]
if sys.platform == "linux":
    KINDS.append(pytest.param(True, id="batched"))


def read_all(sock: UdpSocket, count: int) -> list[tuple[bytes, object]]:
    found: list[tuple[bytes, object]] = []

    def take(slot: Slot, length: int, address: object) -> None:
        found.append((bytes(slot.view[:length]), address))

    while len(found) < count and sock.receive(take):
        pass
    return found


class Target:
    def __init__(self, handle: object, destination: object) -> None:
        self.srtp_handle = handle
        self.destination = destination


@pytest.fixture(params=KINDS)
def sock(request: pytest.FixtureRequest):  # type: ignore[no-untyped-def]
    opened = open_socket("127.0.0.1", 0, batched=request.param)
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


def test_more_than_a_ring_is_flushed_by_itself(sock: UdpSocket, other: socket.socket) -> None:
    destination = sock.destination(sock.address_of(*other.getsockname()))
    for number in range(udp.SEND_SLOTS + 3):
        sock.send(destination, number.to_bytes(2, "big"))
    sock.flush()
    got = [int.from_bytes(other.recv(100), "big") for _ in range(udp.SEND_SLOTS + 3)]
    assert got == list(range(udp.SEND_SLOTS + 3))


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name.decode())
def test_a_packet_fans_out_encrypted_for_each(sock: UdpSocket, other: socket.socket, profile: object) -> None:
    destination = sock.destination(sock.address_of(*other.getsockname()))
    outgoing, incoming = [], []
    for _ in range(3):
        key = os.urandom(profile.key_length + profile.salt_length)  # type: ignore[attr-defined]
        outgoing.append(SrtpContext(profile, key, outbound=True))  # type: ignore[arg-type]
        incoming.append(SrtpContext(profile, key, outbound=False))  # type: ignore[arg-type]
    packet = rtp.build(payload_type=96, sequence=5, timestamp=6, ssrc=7, payload=os.urandom(1400))
    sock.fan_out(packet, [Target(context.handle, destination) for context in outgoing])
    sock.flush()
    sent = [other.recv(2048) for _ in range(3)]
    assert len(set(sent)) == 3 and all(packet not in data for data in sent)
    for data, context in zip(sent, incoming, strict=True):
        slot = Slot()
        slot.view[: len(data)] = data
        assert context.unprotect(slot.pointer, len(data)) == len(packet)
        assert bytes(slot.view[: len(packet)]) == packet
        slot.view[: len(data)] = data
        assert context.unprotect(slot.pointer, len(data)) == 0, "a replay is refused"
        assert context.errors == 1


def test_an_oversized_packet_is_dropped_and_counted(sock: UdpSocket, other: socket.socket) -> None:
    destination = sock.destination(sock.address_of(*other.getsockname()))
    context = SrtpContext(PROFILES[0], os.urandom(28), outbound=True)
    sock.fan_out(bytes(udp.MAX_PLAIN + 1), [Target(context.handle, destination)])
    sock.flush()
    assert sock.send_drops == 1 and sock.sent == 0


def test_an_unreachable_address_does_not_stop_the_others(sock: UdpSocket, other: socket.socket) -> None:
    good = sock.destination(sock.address_of(*other.getsockname()))
    # A broadcast address is refused by the kernel without SO_BROADCAST.
    bad = sock.destination(sock.address_of("255.255.255.255", 9))
    for destination in (good, bad, good, bad, good):
        sock.send(destination, b"x")
    sock.flush()
    assert [other.recv(10) for _ in range(3)] == [b"x"] * 3
    assert sock.send_drops == 2


@pytest.mark.parametrize("batched", KINDS)
def test_ipv6_and_ipv4_on_one_socket(batched: bool) -> None:
    try:
        sock = open_socket("::", 0, batched=batched)
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
