"""Coming, going, getting lost: states are told, nothing is left behind, rubbish costs nothing."""

import asyncio
import os
import random
import socket
import tracemalloc

import pytest

from media_gateway.sfu import peer as peer_module
from media_gateway.sfu import room as room_module
from media_gateway.sfu import rtcp, rtp, stun, transport
from media_gateway.sfu.dtls import DtlsAssociation
from media_gateway.sfu.peer import Peer
from media_gateway.sfu.publisher import PublishConnection, PublishedTrack
from media_gateway.sfu.room import Room
from media_gateway.sfu.source import Source
from media_gateway.sfu.srtp import SrtpContext
from media_gateway.sfu.subscriber import DownTrack, SubscribeConnection
from media_gateway.sfu.transport import Transport
from tests.media_gateway.sfu.support import IDENTITY, Harness, RawPeer, Sender, counted, until

KINDS = (
    Room, Peer, Source, PublishConnection, PublishedTrack, SubscribeConnection, DownTrack, Transport,
    DtlsAssociation, SrtpContext,
)  # fmt: skip


def states(harness: Harness, peer: str, connection: str) -> list[str]:
    return [
        event["data"]["state"]
        for event in harness.named("peer.state", peer)
        if event["data"]["pc"] == connection
    ]


# -- states ---------------------------------------------------------------------


async def test_states_are_told_as_they_change(harness: Harness) -> None:
    ann = await harness.join("ann")
    await ann.publish("mic")
    await until(lambda: states(harness, "ann", "publish") == ["connecting", "connected"])
    assert states(harness, "ann", "subscribe") == ["connecting", "connected"]
    assert {event["generation"] for event in harness.named("peer.state", "ann")} == {1}
    assert ann.publisher is not None
    ann.publisher.close()
    await until(lambda: states(harness, "ann", "publish")[-1] == "closed")


async def test_silence_is_noticed_healed_and_in_the_end_fatal(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "DISCONNECTED_AFTER", 0.3)
    monkeypatch.setattr(transport, "LOST_AFTER", 3.0)
    harness.gateway.config.lost_after = 3.0
    ann = await harness.join("ann")
    ann.subscriber.pinging = False
    await until(lambda: states(harness, "ann", "subscribe")[-1] == "disconnected")
    ann.subscriber.ping()
    await until(lambda: states(harness, "ann", "subscribe")[-1] == "connected")
    await until(lambda: harness.named("peer.gone", "ann"), 8)
    assert harness.gateway.rooms() == []
    assert harness.gateway._started.by_address == {}


async def test_reports_are_a_sign_of_life_between_two_checks(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Browsers check consent at very different pace; who reports is there. Consent itself needs checks."""
    monkeypatch.setattr(transport, "DISCONNECTED_AFTER", 1.5)
    monkeypatch.setattr(transport, "LOST_AFTER", 5.0)
    harness.gateway.config.lost_after = 5.0
    ann = await harness.join("ann")
    ann.subscriber.pinging = False

    def report() -> bool:
        ann.subscriber.send_rtcp(rtcp.ReceiverReport(1).pack())
        return states(harness, "ann", "subscribe")[-1] == "failed"

    await until(report, 10, "the end of consent")
    assert states(harness, "ann", "subscribe") == ["connecting", "connected", "failed"]


async def test_who_never_connects_does_not_stay_for_ever(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_module, "CONNECT_WITHIN", 0.5)
    await harness.call("peer.add", "ann", generation=1, name="", publish=[])
    await until(lambda: harness.named("peer.gone", "ann"))
    assert harness.gateway.rooms() == []


async def test_a_moved_peer_goes_on_from_its_new_address(harness: Harness) -> None:
    viewer = await harness.join("bob")
    ann = await harness.join("ann")
    client = await ann.publish("mic")
    sender = Sender(client, client.tracks[0])
    viewer.subscriber.move()
    client.move()
    await asyncio.sleep(0.05)
    sender.send(b"from elsewhere to elsewhere")
    await until(lambda: viewer.got("ann mic") == [b"from elsewhere to elsewhere"])


async def test_ipv6_works_beside_ipv4_on_one_port() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")
    async with Harness(host="::", advertised_ips=["::1", "127.0.0.1"]) as harness:
        viewer = await harness.join("bob")
        ann = await harness.join("ann")
        # One connection over IPv6 (the first candidate), the other over IPv4.
        client = await ann.publish("mic")
        assert client._remote is not None and client._remote[0] == "::1"
        viewer.subscriber._remote = ("127.0.0.1", harness.gateway.port)
        viewer.subscriber.move()
        await asyncio.sleep(0.05)
        Sender(client, client.tracks[0]).send(b"over both")
        await until(lambda: viewer.got("ann mic") == [b"over both"])


async def test_an_unnominated_check_does_not_move_the_path(harness: Harness) -> None:
    ann = await harness.join("ann")
    client = ann.subscriber
    endpoint = harness.gateway._started
    (path,) = {t.address for t in endpoint.by_address.values()}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.settimeout(2)
        username = f"{client.remote_ufrag}:x".encode()
        request = stun.binding_request(os.urandom(12), username, client.remote_pwd.encode())
        other.sendto(request, ("127.0.0.1", harness.gateway.port))
        await asyncio.sleep(0.05)
        assert other.recv(200)[:2] == b"\x01\x01"
    assert len(endpoint.by_address) == 2
    assert {t.address for t in endpoint.by_address.values()} == {path}


async def test_the_addresses_of_a_peer_are_bounded(harness: Harness) -> None:
    ann = await harness.join("ann")
    for _ in range(40):
        ann.subscriber.move()
        await asyncio.sleep(0.005)
    endpoint = harness.gateway._started
    await until(lambda: len(endpoint.by_address) <= transport.MAX_ADDRESSES)
    ann.subscriber.ping()
    answered = ann.subscriber.binding_answers
    await until(lambda: ann.subscriber.binding_answers > answered)


# -- reconnecting ---------------------------------------------------------------


async def test_a_publisher_that_comes_back_keeps_its_place(harness: Harness) -> None:
    viewer = await harness.join("bob")
    ann = await harness.join("ann")
    client = await ann.publish("mic")
    await until(lambda: "ann mic" in viewer.names.values())
    sender = Sender(client, client.tracks[0])
    for _ in range(10):
        sender.send(b"before")
        await asyncio.sleep(0.01)
    await until(lambda: viewer.got("ann mic"))
    before = len(viewer.got("ann mic"))
    offers = len(viewer.offers)
    ann.close(goodbye=False)
    again = RawPeer(harness, "ann", generation=2)
    harness.peers["ann"] = again
    await again.join()
    client = await again.publish("mic")
    sender = Sender(client, client.tracks[0], sequence=40000)
    sender.timestamp = 3_000_000_000
    for _ in range(10):
        sender.send(b"after")
        await asyncio.sleep(0.01)
    await until(lambda: b"after" in viewer.got("ann mic"))
    assert len(viewer.offers) == offers, "no renegotiation for those who listen"
    assert harness.named("track.removed") == []
    assert [event["generation"] for event in harness.named("track.added", "ann")] == [1, 2]
    last, first = viewer.received["ann mic"][before - 1 : before + 1]
    assert first.sequence == (last.sequence + 1) & 0xFFFF and first.ssrc == last.ssrc
    gap = rtp.timestamp_delta(first.timestamp, last.timestamp)
    assert 0 < gap < 3 * 48000, "the clock goes on by the time that passed"


async def test_the_place_is_not_kept_for_ever(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer_module, "ADOPT_WITHIN", 0.3)
    viewer = await harness.join("bob")
    ann = await harness.join("ann")
    await ann.publish("mic")
    assert ann.publisher is not None
    ann.publisher.close()
    await until(lambda: harness.named("track.removed", "ann"))
    await until(lambda: "inactive" in viewer.offers[-1] and "ann mic" not in viewer.offers[-1])
    ann.publisher = None
    await ann.publish("mic")
    await until(lambda: "ann mic" in viewer.offers[-1])


# -- leaving nothing ------------------------------------------------------------


async def test_fifty_peers_leave_nothing(harness: Harness) -> None:
    with counted(*KINDS) as count:
        before = count()
        for number in range(50):
            peer = await harness.join(f"peer-{number % 4}")
            client = await peer.publish("mic", "camera")
            Sender(client, client.tracks[1]).frame(True, number)
            if number % 3 == 0:
                await harness.call("peer.remove", peer.name)
            if number % 4 == 3:
                peer.close(goodbye=False)
                await harness.gateway.handle("room.close", "room", None, {})
            peer.close()
            harness.peers.clear()
            if number % 4 != 3:
                await harness.call("peer.remove", peer.name)
        await harness.gateway.handle("room.close", "room", None, {})
        endpoint = harness.gateway._started
        assert endpoint.by_ufrag == {} and endpoint.by_address == {}
        assert harness.gateway.rooms() == []
        del peer, client
        await asyncio.sleep(0.1)
        assert count() == before


async def test_leaving_is_told_to_the_browser(harness: Harness) -> None:
    ann = await harness.join("ann")
    await harness.call("peer.remove", "ann")
    await until(lambda: ann.subscriber.closed_reason == "closed by peer")


# -- rubbish --------------------------------------------------------------------


async def test_a_hundred_thousand_random_datagrams_cost_no_memory_and_get_no_answer(
    harness: Harness,
) -> None:
    """The server stays flat and goes on serving the peer that is there."""
    ann = await harness.join("ann")
    endpoint = harness.gateway._started
    rng = random.Random(7)
    samples = [rng.randbytes(rng.randrange(1, 300)) for _ in range(2000)]
    # Some look more dangerous: right first bytes, a STUN header, a DTLS record, a known user fragment.
    samples += [bytes((first,)) + rng.randbytes(60) for first in (0, 1, 20, 22, 23, 63, 128, 144, 191) * 100]
    head = stun.HEADER.pack(stun.BINDING_REQUEST, 80, stun.COOKIE, bytes(12))
    samples += [head + rng.randbytes(80) for _ in range(300)]
    known = f"{ann.subscriber.remote_ufrag}:x".encode()
    samples += [stun.binding_request(rng.randbytes(12), known, rng.randbytes(16)) for _ in range(300)]
    before = endpoint.socket.received

    async def flood(rounds: int) -> None:
        for _ in range(rounds):
            for start in range(0, len(samples), 50):
                for sample in samples[start : start + 50]:
                    attacker.sendto(sample, ("127.0.0.1", harness.gateway.port))
                await asyncio.sleep(0)

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as attacker:
        attacker.setblocking(False)
        await flood(2)
        tracemalloc.start()
        size, _ = tracemalloc.get_traced_memory()
        await flood(30)
        await asyncio.sleep(0.1)
        grown = tracemalloc.get_traced_memory()[0] - size
        tracemalloc.stop()
        with pytest.raises(BlockingIOError):
            attacker.recv(100)
    assert endpoint.socket.received - before > 100_000
    assert grown < 200_000
    assert len(endpoint.by_address) == 1 and len(endpoint.by_ufrag) == 1
    assert endpoint.refused >= 300 * 30
    answered = ann.subscriber.binding_answers
    ann.subscriber.ping()
    await until(lambda: ann.subscriber.binding_answers > answered)


async def test_rubbish_from_a_peer_itself_is_counted(harness: Harness) -> None:
    viewer = await harness.join("bob")
    ann = await harness.join("ann")
    client = await ann.publish("mic")
    sender = Sender(client, client.tracks[0])
    good = sender.packet(b"good")
    rng = random.Random(3)
    for length in range(12, 200):
        client.send_rtp(bytes((0x80 | rng.randrange(64),)) + rng.randbytes(length))
        client.send_rtcp(bytes((0x80 | rng.randrange(64), rng.randrange(200, 208))) + rng.randbytes(length))
        client._send(bytes((rng.randrange(128, 192),)) + rng.randbytes(length))
        viewer.subscriber.send_rtcp(
            bytes((0x80 | rng.randrange(32), rng.randrange(200, 208))) + rng.randbytes(length)
        )
    client.send_rtp(good)
    await until(lambda: b"good" in viewer.got("ann mic"))
    publisher = harness.gateway._rooms["room"].peers["ann"].publish
    assert publisher is not None and publisher.malformed > 0
    assert len(publisher.strange_ssrcs) <= 64


async def test_a_publisher_cannot_invent_ssrcs_without_end(harness: Harness) -> None:
    ann = await harness.join("ann")
    client = await ann.publish("mic")
    for ssrc in range(1, 1000):
        client.send_rtp(rtp.build(payload_type=50, sequence=1, timestamp=1, ssrc=ssrc, payload=b"x"))
        if ssrc % 50 == 0:
            await asyncio.sleep(0.01)
    publisher = harness.gateway._rooms["room"].peers["ann"].publish
    assert publisher is not None
    await asyncio.sleep(0.05)
    assert len(publisher.strange_ssrcs) == 64


async def test_media_from_a_wrong_address_is_not_taken(harness: Harness) -> None:
    """Knowing somebody's packets is not enough: replayed from elsewhere they go nowhere."""
    viewer = await harness.join("bob")
    ann = await harness.join("ann")
    client = await ann.publish("mic")
    stolen: list[bytes] = []
    client.drop_sent = lambda data: data[0] >= 128 and (stolen.append(data) or True)
    Sender(client, client.tracks[0]).send(b"secret")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.sendto(stolen[0], ("127.0.0.1", harness.gateway.port))
    await asyncio.sleep(0.1)
    assert viewer.got("ann mic") == []


async def test_load_tells_sizes_and_rates(harness: Harness) -> None:
    viewer = await harness.join("bob")
    ann = await harness.join("ann")
    client = await ann.publish("mic")
    sender = Sender(client, client.tracks[0])
    for _ in range(120):
        sender.send(b"x" * 100)
        await asyncio.sleep(0.01)
    await until(lambda: viewer.got("ann mic"))
    load = harness.gateway.load()
    assert (load["rooms"], load["peers"]) == (1, 2)
    assert load["packets_per_s"] > 20 and load["bytes_per_s"] > 2000
    assert {"lag_ms", "nacks_per_s", "plis_per_s", "drops_per_s", "resends_per_s"} <= load.keys()
    assert IDENTITY.fingerprint not in str(load)
