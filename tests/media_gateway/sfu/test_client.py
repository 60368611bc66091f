"""The headless client on its own: a plain socket plays the server."""

import asyncio
import secrets
import socket

import pytest

from media_gateway.sfu import sdp, stun
from media_gateway.sfu.client import MediaClient
from tests.media_gateway.sfu.support import IDENTITY, until

OFFER = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\na=ice-ufrag:abcd\r\n"
    "a=ice-pwd:0123456789012345678901\r\na=fingerprint:sha-256 " + ":".join(["AB"] * 32) + "\r\n"
    "a=setup:actpass\r\nm=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendonly\r\n"
    "a=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 transport-cc\r\n"
    "a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=extmap:3 uri:transport\r\n"
    "a=candidate:1 1 udp 1 127.0.0.1 {port} typ host\r\n"
)


async def receive(server: socket.socket, kind: int) -> tuple[bytes, tuple[str, int]]:
    """The next STUN message of a kind that the client sends."""

    async def wanted() -> tuple[bytes, tuple[str, int]]:
        while True:
            data, address = await asyncio.get_running_loop().sock_recvfrom(server, 2048)
            if int.from_bytes(data[:2], "big") == kind:
                return data, address

    return await asyncio.wait_for(wanted(), 5)


@pytest.fixture
def server():  # type: ignore[no-untyped-def]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        made.setblocking(False)
        yield made


async def test_checks_of_the_server_are_answered_when_authentic(server: socket.socket) -> None:
    client = MediaClient(IDENTITY)
    client.answer(OFFER.format(port=server.getsockname()[1]))
    _, address = await receive(server, stun.BINDING_REQUEST)
    name = f"{client.ufrag}:abcd".encode()
    forged, honest = secrets.token_bytes(12), secrets.token_bytes(12)
    server.sendto(stun.binding_request(forged, name, b"another"), address)
    server.sendto(stun.binding_request(honest, name, client.pwd.encode()), address)
    answer, _ = await receive(server, stun.BINDING_SUCCESS)
    assert answer[8:20] == honest, "the forged one came first and got nothing"
    client.close()


async def test_the_answer_takes_what_browsers_take(server: socket.socket) -> None:
    client = MediaClient(IDENTITY)
    (section,) = sdp.parse(client.answer(OFFER.format(port=server.getsockname()[1]))).media
    assert section.extensions == {"uri:transport": 3}
    assert section.formats[96].feedback == {"nack", "transport-cc"}
    assert section.formats[97].apt == 96
    client.close()


async def test_layers_are_named_by_rid_only() -> None:
    client = MediaClient(IDENTITY)
    track = client.add_track("camera", rids=("q", "h", "f"))
    (section,) = sdp.parse(client.offer(setup="active")).media
    assert list(section.rids) == section.simulcast == ["q", "h", "f"] and section.setup == "active"
    assert section.ssrcs == [], "a browser names none of them"
    assert set(track.layers) == {"q", "h", "f"} and len(set(track.layers.values())) == 3


async def test_a_released_socket_is_left_to_the_caller(server: socket.socket) -> None:
    client = MediaClient(IDENTITY)
    client.answer(OFFER.format(port=server.getsockname()[1]))
    _, address = await receive(server, stun.BINDING_REQUEST)
    own = client.release_socket()
    server.sendto(stun.binding_success(bytes(12), "127.0.0.1", 1, client.pwd.encode()), address)
    data = await asyncio.get_running_loop().sock_recv(own, 2048)
    assert client.binding_answers == 0
    client.feed(data)
    await until(lambda: client.binding_answers == 1)
    client.close()


async def test_a_server_that_controls_gets_no_nominations(server: socket.socket) -> None:
    client = MediaClient(IDENTITY)
    client.answer(OFFER.format(port=server.getsockname()[1]))
    data, address = await receive(server, stun.BINDING_REQUEST)
    first = stun.parse_binding_request(data)
    assert first is not None and first.use_candidate
    password = client.remote_pwd.encode()
    server.sendto(stun.binding_error(first.transaction, stun.ROLE_CONFLICT, password), address)
    while True:
        data, _ = await receive(server, stun.BINDING_REQUEST)
        request = stun.parse_binding_request(data)
        assert request is not None
        if not request.use_candidate:
            break
    assert client.binding_answers == 0, "a refusal is no answer"
    client.close()
