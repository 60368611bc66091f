"""Hostile datagrams: nothing escapes, memory stays flat, other rooms are unharmed, costs are bounded."""

import asyncio
import random
import struct
import time
from collections.abc import AsyncIterator, Iterable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from media_gateway.sfu import rtcp, rtp, subscriber, transport, twcc
from media_gateway.sfu.codecs import VP8
from media_gateway.sfu.receive import MAX_MISSING, StreamReceiver
from media_gateway.sfu.udp import Slot
from tests.media_gateway.sfu import mutations
from tests.media_gateway.sfu.fuzz import fuzz
from tests.media_gateway.sfu.support import Harness, RawPeer, Sender, until

STRUCTURED = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.slow
async def test_a_hundred_thousand_hostile_datagrams() -> None:
    figures = await fuzz(100_000, seed=7)
    print(figures)
    assert figures.faults == [] and figures.broken == 0
    assert figures.pictures_received == figures.pictures_sent > 50
    assert figures.memory[-1] - figures.memory[4] < 12, "MiB from the middle of the run to its end"
    assert len(figures.kinds) == 10 and min(figures.kinds.values()) > 1000


async def test_a_few_thousand_hostile_datagrams() -> None:
    figures = await fuzz(6000, seed=3)
    assert figures.faults == [] and figures.broken == 0
    assert figures.pictures_received == figures.pictures_sent


# -- structured ---------------------------------------------------------------------


class Call:
    """Ann's picture goes to Bob; both are known to the gateway, what they send is up to the test."""

    def __init__(self, harness: Harness, ann: RawPeer, bob: RawPeer) -> None:
        self.harness, self.ann, self.bob = harness, ann, bob
        self.endpoint = harness.gateway._started
        peers = harness.gateway._rooms["room"].peers
        publish = peers["ann"].publish
        assert publish is not None and ann.publisher is not None
        self.publish, self.subscribe = publish, peers["bob"].subscribe
        self.media = next(ssrc for ssrc, name in bob.names.items() if name == "ann camera")
        self.track = ann.publisher.tracks[0]
        self.slot = Slot()

    def rtp(self, packet: bytes) -> None:
        """A decrypted packet of Ann's."""
        if 12 <= len(packet) <= 1500:
            self.slot.view[: len(packet)] = packet
            self.publish.rtp_received(self.slot, len(packet), time.monotonic())

    def rtcp(self, packet: bytes) -> None:
        """A decrypted compound of both."""
        self.publish.rtcp_received(packet, time.monotonic())
        self.subscribe.rtcp_received(packet, time.monotonic())


@pytest.fixture
async def call() -> AsyncIterator[Call]:
    async with Harness(tcp=False) as harness:
        bob, ann = await harness.join("bob"), await harness.join("ann")
        client = await ann.publish("camera")
        sender = Sender(client, client.tracks[0])
        await until(lambda: "ann camera" in bob.names.values())
        for tag in range(30):
            sender.frame(tag == 0, tag)
        await until(lambda: bob.got("ann camera"))
        yield Call(harness, ann, bob)
        assert harness.gateway._started.faults.count == 0


words = st.integers(0, 0xFFFFFFFF)
shorts = st.integers(0, 0xFFFF)
packets = st.builds(
    lambda first, kind, length, body: struct.pack("!BBH", first, kind, length) + body,
    st.integers(0x80, 0xBF), st.integers(192, 223), st.one_of(shorts, st.integers(0, 20)),
    st.binary(max_size=90),
)  # fmt: skip


@STRUCTURED
@given(st.lists(packets, min_size=1, max_size=4), st.booleans())
async def test_compounds_of_any_kind(call: Call, parts: list[bytes], honest: bool) -> None:
    if honest:  # lengths that fit, so that reading goes on to the next one
        parts = [part[:2] + struct.pack("!H", (len(part) - 4) // 4) + part[4:] for part in parts]
        parts = [part + bytes(-len(part) & 3) for part in parts]
    call.rtcp(b"".join(parts))


@STRUCTURED
@given(st.lists(st.tuples(shorts, shorts), max_size=300))
async def test_requests_for_any_numbers(call: Call, pairs: list[tuple[int, int]]) -> None:
    body = b"".join(struct.pack("!HH", *pair) for pair in pairs)
    call.rtcp(struct.pack("!BBHII", 0x81, 205, 2 + len(pairs), 1, call.media) + body)


@STRUCTURED
@given(shorts, shorts, words, st.lists(shorts, max_size=30), st.binary(max_size=300))
async def test_feedback_of_any_shape(
    call: Call, base: int, total: int, word: int, chunks: list[int], deltas: bytes
) -> None:
    body = struct.pack("!HHI", base, total, word) + b"".join(struct.pack("!H", chunk) for chunk in chunks)
    call.rtcp(rtcp.transport_feedback(1, call.media, body + deltas))


@STRUCTURED
@given(
    st.integers(0x80, 0xBF), st.integers(0, 255), shorts, words, st.binary(max_size=200), st.booleans(),
    st.sampled_from([0xBEDE, 0x1000, 0x1234]), st.binary(max_size=60),
)  # fmt: skip
async def test_packets_of_any_shape(
    call: Call, first: int, second: int, sequence: int, timestamp: int, payload: bytes, mine: bool,
    profile: int, elements: bytes,
) -> None:  # fmt: skip
    ssrc = call.track.ssrc if mine else call.track.rtx_ssrc or 5
    extension = struct.pack("!HH", profile, len(elements) // 4) + elements if first & 0x10 else b""
    call.rtp(rtp.HEADER.pack(first, second, sequence, timestamp, ssrc) + extension + payload)
    call.endpoint.flush()


@STRUCTURED
@given(st.binary(max_size=40), st.integers(1, 3000))
async def test_pictures_of_any_shape(call: Call, payload: bytes, step: int) -> None:
    """Whole packets in order, as VP8 as can be and with any descriptor."""
    call.sequence = (getattr(call, "sequence", 1000) + step) & 0xFFFF  # type: ignore[attr-defined]
    for head in (b"", b"\x90", b"\x90\x80", b"\x90\xf0\x8f", b"\x10"):
        call.rtp(
            rtp.build(
                payload_type=VP8.payload_type, sequence=call.sequence, timestamp=1, ssrc=call.track.ssrc,  # type: ignore[attr-defined]
                payload=head + payload,
            )
        )  # fmt: skip
        call.sequence = (call.sequence + 1) & 0xFFFF  # type: ignore[attr-defined]
    call.endpoint.flush()


# -- what one hostile peer may cost ---------------------------------------------------


def test_a_request_for_every_number_is_read_in_part() -> None:
    storm = struct.pack("!BBHII", 0x81, 205, 332, 1, 2) + struct.pack("!HH", 7, 0xFFFF) * 330
    (nack,) = rtcp.parse(storm)
    assert isinstance(nack, rtcp.Nack)
    assert rtcp.MAX_NACK <= len(nack.sequences) < rtcp.MAX_NACK + 17


def test_a_transport_counter_that_keeps_jumping_makes_little_feedback() -> None:
    recorder = twcc.Recorder()
    for number in range(3000):
        recorder.add(number * 30_000 & 0xFFFF, 1_000_000 + number)
    bodies = recorder.take()
    assert len(bodies) <= twcc.MAX_BODIES
    assert sum(len(twcc.decode(body)[1]) for body in bodies) <= twcc.MAX_BODIES * twcc.MAX_JUMP
    recorder.add(3000 * 30_000 & 0xFFFF, 1_010_000)
    (body,) = recorder.take()
    assert twcc.decode(body)[1][-1] is not None, "what comes next is told again"


def test_jumps_of_the_sequence_leave_few_numbers_missing() -> None:
    receiver = StreamReceiver(90_000)
    for number in range(200):
        receiver.receive(number * 900 & 0xFFFF, 0, 1.0)
        assert len(receiver.missing) <= MAX_MISSING
    assert receiver.missing and next(reversed(receiver.missing)) == receiver.highest - 1


async def test_reports_without_end_are_not_even_decrypted(call: Call) -> None:
    found = call.subscribe.transport
    rng = random.Random(1)
    sent = 0
    while sent < 2 * transport.RTCP_BYTES_PER_SECOND:
        packet = mutations.hostile_rtcp(rng, [1, call.media])
        call.bob.subscriber.send_rtcp(packet)
        sent += len(packet)
        if rng.randrange(20) == 0:
            await asyncio.sleep(0)
    await until(lambda: found.excess_rtcp > 0)
    # With time the allowance grows again, and the peer is heard.
    await asyncio.sleep(0.3)
    before = found.heard_at
    call.bob.subscriber.send_rtcp(rtcp.ReceiverReport(1).pack())
    await until(lambda: found.heard_at > before)


async def test_a_browsers_clock_is_answered_once_in_a_while(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[bytes] = []
    monkeypatch.setattr(call.subscribe.transport, "send_rtcp", answers.append)
    question = struct.pack("!BBHIBBHQ", 0x80, 207, 4, 1, 4, 0, 2, 1 << 40)
    call.subscribe.rtcp_received(question * 50, 100.0)
    assert len(answers) == 1
    call.subscribe.rtcp_received(question, 100.0 + subscriber.CLOCK_GAP + 0.01)
    assert len(answers) == 2


# -- faults of our own -------------------------------------------------------------------


async def test_a_fault_takes_nobody_else_down(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """If there were an error in what one peer's packets reach, the rest of the batch would still be read."""
    async with Harness(tcp=False) as harness:
        bob, ann, eve = [await harness.join(name) for name in ("bob", "ann", "eve")]
        good, bad = await ann.publish("mic"), await eve.publish("camera")
        await until(lambda: {"ann mic", "eve camera"} <= set(bob.names.values()))
        peers = harness.gateway._rooms["room"].peers

        def broken(*_: object) -> None:
            raise RuntimeError("made to fail")

        monkeypatch.setattr(peers["eve"].publish, "rtp_received", broken)
        monkeypatch.setattr(peers["eve"].publish, "tick", broken)
        voice, picture = Sender(good, good.tracks[0]), Sender(bad, bad.tracks[0])
        for number in range(40):
            picture.frame(True, number)
            voice.send(b"%d" % number)
            await asyncio.sleep(0.005)
        await until(lambda: len(bob.got("ann mic")) == 40)
        assert harness.gateway._started.faults.count >= 40
        assert harness.gateway.load()["faults"] >= 40
    told: Iterable[str] = [record.message for record in caplog.records if "failed (fault" in record.message]
    assert 1 <= len(list(told)) <= 20


async def test_the_clock_goes_on_after_a_fault_in_a_room(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Harness(tcp=False) as harness:
        await harness.join("ann")
        await harness.gateway.handle("peer.add", "other", "bob", {"generation": 1, "name": "", "publish": []})
        rooms = harness.gateway._rooms
        ticks: list[float] = []

        def broken(now: float) -> None:
            raise RuntimeError("made to fail")

        monkeypatch.setattr(rooms["room"], "tick", broken)
        monkeypatch.setattr(rooms["other"], "tick", ticks.append)
        await until(lambda: len(ticks) > 5)
        assert harness.gateway._started.faults.count >= 5


@pytest.mark.parametrize("layers", [1, 2, 3, 4, 6])
async def test_as_many_layers_as_a_camera_claims_are_allocated(call: Call, layers: int) -> None:
    (down,) = call.subscribe.downs.values()
    for number in range(layers - 1):
        down.source.layer(f"s{number}")
    assert len(down.source.layers) == layers
    call.subscribe.allocation.run(time.monotonic() + 1)
