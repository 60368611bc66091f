"""A peer whose address changes without a word: its packets prove who it is, and nobody else's do."""

import asyncio
import os
import random
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from media_gateway.sfu import rtcp, rtp, strangers, transport
from media_gateway.sfu.allowance import Allowance
from media_gateway.sfu.client import MediaClient
from media_gateway.sfu.endpoint import Endpoint
from media_gateway.sfu.transport import Transport
from tests.media_gateway.sfu.support import Harness, RawPeer, Sender, until


@pytest.fixture
def elsewhere() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.bind(("127.0.0.1", 0))
        opened.setblocking(False)
        yield opened


def endpoint_of(harness: Harness) -> Endpoint:
    return harness.gateway._started


def transport_of(harness: Harness, peer: str, connection: str) -> Transport:
    found = harness.gateway._rooms["room"].peers[peer]
    owner = found.publish if connection == "publish" else found.subscribe
    assert owner is not None
    return owner.transport


def path_of(harness: Harness, peer: str, connection: str) -> tuple[str, int]:
    address = transport_of(harness, peer, connection).address
    return endpoint_of(harness).socket.describe(address)


def local(client: MediaClient) -> tuple[str, int]:
    assert client._sock is not None
    host, port = client._sock.getsockname()[:2]
    return host, port


def stolen_from(client: MediaClient, send: Callable[[], None]) -> bytes:
    """What `send` would have put on the wire; it never arrives."""
    caught: list[bytes] = []
    client.drop_sent = lambda data: bool(data[0] >= 128 and (caught.append(data) or True))
    send()
    client.drop_sent = None
    return caught[0]


async def in_call(harness: Harness) -> tuple[RawPeer, RawPeer, Sender]:
    """Bob watches Ann's camera; neither sends STUN any more."""
    bob = await harness.join("bob")
    ann = await harness.join("ann")
    client = await ann.publish("mic", "camera")
    sender = Sender(client, client.tracks[1])
    await until(lambda: "ann camera" in bob.names.values())
    sender.frame(True, 0)
    await until(lambda: bob.got("ann camera"))
    client.pinging = bob.subscriber.pinging = False
    return bob, ann, sender


def report(peer: RawPeer) -> None:
    """What a browser that only receives sends anyway: a report, as SSRC 1."""
    peer.subscriber.send_rtcp(rtcp.ReceiverReport(1).pack())


# -- moving ---------------------------------------------------------------------


async def test_a_publisher_goes_on_from_another_address_with_its_next_packet(harness: Harness) -> None:
    bob, ann, sender = await in_call(harness)
    client = sender.client
    before = local(client)
    client.on_rtcp = ann.rtcp.append
    client.move(ping=False)
    assert local(client) != before
    asked_before = harness.gateway._rooms["room"].peers["ann"].publish.plis  # type: ignore[union-attr]
    moved = time.monotonic()
    last = sender.frame(False, 1)
    await until(lambda: last in bob.got("ann camera"))
    assert path_of(harness, "ann", "publish") == local(client)
    print(f"publisher: forwarded {1000 * (time.monotonic() - moved):.1f} ms after the first packet")
    await until(lambda: any(map(_asks_for_a_picture, ann.rtcp)), 5, "a PLI to the new address")
    print(f"publisher: asked for a picture {1000 * (time.monotonic() - moved):.1f} ms after it")
    asked = harness.gateway._rooms["room"].peers["ann"].publish.plis  # type: ignore[union-attr]
    assert asked > asked_before
    assert transport_of(harness, "ann", "publish").unconfirmed
    client.ping()
    await until(lambda: not transport_of(harness, "ann", "publish").unconfirmed)


def _asks_for_a_picture(packet: bytes) -> bool:
    return any(isinstance(message, rtcp.KeyFrameRequest) for message in rtcp.parse(packet))


async def test_a_subscriber_goes_on_from_another_address_with_its_next_report(harness: Harness) -> None:
    bob, _, sender = await in_call(harness)
    report(bob)
    await until(lambda: transport_of(harness, "bob", "subscribe").ssrcs)
    bob.subscriber.move(ping=False)
    report(bob)
    await until(lambda: path_of(harness, "bob", "subscribe") == local(bob.subscriber))
    last = sender.frame(False, 1)
    await until(lambda: last in bob.got("ann camera"))


async def test_media_is_back_both_ways_without_signalling(harness: Harness) -> None:
    """Both ends of a call move while it runs; the bound is what a person would notice, and then some."""
    bob, _, sender = await in_call(harness)
    report(bob)
    stop = asyncio.Event()

    async def talk() -> None:
        tag = 1
        while not stop.is_set():
            sender.frame(tag % 30 == 0, tag)
            report(bob)
            tag += 1
            await asyncio.sleep(0.033)

    talking = asyncio.create_task(talk())
    try:
        await until(lambda: len(bob.got("ann camera")) > 10)
        sender.client.move(ping=False)
        bob.subscriber.move(ping=False)
        moved, before = time.monotonic(), len(bob.got("ann camera"))
        await until(lambda: len(bob.got("ann camera")) > before, 2)
        print(f"both moved: media back after {1000 * (time.monotonic() - moved):.0f} ms")
    finally:
        stop.set()
        await talking
    assert path_of(harness, "ann", "publish") == local(sender.client)
    assert path_of(harness, "bob", "subscribe") == local(bob.subscriber)


async def test_the_mover_is_found_among_many_with_the_same_ssrc(harness: Harness) -> None:
    """Chromium's receivers all report as SSRC 1: the one that fell silent is tried, not all of them."""
    others = [await harness.join(f"peer-{number}") for number in range(20)]
    mover = await harness.join("mover")
    for peer in [*others, mover]:
        report(peer)
    await until(lambda: len(endpoint_of(harness).strangers.by_ssrc.get(1, {})) == 21)
    await asyncio.sleep(strangers.QUIET + 0.1)
    for peer in others:
        report(peer)
    await asyncio.sleep(0.05)
    tried = endpoint_of(harness).strangers.tried
    mover.subscriber.move(ping=False)
    report(mover)
    await until(lambda: path_of(harness, "mover", "subscribe") == local(mover.subscriber))
    assert endpoint_of(harness).strangers.tried - tried == 1


async def test_a_way_back_is_found_like_a_way_there(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "MOVE_GAP", 0.1)
    bob, _, sender = await in_call(harness)
    client = sender.client
    home, home_address = client._sock, local(client)
    assert home is not None
    harness.gateway._loop.remove_reader(home.fileno())  # type: ignore[union-attr]
    client._open_socket()
    sender.frame(False, 1)
    await until(lambda: path_of(harness, "ann", "publish") == local(client))
    client.ping()
    # The old address is forgotten with the next looks at consent.
    await until(lambda: len(transport_of(harness, "ann", "publish").addresses) == 1)
    client._close_socket()
    client._sock = home
    harness.gateway._loop.add_reader(home.fileno(), client._readable)  # type: ignore[union-attr]
    last = sender.frame(False, 2)
    await until(lambda: last in bob.got("ann camera"))
    assert path_of(harness, "ann", "publish") == home_address


async def test_packets_that_arrive_late_do_not_move_the_path_back(
    harness: Harness, elsewhere: socket.socket
) -> None:
    bob, _, sender = await in_call(harness)
    late = stolen_from(sender.client, lambda: sender.frame(False, 1) and None)
    sender.client.move(ping=False)
    sender.frame(False, 2)
    await until(lambda: path_of(harness, "ann", "publish") == local(sender.client))
    elsewhere.sendto(late, ("127.0.0.1", harness.gateway.port))
    await asyncio.sleep(0.1)
    assert path_of(harness, "ann", "publish") == local(sender.client)
    assert len(bob.got("ann camera")) == 2


# -- not moving -----------------------------------------------------------------


async def test_a_replayed_packet_moves_nothing(harness: Harness, elsewhere: socket.socket) -> None:
    bob, _, sender = await in_call(harness)
    caught: list[bytes] = []

    def copy(data: bytes) -> bool:
        caught.append(data)
        return False

    sender.client.drop_sent = bob.subscriber.drop_sent = copy
    last = sender.frame(False, 1)
    report(bob)
    await until(lambda: last in bob.got("ann camera"))
    await until(lambda: transport_of(harness, "bob", "subscribe").ssrcs)
    paths = path_of(harness, "ann", "publish"), path_of(harness, "bob", "subscribe")
    strays, tried = endpoint_of(harness).strays, endpoint_of(harness).strangers.tried
    for data in caught:
        elsewhere.sendto(data, ("127.0.0.1", harness.gateway.port))
    await until(lambda: endpoint_of(harness).strays == strays + len(caught))
    assert endpoint_of(harness).strangers.tried == tried + len(caught) == tried + 2
    assert (path_of(harness, "ann", "publish"), path_of(harness, "bob", "subscribe")) == paths
    assert len(bob.got("ann camera")) == 2


async def test_forged_packets_of_a_known_ssrc_move_nothing_and_are_tried_seldom(
    harness: Harness, elsewhere: socket.socket
) -> None:
    bob, _, sender = await in_call(harness)
    endpoint = endpoint_of(harness)
    path = path_of(harness, "ann", "publish")
    track = sender.track
    before = endpoint.strays
    started = time.monotonic()
    for number in range(3000):
        forged = rtp.build(
            payload_type=track.codec.payload_type, sequence=number, timestamp=1, ssrc=track.ssrc,
            payload=os.urandom(60),
        )  # fmt: skip
        elsewhere.sendto(forged, ("127.0.0.1", harness.gateway.port))
        if number % 50 == 49:
            await asyncio.sleep(0)
    await until(lambda: endpoint.strays >= before + 3000)
    spent = time.monotonic() - started
    assert endpoint.strangers.tried <= strangers.TRIES_PER_SECOND * (0.5 + spent) + 1
    assert endpoint.strangers.tried < 3000
    assert path_of(harness, "ann", "publish") == path
    last = sender.frame(False, 1)
    await until(lambda: last in bob.got("ann camera"))


async def test_a_forger_of_reports_does_not_keep_a_publisher_from_moving(
    harness: Harness, elsewhere: socket.socket
) -> None:
    """Everybody knows the SSRC of receivers; only those who see the packets know that of a camera."""
    bob, _, sender = await in_call(harness)
    report(bob)
    endpoint = endpoint_of(harness)
    await until(lambda: 1 in endpoint.strangers.by_ssrc)
    forged = rtcp.ReceiverReport(1).pack() + os.urandom(40)
    before = endpoint.strays
    for number in range(1000):
        elsewhere.sendto(forged, ("127.0.0.1", harness.gateway.port))
        if number % 50 == 49:
            await asyncio.sleep(0)
    await until(lambda: endpoint.strays >= before + 1000)
    sender.client.move(ping=False)
    last = sender.frame(False, 1)
    await until(lambda: last in bob.got("ann camera"))


async def test_a_move_that_stun_never_confirms_is_taken_back(
    harness: Harness, elsewhere: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A packet stolen on its way and sent in a stranger's name turns the media only for a while."""
    monkeypatch.setattr(transport, "CONFIRM_WITHIN", 0.5)
    bob, _, sender = await in_call(harness)
    report(bob)
    await until(lambda: transport_of(harness, "bob", "subscribe").ssrcs)
    home = local(bob.subscriber)
    stolen = stolen_from(bob.subscriber, lambda: report(bob))
    elsewhere.sendto(stolen, ("127.0.0.1", harness.gateway.port))
    await until(lambda: path_of(harness, "bob", "subscribe") == elsewhere.getsockname())
    sender.frame(False, 1)
    loop = asyncio.get_running_loop()
    assert (await asyncio.wait_for(loop.sock_recv(elsewhere, 2000), 5))[0] >= 128
    await until(lambda: path_of(harness, "bob", "subscribe") == home)
    last = sender.frame(False, 2)
    await until(lambda: last in bob.got("ann camera"))
    # And not again so soon.
    stolen = stolen_from(bob.subscriber, lambda: report(bob))
    elsewhere.sendto(stolen, ("127.0.0.1", harness.gateway.port))
    await asyncio.sleep(0.1)
    assert path_of(harness, "bob", "subscribe") == home


async def test_nothing_is_remembered_of_who_left(harness: Harness) -> None:
    _, _, sender = await in_call(harness)
    endpoint = endpoint_of(harness)
    assert sender.track.ssrc in endpoint.strangers.by_ssrc
    await harness.call("peer.remove", "ann")
    assert sender.track.ssrc not in endpoint.strangers.by_ssrc
    await harness.call("peer.remove", "bob")
    assert endpoint.strangers.by_ssrc == {} and endpoint.by_address == {}


async def test_a_peer_cannot_fill_the_memory_with_ssrcs_of_reports(harness: Harness) -> None:
    bob = await harness.join("bob")
    rng = random.Random(5)
    for number in range(2 * transport.MAX_SSRCS):
        bob.subscriber.send_rtcp(rtcp.ReceiverReport(rng.getrandbits(32)).pack())
        if number % 50 == 49:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    assert len(transport_of(harness, "bob", "subscribe").ssrcs) == transport.MAX_SSRCS
    assert len(endpoint_of(harness).strangers.by_ssrc) == transport.MAX_SSRCS


def test_an_allowance_is_a_burst_and_then_a_rate() -> None:
    allowance = Allowance(rate=10, burst=5)
    assert sum(allowance.take(100.0) for _ in range(20)) == 5
    assert sum(allowance.take(100.0 + tick / 100) for tick in range(1, 101)) == 10
