"""Reading many sockets in one go."""

import socket
import sys
import time

import pytest

from benchmarks.sfu.batch import Drain
from media_gateway.sfu.client import SO_TIMESTAMPNS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="recvmmsg is Linux's")


@pytest.fixture
def pairs():  # type: ignore[no-untyped-def]
    made = []
    for _ in range(3):
        receiver, sender = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        receiver.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        receiver.bind(("127.0.0.1", 0))
        sender.connect(receiver.getsockname())
        made.append((receiver, sender))
    yield made
    for pair in made:
        for sock in pair:
            sock.close()


def test_every_packet_once_with_owner_length_and_time(
    pairs: list[tuple[socket.socket, socket.socket]],
) -> None:
    counts = (7, 0, 25)
    began = time.time_ns()
    for (_, sender), count in zip(pairs, counts, strict=True):
        for number in range(count):
            sender.send(bytes((number,)) * 100)
    drain = Drain(rows=10, row=16, batch=4)  # smaller than what waits, in every way
    seen: list[tuple[int, int]] = []
    for rows in drain.read((i, receiver.fileno()) for i, (receiver, _) in enumerate(pairs)):
        assert (rows.lengths == 100).all(), "the whole length, though only 16 bytes were copied"
        assert (rows.data[:, 0] == rows.data[:, 15]).all()
        assert began <= rows.arrived_ns.min() and rows.arrived_ns.max() <= time.time_ns()
        assert [o for o, _, count in rows.segments for _ in range(count)] == rows.owners.tolist()
        seen += zip(rows.owners.tolist(), rows.data[:, 0].tolist(), strict=True)
    assert seen == [(i, number) for i, count in enumerate(counts) for number in range(count)]
    assert list(drain.read((i, receiver.fileno()) for i, (receiver, _) in enumerate(pairs))) == []
