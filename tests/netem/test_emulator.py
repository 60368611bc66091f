"""The emulator's process between real sockets."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.netem.conditions import Conditions
from tests.netem.control import Emulator, EmulatorError


class Echo:
    """A server that sends everything back and remembers from where it came."""

    def __init__(self) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.address: tuple[str, int] = self.sock.getsockname()
        self.seen: list[tuple[int, bytes]] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while True:
            data, sender = self.sock.recvfrom(2048)
            if data == b"end" and sender == self.address:
                return
            self.seen.append((sender[1], data))
            self.sock.sendto(data, sender)

    def close(self) -> None:
        self.sock.sendto(b"end", self.address)
        self._thread.join()
        self.sock.close()


class Client:
    def __init__(self, port: int) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.connect(("127.0.0.1", port))

    def say(self, text: str) -> None:
        self.sock.send(b"\x80" + text.encode() + bytes(20))

    def hear(self, timeout: float = 5.0) -> str | None:
        self.sock.settimeout(timeout)
        try:
            return self.sock.recv(2048)[1:-20].decode()
        except TimeoutError:
            return None


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator() as made:
        yield made


@pytest.fixture
def echo() -> Iterator[Echo]:
    made = Echo()
    yield made
    made.close()


@pytest.fixture
def clients() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


def client(stack: contextlib.ExitStack, port: int) -> Client:
    made = Client(port)
    stack.callback(made.sock.close)
    return made


def test_each_client_has_an_address_of_its_own(
    emulator: Emulator, echo: Echo, clients: contextlib.ExitStack
) -> None:
    port = emulator.open("ann", echo.address)
    one, two = client(clients, port), client(clients, port)
    for sender, text in ((one, "a"), (two, "b"), (one, "c")):
        sender.say(text)
        assert sender.hear() == text
    (first, _), (second, _), (third, _) = echo.seen
    assert first == third != second
    assert emulator.stats()["links"]["ann"]["clients"] == 2


def test_links_and_directions_are_apart(
    emulator: Emulator, echo: Echo, clients: contextlib.ExitStack
) -> None:
    ann, bob = (client(clients, emulator.open(name, echo.address)) for name in ("ann", "bob"))
    emulator.set("ann", down=Conditions(loss=1.0))
    ann.say("a")
    bob.say("b")
    assert bob.hear() == "b"
    assert ann.hear(0.3) is None
    links = emulator.stats()["links"]
    assert links["ann"]["up"]["out"] == 1 and links["ann"]["down"]["lost"] == 1
    assert links["bob"]["down"]["out"] == 1


def test_the_delay_is_real_and_never_short(
    emulator: Emulator, echo: Echo, clients: contextlib.ExitStack
) -> None:
    ann = client(clients, emulator.open("ann", echo.address))
    emulator.set("ann", up=Conditions(delay_ms=60), down=Conditions(delay_ms=40))
    began = time.monotonic()
    ann.say("a")
    assert ann.hear() == "a"
    assert time.monotonic() - began >= 0.1


def test_the_same_datagrams_are_lost_again(
    emulator: Emulator, echo: Echo, clients: contextlib.ExitStack
) -> None:
    ann = client(clients, emulator.open("ann", echo.address))

    def survivors() -> list[str]:
        emulator.set("ann", up=Conditions(seed=7, loss=0.3))
        for number in range(100):
            ann.say(str(number))
        heard = []
        while (text := ann.hear(0.5)) is not None:
            heard.append(text)
        return heard

    first = survivors()
    assert 40 < len(first) < 95
    assert survivors() == first


def test_a_rebound_client_comes_from_elsewhere_and_the_old_address_is_dead(
    emulator: Emulator, echo: Echo, clients: contextlib.ExitStack
) -> None:
    ann = client(clients, emulator.open("ann", echo.address))
    ann.say("before")
    assert ann.hear() == "before"
    assert emulator.rebind("ann") == 1
    old = echo.seen[0][0]
    echo.sock.sendto(b"\x80" + b"lost" + bytes(20), ("127.0.0.1", old))
    ann.say("after")
    assert ann.hear() == "after"
    assert echo.seen[1][0] != old


def test_strangers_cannot_speak_for_the_server(
    emulator: Emulator, echo: Echo, clients: contextlib.ExitStack
) -> None:
    ann = client(clients, emulator.open("ann", echo.address))
    ann.say("a")
    assert ann.hear() == "a"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(b"\x80forged" + bytes(20), ("127.0.0.1", echo.seen[0][0]))
    assert ann.hear(0.3) is None
    assert emulator.stats()["refused"] == 1


def test_a_wrong_request_is_refused_and_changes_nothing(emulator: Emulator, echo: Echo) -> None:
    emulator.open("ann", echo.address)
    with pytest.raises(EmulatorError, match="bob"):
        emulator.rebind("bob")
    with pytest.raises(EmulatorError, match="share"):
        emulator._ask("set", link="ann", up={"delay_ms": 5}, down={"loss": 3})
    assert emulator.stats()["links"]["ann"]["clients"] == 0


def test_the_log_tells_every_datagram(
    emulator: Emulator, echo: Echo, clients: contextlib.ExitStack, tmp_path: Path
) -> None:
    port = emulator.open("ann", echo.address)
    emulator.log(tmp_path / "log")
    emulator.set("ann", up=Conditions(pattern=(0, 1)))
    ann = client(clients, port)
    packet = bytes((0x80, 0x80 | 96)) + (77).to_bytes(2, "big") + (90).to_bytes(4, "big") + bytes(20)
    ann.sock.send(packet)
    assert ann.sock.recv(2048) == packet
    ann.sock.send(packet)
    while emulator.stats()["links"]["ann"]["up"]["lost"] == 0:
        time.sleep(0.01)
    emulator.log(None)
    lines = (tmp_path / "log").read_text().splitlines()
    assert sum("ann up sent" in line and "rtp 96 77 90 0 1" in line for line in lines) == 1
    assert sum("ann up lost" in line for line in lines) == 1
    assert sum(" out " in line for line in lines) == 2


@pytest.mark.slow
def test_two_clients_of_three_megabits_cost_little(
    emulator: Emulator, echo: Echo, clients: contextlib.ExitStack
) -> None:
    """All that is offered passes: 2 × 3 Mbit/s, there and back, for three seconds."""
    both = [client(clients, emulator.open(name, echo.address)) for name in ("ann", "bob")]
    conditions = Conditions(delay_ms=20, jitter_ms=5, rate=20_000_000)
    for name in ("ann", "bob"):
        emulator.set(name, up=conditions, down=conditions)
    for one in both:
        one.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    before = emulator.stats()
    count, size, seconds = 1000, 1100, 3.0
    began = time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, began + number * seconds / count - time.monotonic()))
        for one in both:
            one.sock.send(b"\x80" + bytes(size))
    heard = [0, 0]
    for place, one in enumerate(both):
        while one.hear(0.5) is not None:
            heard[place] += 1
    after = emulator.stats()
    assert heard == [count, count]
    cpu = after["cpu"] - before["cpu"]
    print(f"{cpu / (4 * count) * 1e6:.0f} µs of processor time a datagram")
    assert cpu < 1.5, "half a core would be too much"
