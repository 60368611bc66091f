"""Media over TCP: framing, a whole call, limits, and what a slow reader gets."""

import asyncio
import os
import random
import socket
import struct
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_gateway.sfu import backlog, rtcp, rtp, stun, tcp, transport
from media_gateway.sfu.backlog import Backlog
from media_gateway.sfu.client_tcp import FramedSocket, TcpMediaClient, candidate
from media_gateway.sfu.codecs import OPUS, VP8
from media_gateway.sfu.framing import Deframer, FrameTooLong, framed
from media_gateway.sfu.gateway import Gateway, GatewayConfig
from media_gateway.sfu.tcp import StreamServer
from media_gateway.sfu.transport import Transport
from tests.media_gateway.sfu.support import Harness, RawPeer, Sender, until


class TcpPeer(RawPeer):
    """A participant whose network lets no UDP out."""

    make_client = TcpMediaClient

    @property
    def down(self) -> TcpMediaClient:
        assert isinstance(self.subscriber, TcpMediaClient)
        return self.subscriber


@pytest.fixture
async def harness() -> AsyncIterator[Harness]:
    async with Harness(tcp=True) as started:
        yield started


async def tcp_peer(harness: Harness, name: str) -> TcpPeer:
    peer = TcpPeer(harness, name)
    harness.peers[name] = peer
    await peer.join()
    return peer


def streams_of(harness: Harness) -> StreamServer:
    streams = harness.gateway._started.streams
    assert streams is not None
    return streams


def transport_of(harness: Harness, peer: str) -> Transport:
    return harness.gateway._rooms["room"].peers[peer].subscribe.transport


async def raw_connection(harness: Harness) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", streams_of(harness).port)


async def is_cut(reader: asyncio.StreamReader, timeout: float = 5.0) -> bool:
    """Whether the other end hangs up, without having said anything."""
    try:
        return await asyncio.wait_for(reader.read(100), timeout) == b""
    except ConnectionError:
        return True


# -- framing --------------------------------------------------------------------


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=20), st.randoms(use_true_random=False))
def test_datagrams_come_out_whole_however_the_stream_is_cut(
    datagrams: list[bytes], rng: random.Random
) -> None:
    stream = b"".join(map(framed, datagrams))
    deframer, found, at = Deframer(300), [], 0
    while at < len(stream):
        size = rng.randrange(1, 700)
        found += [bytes(frame) for frame in deframer.feed(stream[at : at + size])]
        at += size
    assert found == datagrams


def test_a_frame_that_is_too_long_ends_the_stream() -> None:
    deframer = Deframer(100)
    assert [bytes(frame) for frame in deframer.feed(framed(b"good"))] == [b"good"]
    with pytest.raises(FrameTooLong):
        list(deframer.feed(struct.pack("!H", 101)))


# -- candidates -------------------------------------------------------------------


async def test_both_kinds_of_sdp_name_the_tcp_port_after_all_udp() -> None:
    async with Harness(host="127.0.0.1", advertised_ips=["192.0.2.1", "2001:db8::1"], tcp=True) as harness:
        reply = await harness.call("peer.add", "ann", generation=1, name="", publish=["mic"])
        client = TcpMediaClient()
        client.add_track("mic")
        publish = await harness.call(
            "peer.publish", "ann", generation=1, sdp=client.offer(), tracks=client.published()
        )
        udp_port, tcp_port = harness.gateway.port, streams_of(harness).port
        for text in (reply["subscribe"]["sdp"], publish["sdp"]):
            lines = [line.split() for line in text.split("\r\n") if line.startswith("a=candidate:")]
            assert [(parts[2], parts[4], int(parts[5])) for parts in lines] == [
                ("udp", "192.0.2.1", udp_port),
                ("udp", "2001:db8::1", udp_port),
                ("tcp", "192.0.2.1", tcp_port),
                ("tcp", "2001:db8::1", tcp_port),
            ]
            priorities = [int(parts[3]) for parts in lines]
            assert priorities == sorted(priorities, reverse=True) and len(set(priorities)) == 4
            assert [parts[6:] for parts in lines[2:]] == [["typ", "host", "tcptype", "passive"]] * 2
        client.close()


async def test_the_port_is_that_of_udp_and_a_used_one_is_an_error_only_where_it_was_asked_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        asked = Gateway(GatewayConfig(host="127.0.0.1", port=port, tcp=True), lambda event: None)
        with pytest.raises(OSError):
            await asked.start()
        quiet = Gateway(GatewayConfig(host="127.0.0.1", port=port), lambda event: None)
        await quiet.start()
        assert quiet._started.streams is None
        reply = await quiet.handle("peer.add", "room", "ann", {"generation": 1, "publish": []})
        assert " tcp " not in reply["subscribe"]["sdp"]
        await quiet.stop()
    again = Gateway(GatewayConfig(host="127.0.0.1", port=port, tcp=True), lambda event: None)
    await again.start()
    assert again._started.streams is not None and again._started.streams.port == port
    await again.stop()


async def test_it_can_be_left_off() -> None:
    async with Harness(tcp=False) as harness:
        reply = await harness.call("peer.add", "ann", generation=1, name="", publish=[])
        assert " tcp " not in reply["subscribe"]["sdp"]
        assert harness.gateway._started.streams is None


# -- a call -----------------------------------------------------------------------


async def test_a_call_over_tcp_alone(harness: Harness) -> None:
    bob, ann = await tcp_peer(harness, "bob"), await tcp_peer(harness, "ann")
    client = await ann.publish("mic", "camera")
    sound, picture = Sender(client, client.tracks[0]), Sender(client, client.tracks[1])
    await until(lambda: {"ann mic", "ann camera"} <= set(bob.names.values()))
    received = harness.gateway._started.socket.received
    sent = [picture.frame(True, 0)]
    for tag in range(1, 50):
        sound.send(b"sound %d" % tag)
        sent.append(picture.frame(False, tag))
        await asyncio.sleep(0.002)
    await until(lambda: len(bob.got("ann mic")) >= 49 and len(bob.got("ann camera")) >= 50)
    assert bob.got("ann camera") == sent
    assert harness.gateway._started.socket.received == received, "nothing came by UDP"
    assert harness.named("peer.state", "bob")[-1]["data"]["state"] == "connected"


async def test_one_over_tcp_meets_one_over_udp(harness: Harness) -> None:
    bob = await tcp_peer(harness, "bob")
    ann = await harness.join("ann")
    client = await ann.publish("mic")
    await until(lambda: "ann mic" in bob.names.values())
    Sender(client, client.tracks[0]).send(b"across")
    await until(lambda: bob.got("ann mic") == [b"across"])


async def test_lost_packets_are_asked_for_and_repaired_over_tcp_too(harness: Harness) -> None:
    bob, ann = await tcp_peer(harness, "bob"), await tcp_peer(harness, "ann")
    client = await ann.publish("camera")
    sender = Sender(client, client.tracks[0])
    await until(lambda: "ann camera" in bob.names.values())
    sender.frame(True, 0)
    await until(lambda: bob.got("ann camera"))
    first = bob.received["ann camera"][0]
    bob.subscriber.send_rtcp(rtcp.Nack(1, first.ssrc, [first.sequence]).pack())
    await until(lambda: bob.got("rtx ann camera"))


async def test_over_ipv6_and_ipv4_on_one_port() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")
    async with Harness(host="::", advertised_ips=["::1", "127.0.0.1"], tcp=True) as harness:
        bob, ann = await tcp_peer(harness, "bob"), await tcp_peer(harness, "ann")
        client = await ann.publish("mic")
        bob.down._remote = ("127.0.0.1", streams_of(harness).port)
        bob.down.move()
        await until(lambda: transport_of(harness, "bob").address.peer[0] == "127.0.0.1")
        await until(lambda: "ann mic" in bob.names.values())
        Sender(client, client.tracks[0]).send(b"over both")
        await until(lambda: bob.got("ann mic") == [b"over both"])
        peers = {stream.peer[0] for stream in streams_of(harness).streams}
        assert peers == {"::1", "127.0.0.1"}


async def test_udp_takes_over_once_it_is_nominated_and_tcp_when_it_is(harness: Harness) -> None:
    bob = await tcp_peer(harness, "bob")
    ann = await harness.join("ann")
    client = await ann.publish("mic")
    sender = Sender(client, client.tracks[0])
    await until(lambda: "ann mic" in bob.names.values())
    found = transport_of(harness, "bob")
    assert found.stream is not None
    bob.down.switch_to_udp(bob.offers[0])
    await until(lambda: found.stream is None)
    sender.send(b"by UDP")
    await until(lambda: bob.got("ann mic") == [b"by UDP"])
    # The connection stays in reserve; when it is nominated again it is the path again.
    spare = bob.down.spare
    assert spare is not None and len(streams_of(harness).streams) == 1
    await asyncio.sleep(transport.LATE + 0.1)
    bob.down._close_socket()
    bob.down.stream, bob.down._sock = spare, spare.sock
    asyncio.get_running_loop().add_reader(spare.fileno(), bob.down._readable)
    bob.down.ping()
    await until(lambda: found.stream is not None)
    sender.send(b"by TCP")
    await until(lambda: bob.got("ann mic")[-1] == b"by TCP")


async def test_a_broken_connection_is_replaced_by_a_new_one(harness: Harness) -> None:
    bob = await tcp_peer(harness, "bob")
    ann = await harness.join("ann")
    client = await ann.publish("mic")
    sender = Sender(client, client.tracks[0])
    await until(lambda: "ann mic" in bob.names.values())
    bob.down._close_socket()
    await until(lambda: not streams_of(harness).streams)
    sender.send(b"into nothing")
    await asyncio.sleep(0.05)
    bob.down._open_socket()
    bob.down.ping()
    await until(lambda: streams_of(harness).streams)
    await asyncio.sleep(0.05)
    sender.send(b"back")
    await until(lambda: bob.got("ann mic") == [b"back"])


async def test_leaving_closes_the_connection_and_says_goodbye(harness: Harness) -> None:
    bob = await tcp_peer(harness, "bob")
    await harness.call("peer.remove", "bob")
    await asyncio.wait_for(bob.down.hung_up.wait(), 5)
    assert bob.down.closed_reason == "closed by peer"
    assert not streams_of(harness).streams and not harness.gateway._started.by_address


# -- strangers --------------------------------------------------------------------


async def test_who_says_nothing_is_cut(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "AUTHENTICATE_WITHIN", 0.2)
    reader, writer = await raw_connection(harness)
    assert await is_cut(reader)
    writer.close()
    assert not streams_of(harness).streams


@pytest.mark.parametrize(
    "data",
    [
        framed(b"\x16\xfe\xfd" + bytes(40)),
        framed(b"\x80\x60" + bytes(40)),
        framed(b"\x00\x01" + bytes(stun.MAX_LENGTH)),
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        struct.pack("!H", 60000),
    ],
    ids=["dtls", "rtp", "long", "http", "huge"],
)
async def test_who_does_not_begin_with_stun_is_cut_at_once(harness: Harness, data: bytes) -> None:
    reader, writer = await raw_connection(harness)
    writer.write(data)
    assert await is_cut(reader, tcp.AUTHENTICATE_WITHIN / 2)
    writer.close()


async def test_unauthenticated_requests_get_no_answer_and_not_many_tries(harness: Harness) -> None:
    ann = await harness.join("ann")
    username = f"{ann.subscriber.remote_ufrag}:far".encode()
    reader, writer = await raw_connection(harness)
    for _ in range(tcp.MAX_STRANGE_FRAMES + 1):
        writer.write(framed(stun.binding_request(os.urandom(12), username, os.urandom(16))))
    assert await is_cut(reader)
    writer.close()
    assert harness.gateway._started.refused == tcp.MAX_STRANGE_FRAMES


async def test_connections_from_one_network_are_bounded(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tcp, "MAX_PER_NETWORK", 5)
    made = [await raw_connection(harness) for _ in range(5)]
    await until(lambda: len(streams_of(harness).streams) == 5)
    reader, writer = await raw_connection(harness)
    assert await is_cut(reader)
    writer.close()
    assert len(streams_of(harness).streams) == 5 and streams_of(harness).refused == 1
    for _, opened in made:
        opened.close()
    await until(lambda: not streams_of(harness).streams)
    assert not streams_of(harness)._networks


async def test_strangers_push_out_strangers_and_nobody_else(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tcp, "MAX_STRANGERS", 4)
    bob = await tcp_peer(harness, "bob")
    made = [await raw_connection(harness) for _ in range(10)]
    await until(lambda: streams_of(harness).refused == 6)
    assert len(streams_of(harness).strangers) == 4 and len(streams_of(harness).streams) == 5
    answered = bob.down.binding_answers
    bob.down.ping()
    await until(lambda: bob.down.binding_answers > answered)
    for _, opened in made:
        opened.close()


@pytest.mark.parametrize(
    ("ip", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_what_counts_as_one_network(ip: str, network: str) -> None:
    assert tcp.network_of(ip) == network


async def test_rubbish_from_a_known_connection_harms_nobody(harness: Harness) -> None:
    bob, ann = await tcp_peer(harness, "bob"), await tcp_peer(harness, "ann")
    client = await ann.publish("mic")
    await until(lambda: "ann mic" in bob.names.values())
    rng = random.Random(4)
    for _ in range(500):
        bob.down._send(rng.randbytes(rng.randrange(1, 500)))
    Sender(client, client.tracks[0]).send(b"unharmed")
    await until(lambda: bob.got("ann mic") == [b"unharmed"])


# -- slow readers -----------------------------------------------------------------


def media(payload_type: int, timestamp: int, ssrc: int = 5, size: int = 1000) -> bytes:
    return rtp.build(
        payload_type=payload_type, sequence=1, timestamp=timestamp, ssrc=ssrc, payload=bytes(size - 12)
    )


def test_while_much_waits_no_picture_is_begun_but_one_under_way_is_ended() -> None:
    kept = Backlog()
    assert kept.admits(media(VP8.payload_type, 1), backlog.WAITING)
    assert kept.admits(media(VP8.payload_type, 1), backlog.WAITING + 50_000), "the rest of it"
    assert not kept.admits(media(VP8.payload_type, 2), backlog.WAITING + 1), "another one"
    assert not kept.admits(media(VP8.payload_type, 2), 0), "nor the rest of that"
    assert kept.admits(media(VP8.payload_type, 3), 0)
    assert kept.admits(media(VP8.payload_type, 9, ssrc=6), 0), "each source has its own pictures"
    assert kept.admits(media(VP8.payload_type, 3), backlog.WAITING + 1)
    assert kept.dropped == 2


def test_sound_and_reports_go_on_until_the_hard_limit() -> None:
    kept = Backlog()
    sound, report = media(OPUS.payload_type, 1, size=100), rtcp.ReceiverReport(1).pack()
    assert kept.admits(sound, backlog.MAX_WAITING - 100) and kept.admits(report, backlog.MAX_WAITING - 100)
    assert not kept.admits(sound, backlog.MAX_WAITING) and not kept.admits(report, backlog.MAX_WAITING)


def test_a_picture_cut_by_the_hard_limit_is_left_out_to_its_end() -> None:
    kept = Backlog()
    assert kept.admits(media(VP8.payload_type, 1), 0)
    assert not kept.admits(media(VP8.payload_type, 1), backlog.MAX_WAITING)
    assert not kept.admits(media(VP8.payload_type, 1), 0)


def test_the_memory_of_pictures_is_bounded() -> None:
    kept = Backlog()
    for ssrc in range(3 * backlog.MAX_SENDERS):
        kept.admits(media(VP8.payload_type, 1, ssrc=ssrc), 0)
    assert len(kept._pictures) <= backlog.MAX_SENDERS


async def test_a_reader_that_stops_costs_bounded_memory_and_is_served_again(harness: Harness) -> None:
    bob = TcpPeer(harness, "bob")
    bob.down.receive_buffer = 4096
    harness.peers["bob"] = bob
    await bob.join()
    ann = await harness.join("ann")
    client = await ann.publish("mic", "camera")
    sound, picture = Sender(client, client.tracks[0]), Sender(client, client.tracks[1])
    await until(lambda: {"ann mic", "ann camera"} <= set(bob.names.values()))
    picture.frame(True, 0)
    await until(lambda: bob.got("ann camera"))
    stream = transport_of(harness, "bob").stream
    assert isinstance(stream, tcp.TcpStream) and stream._transport is not None
    loop = asyncio.get_running_loop()
    loop.remove_reader(bob.down.stream.fileno())  # type: ignore[union-attr]
    most = 0
    for tag in range(1, 1500):
        picture.send(b"\x10\x01" + tag.to_bytes(4, "big") + bytes(1000), marker=True)
        picture.timestamp += 3000
        if tag % 10 == 0:
            sound.send(tag.to_bytes(4, "big"))
            await asyncio.sleep(0.001)
            most = max(most, stream._transport.get_write_buffer_size())
    await until(lambda: stream.backlog.dropped > 500)
    assert most <= backlog.WAITING + 64 * 1100, "pictures stop where they may, not where they must"
    loop.add_reader(bob.down.stream.fileno(), bob.down._readable)  # type: ignore[union-attr]
    await until(lambda: stream._transport.get_write_buffer_size() == 0)
    sound.send(b"the end")
    await until(lambda: b"the end" in bob.got("ann mic"))
    assert len(bob.got("ann mic")) == 150, "no sound was left out"


def test_the_clients_socket_keeps_what_the_kernel_does_not_take() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        sender = FramedSocket(server.getsockname())
        accepted, _ = server.accept()
        with accepted:
            for _ in range(3000):
                sender.send(bytes(1500))
            deframer, count = Deframer(2000), 0
            accepted.settimeout(0.2)
            while count < 3001:
                try:
                    data = accepted.recv(1 << 16)
                except TimeoutError:
                    sender.send(b"x")
                    continue
                count += len(list(deframer.feed(data)))
        sender.close()


def test_a_candidate_is_found_by_its_protocol() -> None:
    text = "a=candidate:1 1 udp 5 192.0.2.1 10 typ host\r\na=candidate:2 1 TCP 4 192.0.2.2 20 typ host"
    assert candidate(text, "udp") == ("192.0.2.1", 10) and candidate(text, "tcp") == ("192.0.2.2", 20)
    with pytest.raises(StopIteration):
        candidate("v=0", "tcp")
