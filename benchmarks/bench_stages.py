"""What each stage of a forwarded packet costs, in microseconds of CPU, measured one by one in one process.

    python -m benchmarks.bench_stages

Prints a table and writes benchmarks/results/stages.json. The stages are the real functions on real sockets;
the receivers' sockets have the smallest of buffers, so the kernel's part is that of handing packets over,
not of queueing them for a reader that is not there. For whole servers see `benchmarks.sfu`.
"""

import json
import os
import pathlib
import socket
import statistics
import time
from collections.abc import Callable
from typing import Any

from media_gateway.sfu import rtp, twcc
from media_gateway.sfu.bandwidth import BandwidthEstimator
from media_gateway.sfu.burst import Run, runs, template
from media_gateway.sfu.codecs import VP8
from media_gateway.sfu.layer import Layer
from media_gateway.sfu.receive import StreamReceiver
from media_gateway.sfu.source import Source
from media_gateway.sfu.srtp import PROFILES, SrtpContext
from media_gateway.sfu.udp import Slot, open_socket
from media_gateway.sfu.udp_batched import offload_works

RESULTS = pathlib.Path(__file__).parent / "results" / "stages.json"
RECEIVERS = 50
PAYLOAD = 1080
ROUNDS = 7
GCM = PROFILES[0]


class Target:
    """A subscriber that is only sent to: transport, sender and track in one."""

    def __init__(self, destination: Any) -> None:
        self.context = SrtpContext(GCM, os.urandom(28), outbound=True)
        self.srtp_handle, self.tag, self.stream = self.context.handle, GCM.tag, None
        self.destination = destination
        self.sender = self.transport = self
        self.number = self.floor = self.shift = 0
        self.clock_shift = self.picture_shift = self.tl0_shift = 0
        self.rewrites, self.header = False, None
        self.estimator = BandwidthEstimator(time.monotonic())

    def hold(self, run: Run, now: float) -> bool:
        return False

    def sent(self, count: int, size: int, now: float) -> None:
        self.estimator.sent((self.number - count) & 0xFFFF, count, size, now)


def timed(work: Callable[[], int]) -> float:
    """Median microseconds of CPU for one of the things that `work` does and counts."""
    work()
    costs = []
    for _ in range(ROUNDS):
        started = time.process_time()
        done = 0
        while time.process_time() - started < 0.15:
            done += work()
        costs.append(1e6 * (time.process_time() - started) / done)
    return statistics.median(costs)


def receiving() -> dict[str, float]:
    """What is done once for each packet that comes, however many subscribers there are."""
    out = SrtpContext(GCM, key := os.urandom(28), outbound=True)
    head = rtp.HEADER.pack(0x90, 96, 1, 2, 3) + b"\xbe\xde\x00\x01\x31\x00\x07\x00"
    payload = b"\x90\xe0\x81\x23\x05\x20" + os.urandom(PAYLOAD - 6)
    sequence = 0

    def packets(count: int) -> list[bytes]:
        nonlocal sequence
        made = []
        for _ in range(count):
            sequence += 1
            made.append(
                out.protect(head[:2] + (sequence & 0xFFFF).to_bytes(2, "big") + head[4:] + payload) or b""
            )
        return made

    batch = packets(4000)
    slot = Slot()

    def unprotect() -> int:
        incoming = SrtpContext(GCM, key, outbound=False)
        for data in batch:
            slot.view[: len(data)] = data
            incoming.unprotect(slot.pointer, len(data))
        return len(batch)

    plain = head + payload
    slot.view[: len(plain)] = plain
    receiver, count = StreamReceiver(90000), 0

    def scan() -> int:
        nonlocal count
        for _ in range(1000):
            rtp.HEADER.unpack_from(slot.view)
            rtp.scan(slot.view, len(plain), 3, 0)
            count += 1
            receiver.receive(count & 0xFFFF, count, 1.0)
        return 1000

    layer = Layer(Source(1, "a", "A", "camera", VP8, None, []), "")  # type: ignore[arg-type]
    layer.gated = False
    view = memoryview(payload)

    def deliver() -> int:
        nonlocal count
        for _ in range(1000):
            count += 1
            layer.deliver(count, count, 0, view, 1.0)
        return 1000

    return {"decrypt": timed(unprotect), "header, order": timed(scan), "template, cache": timed(deliver)}


def sending(length: int, *, gso: bool) -> dict[str, float]:
    """Runs of `length` packets to 50 subscribers: (building, numbering and encrypting, the kernel)."""
    sock = open_socket("127.0.0.1", 0, batched=True, gso=gso)
    sinks, targets = [], []
    for _ in range(RECEIVERS):
        sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        sink.bind(("127.0.0.1", 0))
        sinks.append(sink)
        targets.append(Target(sock.destination(sock.address_of(*sink.getsockname()))))
    payload = os.urandom(PAYLOAD)
    index = 0

    def make() -> list[Run]:
        nonlocal index
        records = [(index + at, 7, template(96, 7, 3, b"", payload), None) for at in range(length)]
        index += length
        return runs(records)

    def build() -> int:
        for run in make():
            run.blob(GCM.tag)
        return length * RECEIVERS

    def send() -> int:
        for run in make():
            run.blob(GCM.tag)
            sock.fan_out(run, targets, 1.0)
        sock.flush()
        return length * RECEIVERS

    building, flush = timed(build), sock.flush
    spent = [0.0]

    def clocked() -> None:
        started = time.process_time()
        flush()
        spent[0] += time.process_time() - started

    sock.flush = clocked  # type: ignore[method-assign]
    packets = [0]

    def counted() -> int:
        done = send()
        packets[0] += done
        return done

    whole = timed(counted)
    kernel = 1e6 * spent[0] / packets[0]
    sock.close()
    for sink in sinks:
        sink.close()
    return {"build": building, "number, encrypt": whole - building - kernel, "kernel": kernel}


def feedback() -> float:
    """One transport-wide feedback about 17 packets that all arrived."""
    estimator = BandwidthEstimator(0.0)
    now, number, recorder = 1.0, 0, twcc.Recorder()

    def work() -> int:
        nonlocal now, number
        for _ in range(200):
            for _ in range(4):
                estimator.sent(number & 0xFFFF, 4, 1116, now)
                for at in range(4):
                    recorder.add((number + at) & 0xFFFF, int(1e6 * (now + 0.02)))
                number += 4
                now += 0.0148
            bodies.extend(recorder.take())
        return 200

    bodies: list[bytes] = []
    making = timed(work)
    bodies.clear()

    def use() -> int:
        done = work()
        for body in bodies:
            estimator.feedback(body, now)
        bodies.clear()
        return done

    return timed(use) - making


def main() -> None:
    result: dict[str, Any] = {"receiving": receiving(), "sending": {}, "feedback": feedback()}
    kinds = [("plain", False)] + ([("gso", True)] if offload_works() else [])
    for name, gso in kinds:
        for length in (1, 2, 5, 9):
            result["sending"][f"{name} {length}"] = sending(length, gso=gso)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print("once for each packet that comes, us of CPU")
    for stage, cost in result["receiving"].items():
        print(f"  {stage:<18}{cost:6.2f}")
    print(f"one feedback of a subscriber about 16 packets: {result['feedback']:.2f} us")
    print(f"for each packet to each of {RECEIVERS} subscribers")
    print(f"  {'run':<10}{'build':>8}{'encrypt':>9}{'kernel':>8}{'sum':>8}")
    for name, costs in result["sending"].items():
        row = [costs["build"], costs["number, encrypt"], costs["kernel"]]
        print(f"  {name:<10}{row[0]:8.2f}{row[1]:9.2f}{row[2]:8.2f}{sum(row):8.2f}")


if __name__ == "__main__":
    main()
