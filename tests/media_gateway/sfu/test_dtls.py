"""The handshake, over a wire that loses exactly what a test wants."""

import asyncio
import time
from collections.abc import Callable

import pytest

from media_gateway.sfu.dtls import MAX_DATAGRAM, DtlsAssociation
from media_gateway.sfu.identity import Identity
from media_gateway.sfu.srtp import Profile

SERVER, CLIENT = Identity(), Identity()


class Wire:
    """A server and a client with a queue each way.

    `lose(direction, number)` says which datagrams are lost.
    """

    def __init__(self, lose: Callable[[str, int], bool] = lambda direction, number: False) -> None:
        self.lose = lose
        self.counts = {"up": 0, "down": 0}
        self.sizes: list[int] = []
        self.keys: dict[str, tuple[Profile, bytes, bytes]] = {}
        self.closed: dict[str, str] = {}
        self.loop = asyncio.get_running_loop()
        self.server = self._end(SERVER, "down", "server", lambda: self.client)
        self.client = self._end(CLIENT, "up", "client", lambda: self.server, server=False)

    def _end(
        self, identity: Identity, direction: str, name: str, peer: Callable[[], DtlsAssociation],
        *, server: bool = True,
    ) -> DtlsAssociation:  # fmt: skip
        def send(datagram: bytes) -> None:
            number = self.counts[direction]
            self.counts[direction] += 1
            self.sizes.append(len(datagram))
            if not self.lose(direction, number):
                self.loop.call_later(0.002, lambda: peer().feed(datagram))

        return DtlsAssociation(
            identity,
            send,
            lambda *keys: self.keys.update({name: keys}),
            lambda reason: self.closed.update({name: reason}),
            server=server,
        )

    def expect(self) -> None:
        self.server.expect([("sha-256", CLIENT.fingerprint)])
        self.client.expect([("sha-256", SERVER.fingerprint)])

    async def finish(self, timeout: float = 5.0) -> float:
        started = time.monotonic()
        while len(self.keys) < 2 and not self.closed:
            assert time.monotonic() - started < timeout, "no handshake"
            await asyncio.sleep(0.005)
        return time.monotonic() - started


async def test_both_ends_get_the_same_keys_and_our_preferred_profile() -> None:
    wire = Wire()
    wire.expect()
    wire.client.start()
    await wire.finish()
    profile, receive, send = wire.keys["server"]
    assert profile.name == b"SRTP_AEAD_AES_128_GCM"
    assert wire.keys["client"] == (profile, send, receive)
    assert max(wire.sizes) <= MAX_DATAGRAM


async def test_the_fingerprint_may_come_after_the_handshake() -> None:
    wire = Wire()
    wire.client.expect([("sha-256", SERVER.fingerprint)])
    wire.client.start()
    await asyncio.sleep(0.1)
    assert wire.server.handshaken and "server" not in wire.keys
    wire.server.expect([("SHA-256", CLIENT.fingerprint.lower())])
    assert "server" in wire.keys


@pytest.mark.parametrize("known_before", [True, False])
async def test_a_wrong_certificate_gets_no_keys(known_before: bool) -> None:
    wire = Wire()
    wire.client.expect([("sha-256", SERVER.fingerprint)])
    if known_before:
        wire.server.expect([("sha-256", SERVER.fingerprint)])
    wire.client.start()
    await asyncio.sleep(0.1)
    if not known_before:
        wire.server.expect([("sha-256", SERVER.fingerprint)])
    assert "server" not in wire.keys
    assert "fingerprint" in wire.closed["server"]
    assert wire.server.closed


async def test_only_known_digests_count() -> None:
    wire = Wire()
    wire.client.expect([("sha-256", SERVER.fingerprint)])
    wire.server.expect([("md5", CLIENT.fingerprint)])
    wire.client.start()
    await asyncio.sleep(0.1)
    assert "server" not in wire.keys and wire.server.closed


async def test_a_lost_last_flight_is_repeated_when_the_client_repeats_its_own() -> None:
    """The server is done and would stay silent; the client waits for the end of the handshake."""
    done_at: list[int] = []

    def lose(direction: str, number: int) -> bool:
        if direction == "down" and wire.server.handshaken and not done_at:
            done_at.append(number)
            return True
        return False

    wire = Wire(lose)
    wire.expect()
    wire.client.start()
    await asyncio.sleep(0.1)
    assert done_at and "client" not in wire.keys
    assert await wire.finish() < 2


async def test_a_repeated_client_flight_is_answered_at_once() -> None:
    """OpenSSL alone ignores a repeated ClientHello and waits a second for its own timer."""
    hellos: list[bytes] = []
    answered: list[float] = []
    server = DtlsAssociation(
        SERVER, lambda datagram: answered.append(time.monotonic()), lambda *_: None, lambda _: None
    )
    client = DtlsAssociation(CLIENT, hellos.append, lambda *_: None, lambda _: None, server=False)
    client.start()
    for hello in hellos:
        server.feed(hello)
    first = len(answered)
    assert first
    await asyncio.sleep(0.05)
    for hello in hellos:
        server.feed(hello)
    assert len(answered) == 2 * first
    server.close()
    client.close()


FLIGHTS = ["client hello", "server hello to done", "certificate to finished", "finished of the server"]


@pytest.mark.parametrize("lost", range(4), ids=FLIGHTS)
async def test_a_lost_flight_costs_a_tenth_of_a_second(lost: int) -> None:
    """Flights alternate; all datagrams of one are lost, once. OpenSSL's own timer would take a second."""
    flights: list[str] = []

    def lose(direction: str, number: int) -> bool:
        if not flights or flights[-1] != direction:
            flights.append(direction)
        if len(flights) == lost + 1 and not over:
            wire.loop.call_later(0.02, over.append, True)
            return True
        return False

    over: list[bool] = []
    wire = Wire(lose)
    wire.expect()
    wire.client.start()
    taken = await wire.finish()
    print(f"DTLS with the flight {FLIGHTS[lost]!r} lost: {1000 * taken:.0f} ms")
    assert over, "something was lost"
    assert taken < 0.9
    assert wire.server.resends + wire.client.resends > 0
    assert wire.keys["client"][1] == wire.keys["server"][2]


async def test_impatience_ends_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody answers: three quick repeats, the rest is left to OpenSSL's timer."""
    wire = Wire(lambda direction, number: True)
    wire.client.start()
    await asyncio.sleep(0.9)
    assert wire.client.resends == 3
    wire.client.close()


@pytest.mark.parametrize("lost", [("up", 0), ("down", 0), ("up", 1), ("down", 1)])
async def test_any_single_lost_datagram_is_got_over(lost: tuple[str, int]) -> None:
    wire = Wire(lambda direction, number: (direction, number) == lost)
    wire.expect()
    wire.client.start()
    assert await wire.finish() < 3


async def test_goodbye_reaches_the_other_end() -> None:
    wire = Wire()
    wire.expect()
    wire.client.start()
    await wire.finish()
    wire.client.close()
    await asyncio.sleep(0.05)
    assert wire.closed == {"server": "closed by peer"}


async def test_rubbish_instead_of_a_handshake_does_not_raise() -> None:
    wire = Wire()
    wire.expect()
    for datagram in (b"\x16", b"\x16\xfe\xfd" + bytes(40), bytes((22,)) * 600, bytes((20,)) * 30):
        wire.server.feed(datagram)
    if not wire.server.closed:
        wire.client.start()
        await wire.finish()


async def test_no_timer_is_left_after_the_end() -> None:
    wire = Wire(lambda direction, number: direction == "down")
    wire.expect()
    wire.client.start()
    await asyncio.sleep(0.05)
    assert wire.server._timer is not None
    wire.server.close()
    wire.client.close()
    assert wire.server._timer is None and wire.client._timer is None
