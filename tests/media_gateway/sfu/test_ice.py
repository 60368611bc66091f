"""What an ICE-lite agent owes its peers: roles, unknown attributes, consent, restarts, small answers."""

import asyncio
import os
import socket
import struct

import pytest
from aioice import stun as reference
from hypothesis import given
from hypothesis import strategies as st

from media_gateway.sfu import stun, transport
from media_gateway.sfu.client import MediaClient
from media_gateway.sfu.gateway import GatewayError
from tests.media_gateway.sfu.support import Harness, RawPeer, Sender, until

PASSWORD = b"a-password-of-ours-1234"


def request(
    username: bytes, password: bytes, *attributes: tuple[int, bytes], fingerprint: bool = True
) -> bytes:
    """A binding request with any attributes."""
    body = b""
    for kind, value in ((stun.USERNAME, username), *attributes):
        body += stun.ATTRIBUTE.pack(kind, len(value)) + value + bytes(-len(value) & 3)
    return stun._signed(stun.BINDING_REQUEST, os.urandom(12), body, password, fingerprinted=fingerprint)


async def asked(harness: Harness, data: bytes) -> bytes:
    """What the gateway answers to a datagram from somewhere."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_sendto(other, data, ("127.0.0.1", harness.gateway.port))
        return await asyncio.wait_for(loop.sock_recv(other, 1000), 5)


def name_and_password(client: MediaClient) -> tuple[bytes, bytes]:
    return f"{client.remote_ufrag}:far".encode(), client.remote_pwd.encode()


# -- refusals that are answered ---------------------------------------------------


async def test_who_claims_to_be_controlled_is_told_of_the_conflict(harness: Harness) -> None:
    ann = await harness.join("ann")
    username, password = name_and_password(ann.subscriber)
    known = len(harness.gateway._started.by_address)
    data = await asked(harness, request(username, password, (stun.ICE_CONTROLLED, bytes(8))))
    message = reference.parse_message(data)
    assert message.check_message_integrity(password)
    assert message.message_class == reference.Class.ERROR
    assert message.attributes["ERROR-CODE"][0] == 487
    assert len(harness.gateway._started.by_address) == known, "it is no valid check"


async def test_an_attribute_that_must_be_understood_and_is_not_is_named(harness: Harness) -> None:
    ann = await harness.join("ann")
    username, password = name_and_password(ann.subscriber)
    extra = [(0x7001, b"abc"), (0x0033, b""), (0xC057, bytes(4))]
    data = await asked(harness, request(username, password, *extra))
    attributes = dict(_attributes(data))
    assert struct.unpack("!HBB", attributes[stun.ERROR_CODE][:4])[1:] == (4, 20)
    assert struct.unpack("!2H", attributes[stun.UNKNOWN_ATTRIBUTES]) == (0x7001, 0x0033)
    assert stun.MESSAGE_INTEGRITY in attributes and stun.FINGERPRINT in attributes
    assert reference.parse_message(data).check_message_integrity(password)


def _attributes(data: bytes) -> list[tuple[int, bytes]]:
    found, at = [], 20
    while at < len(data):
        kind, length = stun.ATTRIBUTE.unpack_from(data, at)
        found.append((kind, data[at + 4 : at + 4 + length]))
        at += 4 + length + (-length & 3)
    return found


@pytest.mark.parametrize("attribute", [(stun.ICE_CONTROLLED, bytes(8)), (0x7001, b"")])
async def test_without_the_password_not_even_a_refusal_is_sent(
    harness: Harness, attribute: tuple[int, bytes]
) -> None:
    ann = await harness.join("ann")
    username, _ = name_and_password(ann.subscriber)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asked(harness, request(username, os.urandom(16), attribute)), 0.3)


# -- no amplifier -----------------------------------------------------------------


@given(
    ufrag=st.binary(min_size=4, max_size=40),  # RFC 8445 section 5.3: no shorter ones
    attributes=st.lists(
        st.tuples(st.integers(0x0010, 0xFFFF), st.binary(max_size=20)).filter(
            lambda pair: pair[0] not in (stun.FINGERPRINT, stun.MESSAGE_INTEGRITY)
        ),
        max_size=40,
    ),
    fingerprint=st.booleans(),
    ip=st.sampled_from(["192.0.2.7", "2001:db8:1234:5678:9abc:def0:1234:5678"]),
)
def test_no_answer_is_longer_than_its_request(
    ufrag: bytes, attributes: list[tuple[int, bytes]], fingerprint: bool, ip: str
) -> None:
    local = transport.Credentials().ufrag.encode()
    data = request(local + b":" + ufrag, PASSWORD, *attributes, fingerprint=fingerprint)
    parsed = stun.parse_binding_request(data)
    if parsed is None:
        assert len(data) > stun.MAX_LENGTH
        return
    reply, valid = stun.answer(parsed, ip, 65535, PASSWORD)
    assert len(reply) <= len(data)
    assert valid == (reply[:2] == b"\x01\x01")


async def test_nothing_unauthenticated_is_answered(harness: Harness) -> None:
    """Whatever a stranger sends, in whatever protocol: no byte comes back."""
    ann = await harness.join("ann")
    username, _ = name_and_password(ann.subscriber)
    hello = b"\x16\xfe\xfd" + bytes(9) + b"\x40" + os.urandom(64)
    datagrams = [
        os.urandom(100), hello, b"\x80\x60" + os.urandom(60), b"\x80\xc9" + os.urandom(60), b"\x00",
        bytes(reference.Message(reference.Method.BINDING, reference.Class.REQUEST)),
        request(username, os.urandom(16)), request(b"nobody:x", os.urandom(16)),
    ]  # fmt: skip
    sent = harness.gateway._started.socket.sent
    ann.subscriber.pinging = False
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.setblocking(False)
        for data in datagrams:
            other.sendto(data, ("127.0.0.1", harness.gateway.port))
        await asyncio.sleep(0.2)
        with pytest.raises(BlockingIOError):
            other.recv(100)
    assert harness.gateway._started.socket.sent == sent


# -- paths ------------------------------------------------------------------------


async def test_a_silent_path_gives_way_to_one_that_lives(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 7675: consent belongs to a path. A check from elsewhere is enough once the path has none."""
    monkeypatch.setattr(transport, "DISCONNECTED_AFTER", 0.3)
    ann = await harness.join("ann")
    ann.subscriber.pinging = False
    found = harness.gateway._rooms["room"].peers["ann"].subscribe.transport
    path = found.address
    username, password = name_and_password(ann.subscriber)
    await asked(harness, request(username, password))
    assert found.address == path
    await asyncio.sleep(0.4)
    await asked(harness, request(username, password))
    assert found.address != path


async def test_addresses_without_checks_are_forgotten(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "ADDRESS_IDLE", 0.2)
    ann = await harness.join("ann")
    username, password = name_and_password(ann.subscriber)
    await asked(harness, request(username, password))
    assert len(harness.gateway._started.by_address) == 2
    await until(lambda: len(harness.gateway._started.by_address) == 1)
    (path,) = harness.gateway._started.by_address
    assert harness.gateway._started.socket.describe(path) == ann.subscriber._sock.getsockname()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "candidate",
    [
        "1 1 udp 2122260223 3b1f0a52-2a9e-4d6a-9f0e-3f6c1e0e7a11.local 50123 typ host",
        "1 1 udp 2122260223 192.0.2.9 50123 typ host generation 0 ufrag abcd network-cost 999",
        "1 1 tcp 1518280447 192.0.2.9 9 typ host tcptype active",
        "rubbish",
    ],
)
async def test_the_candidates_of_a_browser_are_not_needed(harness: Harness, candidate: str) -> None:
    """Its checks say where it is; a name (mDNS) is never looked up."""
    viewer = await harness.join("bob")
    ann = await harness.join("ann")
    client = MediaClient(ann.subscriber.identity)
    ann.publisher = client
    client.add_track("mic")
    text = client.offer().replace("a=mid:0\r\n", f"a=mid:0\r\na=candidate:{candidate}\r\n")
    assert candidate in text
    reply = await ann.call("peer.publish", generation=1, sdp=text, tracks=client.published())
    client.connect(reply["sdp"])
    await asyncio.wait_for(client.connected.wait(), 5)
    await until(lambda: "ann mic" in viewer.names.values())
    Sender(client, client.tracks[0]).send(b"heard")
    await until(lambda: viewer.got("ann mic") == [b"heard"])


# -- restart of the subscribe connection --------------------------------------------


async def test_a_restart_gives_new_credentials_and_keeps_the_keys(harness: Harness) -> None:
    viewer = await harness.join("bob")
    ann = await harness.join("ann")
    client = await ann.publish("mic")
    sender = Sender(client, client.tracks[0])
    await until(lambda: "ann mic" in viewer.names.values())
    before, keys = viewer.subscriber.remote_ufrag, viewer.subscriber._srtp_in
    offers = len(viewer.offers)
    assert await viewer.call("peer.restart", generation=1) == {}
    await until(lambda: len(viewer.offers) == offers + 1)
    await until(lambda: viewer.subscriber.remote_ufrag != before)
    # The old address is of no use any more, only the new credentials are.
    viewer.subscriber.move()
    answered = viewer.subscriber.binding_answers
    await until(lambda: viewer.subscriber.binding_answers > answered)
    sender.send(b"after the restart")
    await until(lambda: b"after the restart" in viewer.got("ann mic"))
    assert viewer.subscriber._srtp_in is keys
    assert harness.named("peer.state", "bob")[-1]["data"]["state"] == "connected"


async def test_a_restart_is_made_once_until_it_is_answered(harness: Harness) -> None:
    reply = await harness.call("peer.add", "ann", generation=1, name="", publish=[])
    peer = RawPeer(harness, "ann")
    harness.peers["ann"] = peer
    harness.listeners.remove(peer._event)
    await peer.take_offer(reply["subscribe"])
    for _ in range(10):
        await harness.call("peer.restart", "ann", generation=1)
    await until(lambda: harness.named("subscribe.offer", "ann"))
    await asyncio.sleep(0.1)
    (offer,) = harness.named("subscribe.offer", "ann")
    found = harness.gateway._rooms["room"].peers["ann"].subscribe.transport
    assert len(found.credentials) == 2
    await peer.take_offer(offer["data"])
    await harness.call("peer.restart", "ann", generation=1)
    await until(lambda: len(harness.named("subscribe.offer", "ann")) == 2)
    assert len(found.credentials) == 3


async def test_a_restart_waits_for_the_offer_in_flight(harness: Harness) -> None:
    await harness.call("peer.add", "ann", generation=1, name="", publish=[])
    peer = RawPeer(harness, "ann")
    harness.peers["ann"] = peer
    first = harness.gateway._rooms["room"].peers["ann"].subscribe.current_offer()
    await harness.call("peer.restart", "ann", generation=1)
    await asyncio.sleep(0.05)
    assert harness.named("subscribe.offer", "ann") == []
    await peer.take_offer({"version": first[0], "sdp": first[1]})
    await until(lambda: len(peer.offers) == 2)
    assert peer.offers[0].split("ice-ufrag:")[1][:12] != peer.offers[1].split("ice-ufrag:")[1][:12]
    await asyncio.wait_for(peer.subscriber.connected.wait(), 5)


async def test_a_restart_that_makes_no_sense_is_refused(harness: Harness) -> None:
    async def refused(code: str, peer: str, **data: object) -> None:
        with pytest.raises(GatewayError) as caught:
            await harness.call("peer.restart", peer, **data)
        assert caught.value.code == code

    ann = await harness.join("ann")
    await refused("not_found", "bob", generation=1)
    await refused("stale_generation", "ann", generation=2)
    await refused("bad_request", "ann")
    ann.subscriber.close()
    await until(lambda: harness.named("peer.state", "ann")[-1]["data"]["state"] == "closed")
    await refused("bad_request", "ann", generation=1)
