"""Forged records from the peer's own address in the middle of a DTLS handshake: it completes all the same."""

import asyncio
import random
import struct

import pytest

from media_gateway.sfu import dtls
from media_gateway.sfu.dtls import DtlsAssociation
from media_gateway.sfu.sieve import Sieve

from .test_dtls import CLIENT, SERVER, Wire


def record(kind: int, body: bytes, *, epoch: int = 0, number: int = 1000, version: int = 0xFEFD) -> bytes:
    head = struct.pack("!BHH", kind, version, epoch) + number.to_bytes(6, "big")
    return head + struct.pack("!H", len(body)) + body


def message(kind: int, body: bytes, number: int, *, total: int | None = None, offset: int = 0) -> bytes:
    whole = len(body) if total is None else total
    places = (whole.to_bytes(3, "big"), struct.pack("!H", number), offset.to_bytes(3, "big"))
    return bytes((kind,)) + b"".join(places) + len(body).to_bytes(3, "big") + body


def noise(size: int, seed: int = 7) -> bytes:
    return random.Random(seed).randbytes(size)


FORGED = {
    "fatal alert": record(21, b"\x02\x28"),
    "goodbye": record(21, b"\x01\x00"),
    "half an alert": record(21, b"\x02"),
    "change of cipher": record(20, b"\x01"),
    "odd change of cipher": record(20, b"\x09\x09"),
    "data in the clear": record(23, noise(40)),
    "unknown type": record(99, noise(40)),
    "another protocol": record(22, message(1, noise(40), 0), version=0x0303),
    "cut off": record(22, noise(40))[:-9],
    "garbage handshake": record(22, noise(60)),
    "three bytes": record(22, b"\x0b\0\0"),
    "nothing": record(22, b""),
    "encrypted garbage": record(22, noise(60), epoch=1),
    "encrypted alert": record(21, noise(30), epoch=1),
    "a later epoch": record(23, noise(30), epoch=2),
    "two in one": record(22, message(11, noise(9), 1) + noise(5)),
    **{
        f"message {kind} as number {number}": record(22, message(kind, noise(40), number))
        for kind in (0, 1, 2, 3, 11, 12, 13, 14, 15, 16, 20)
        for number in range(6)
    },
    **{
        f"piece of a certificate as number {number}": record(
            22, message(11, noise(40), number, total=500, offset=100)
        )
        for number in range(6)
    },
    **{
        f"huge message as number {number}": record(22, message(11, noise(40), number, total=0xFFFFF0))
        for number in range(6)
    },
}


async def completes(forge: dict[int, list[bytes]]) -> bool:
    """A handshake whose server is fed those before its first, second, … datagram."""
    wire = Wire()
    wire.expect()
    fed, true_feed = 0, wire.server.feed

    def feed(datagram: bytes) -> None:
        nonlocal fed
        for forged in forge.get(fed, ()):
            true_feed(forged)
        fed += 1
        true_feed(datagram)

    wire.server.feed = feed  # type: ignore[method-assign]
    wire.client.start()
    await wire.finish(20)
    done = len(wire.keys) == 2 and wire.keys["client"][1] == wire.keys["server"][2]
    wire.client.close()
    wire.server.close()
    return done


@pytest.mark.parametrize("place", [0, 1, 2])
async def test_each_kind_of_forged_record_is_got_over(place: int) -> None:
    """Before the client's hello, between its flights, and after the last datagram but one."""
    jobs = {name: completes({place: [forged]}) for name, forged in FORGED.items()}
    done = dict(zip(jobs, await asyncio.gather(*jobs.values()), strict=True))
    assert [name for name, well in done.items() if not well] == []


@pytest.mark.parametrize("seed", range(8))
async def test_any_number_of_them_at_any_place(seed: int) -> None:
    chance = random.Random(seed)
    kinds = list(FORGED.values())

    def some() -> list[bytes]:
        chosen = chance.choices(kinds, k=chance.randrange(1, 40))
        return [forged[:5] + chance.randbytes(6) + forged[11:] for forged in chosen]

    assert await completes({place: some() for place in range(4)})


async def test_random_bytes_in_records_are_got_over() -> None:
    chance = random.Random(11)
    forged = [
        record(chance.choice((20, 21, 22, 23, 25)), chance.randbytes(chance.randrange(60)))
        for _ in range(300)
    ]
    assert await completes({place: forged[place::3] for place in range(3)})


async def test_a_hello_that_breaks_is_not_answered_and_a_good_one_is() -> None:
    sent: list[bytes] = []
    closed: list[str] = []
    server = DtlsAssociation(SERVER, sent.append, lambda *_: None, closed.append)
    for seed in range(20):
        server.feed(record(22, message(1, noise(80, seed), 0)))
    assert sent == [] and closed == [] and server._timer is not None
    hellos: list[bytes] = []
    client = DtlsAssociation(CLIENT, hellos.append, lambda *_: None, lambda _: None, server=False)
    client.start()
    for hello in hellos:
        server.feed(hello)
    assert sent and closed == []
    server.close()
    client.close()


async def test_waiting_for_a_good_hello_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dtls, "HANDSHAKE_TIMEOUT", 0.2)
    closed: list[str] = []
    server = DtlsAssociation(SERVER, lambda _: None, lambda *_: None, closed.append)
    server.feed(record(22, message(1, noise(80), 0)))
    async with asyncio.timeout(10):
        while not closed:
            server.feed(record(22, message(1, noise(80), 0)))
            await asyncio.sleep(0.02)
    assert closed == ["failed: the handshake took too long"] and server._timer is None


async def test_alerts_count_once_they_are_authenticated() -> None:
    wire = Wire()
    wire.expect()
    wire.client.start()
    await wire.finish()
    wire.server.feed(FORGED["fatal alert"])
    wire.server.feed(FORGED["goodbye"])
    assert wire.closed == {} and wire.server.connected
    wire.client.close()
    async with asyncio.timeout(5):
        while not wire.closed:
            await asyncio.sleep(0.01)
    assert wire.closed == {"server": "closed by peer"}


def test_what_passes_is_numbered_by_us() -> None:
    """One forged record with a high number would make OpenSSL take the peer's for repetitions."""
    sieve = Sieve(server=True)
    hello = message(1, b"x" * 30, 0)
    first = sieve.pass_on(record(22, hello, number=2**47) + record(21, b"\x02\x28"))
    second = sieve.pass_on(record(22, hello, number=3))
    assert (first, second) == (record(22, hello, number=0), record(22, hello, number=1))
    assert sieve.discarded == 1
    encrypted = record(22, noise(40), epoch=1, number=77)
    assert sieve.pass_on(encrypted) == encrypted
