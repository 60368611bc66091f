"""Subscribers change layers, pause and lose packets, and see one unbroken stream."""

import itertools
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media_gateway.sfu import dependency, downtrack, rtp
from media_gateway.sfu.allocation import Allocation
from media_gateway.sfu.burst import DESCRIPTOR_ID
from media_gateway.sfu.codecs import AV1
from media_gateway.sfu.dependency import locate_number
from media_gateway.sfu.downtrack import DownTrack
from media_gateway.sfu.incoming import IncomingStream
from media_gateway.sfu.recorder_feed import RecorderFeed
from media_gateway.sfu.svc import element

from .wire import OPUS, World, pictures

RIDS = ("q", "h", "f")


def unbroken(world: World, down: DownTrack) -> list[rtp.Parsed]:
    """Check sequence numbers, clock and picture counts of everything a subscriber got."""
    packets = world.got(down)
    for before, after in itertools.pairwise(packets):
        assert after.sequence == (before.sequence + 1) & 0xFFFF
        step = rtp.timestamp_delta(after.timestamp, before.timestamp)
        assert step == 0 if not before.marker else step > 0
    counted = pictures(world.raw(down), world.source.ssrc)
    for (picture, tl0), (next_picture, next_tl0) in itertools.pairwise(counted):
        assert next_picture in (picture, (picture + 1) & 0x7FFF)
        assert (next_picture == picture) == (next_tl0 == tl0)
        assert next_tl0 in (tl0, (tl0 + 1) & 0xFF)
    return packets


def test_a_subscriber_begins_with_a_key_frame_of_its_layer() -> None:
    world = World(rids=RIDS)
    down = world.subscriber()
    down.aim(world.source.layer("h"))
    assert world.source.layer("h").uplink.asked == 1  # type: ignore[union-attr]
    world.frame("h")
    world.frame("f", key=True)
    world.pass_time()
    assert world.got(down) == []
    world.frame("h", key=True, packets=3)
    world.frame("h", packets=2)
    world.pass_time()
    assert len(unbroken(world, down)) == 5 and down.layer is world.source.layer("h")
    assert (world.source.layer("h").width, world.source.layer("h").height) == (1280, 720)


@pytest.fixture
def clocked(monkeypatch: pytest.MonkeyPatch) -> World:
    """A world whose clock is everybody's."""
    world = World(rids=RIDS)
    monkeypatch.setattr(downtrack, "time", SimpleNamespace(monotonic=lambda: world.now))
    return world


def test_a_newcomer_begins_with_the_key_frame_of_a_moment_ago(clocked: World) -> None:
    world, layer = clocked, clocked.source.layer("h")
    first = world.subscriber()
    first.aim(layer)
    world.frame("h", key=True, packets=3)
    world.pass_time()
    world.frame("h", packets=2)  # still to be sent to the first one
    asked = layer.uplink.asked  # type: ignore[union-attr]
    second = world.subscriber()
    second.aim(layer)
    assert len(world.got(second)) == 5 and layer.uplink.asked == asked  # type: ignore[union-attr]
    world.pass_time()
    world.frame("h")
    world.pass_time()
    assert len(unbroken(world, first)) == len(unbroken(world, second)) == 6
    assert first.counts() == second.counts()
    numbers = [packet.sequence for packet in world.got(second)]
    world.raw(second).clear()
    second.resend(numbers[:1], world.now)
    assert len(world.raw(second)) == 1, "what came out of the cache can be asked for again"


@pytest.mark.parametrize("why", ["old", "hole", "seen", "blocked"])
def test_a_key_frame_that_cannot_be_used_is_asked_for_anew(clocked: World, why: str) -> None:
    world, layer = clocked, clocked.source.layer("h")
    down = world.subscriber()
    if why == "seen":
        down.aim(layer)
    world.frame("h", key=True)
    world.frame("h")
    world.pass_time(0.6 if why == "old" else 0.02)
    if why == "hole":
        layer.cache.packets[layer.key_index + 1 & layer.cache.mask] = None
    if why == "blocked":
        world.source.set_blocked(paused=True)
    if why == "seen":
        down.aim(None)
    world.raw(down).clear()
    world.now += 0.5 if why == "seen" else 0
    layer.key_at += 0.5 if why == "seen" else 0
    layer.last_request = 0.0
    asked = layer.uplink.asked  # type: ignore[union-attr]
    down.aim(layer)
    assert world.got(down) == [] and down in layer.waiting
    assert layer.uplink.asked == asked + (why != "blocked")  # type: ignore[union-attr]


def test_what_stands_in_begins_with_its_last_key_frame_too(clocked: World) -> None:
    world = clocked
    world.frame("q", key=True)
    down = world.subscriber()
    down.aim(world.source.layer("f"))
    assert len(world.got(down)) == 1
    assert down.layer is world.source.layer("q") and down.target is world.source.layer("f")


def test_a_key_frame_in_advance_is_not_asked_for_twice(clocked: World) -> None:
    world, layer = clocked, clocked.source.layer("h")
    world.source.freshen(world.now)
    assert layer.uplink.asked == 0, "nothing comes yet"  # type: ignore[union-attr]
    world.frame("h", key=True)
    world.source.freshen(world.now)
    assert layer.uplink.asked == 0, "there is one"  # type: ignore[union-attr]
    world.pass_time(0.4)
    world.frame("h")
    world.source.freshen(world.now)
    world.source.freshen(world.now + 0.1)
    assert layer.uplink.asked == 1  # type: ignore[union-attr]


def test_a_switch_waits_for_the_key_frame_and_leaves_no_trace() -> None:
    world = World(rids=RIDS)
    down = world.subscriber()
    down.aim(world.source.layer("q"))
    for rid in RIDS:
        world.frame(rid, key=True)
    world.pass_time()
    for target in ("f", "q", "h", "f"):
        down.aim(world.source.layer(target))
        for _ in range(3):
            for rid in RIDS:
                world.frame(rid, packets=2)
            world.pass_time()
        assert down.layer is not world.source.layer(target), "not before its key frame"
        for rid in RIDS:
            world.frame(rid, key=True, packets=3)
            world.frame(rid)
        world.pass_time()
        assert down.layer is world.source.layer(target)
    assert len(unbroken(world, down)) > 40 and down.switches == 4


def test_a_pause_leaves_no_hole_but_time_goes_on() -> None:
    world = World()
    down = world.subscriber()
    down.aim(world.source.layer(""))
    world.frame(key=True)
    world.pass_time()
    down.aim(None)
    for _ in range(30):
        world.frame()
        world.pass_time()
    down.aim(world.source.layer(""))
    world.frame(key=True)
    world.pass_time()
    first, second = unbroken(world, down)
    assert rtp.timestamp_delta(second.timestamp, first.timestamp) == pytest.approx(31 * 3000, abs=40)


def test_packets_from_before_the_switch_are_left_out() -> None:
    world = World(rids=("q", "f"))
    down = world.subscriber()
    down.aim(world.source.layer("q"))
    world.frame("q", key=True)
    world.frame("q")
    world.pass_time()
    # The first packets of the upper layer are late: they come after its key frame.
    late = world.counts["f"][0]
    world.counts["f"][0] += 5
    world.source.layer("f").gated = False
    world.source.layer("f").shift = None
    world.frame("f", key=True)
    down.aim(world.source.layer("f"))
    world.frame("f", key=True)
    world.source.layer("f").floor = 0
    world.source.layer("f").deliver(late, 0, 0, memoryview(b"\x80\xc0\x80\x00\x00\x00"), world.now)
    world.frame("f")
    world.pass_time()
    assert len(unbroken(world, down)) == 4


def test_a_nack_finds_the_packet_in_the_layer_it_came_from() -> None:
    world = World(rids=("q", "f"))
    down = world.subscriber()
    down.aim(world.source.layer("q"))
    world.frame("q", key=True, packets=2, size=10)
    world.pass_time()
    down.aim(world.source.layer("f"))
    world.frame("f", key=True, packets=2, size=99)
    world.pass_time()
    sent = world.raw(down)[:]
    numbers = [rtp.parse(packet).sequence for packet in sent]
    down.resend([numbers[1], numbers[2], (numbers[3] + 1) & 0xFFFF, (numbers[0] - 7) & 0xFFFF], world.now)
    again = world.raw(down)[len(sent) :]
    assert len(again) == 2, "the unsent and the never sent are passed over"
    for packet, original in zip(again, sent[1:3], strict=True):
        repaired = rtp.parse(packet)
        assert repaired.ssrc == world.source.rtx_ssrc and repaired.payload_type == 97
        whole = rtp.parse(original)
        assert packet[repaired.start :] == original[2:4] + original[whole.start :]
        assert repaired.timestamp == whole.timestamp
    down.resend([numbers[1]], world.now + 0.001)
    assert len(world.raw(down)) == len(sent) + 2, "not the same again at once"


def full_line(world: World, down: DownTrack, rate: float = 400_000.0) -> None:
    """Let the line carry so much and not more."""
    down.sender.estimator.estimate = rate
    down.sender.estimator._rate.limited_at = world.now
    down.sender.follow(world.now)


def test_what_waits_in_a_queue_on_the_way_is_not_sent_again() -> None:
    world = World()
    down = world.subscriber()
    down.aim(world.source.layer(""))
    world.frame(key=True, packets=3)
    world.pass_time()
    number = world.got(down)[1].sequence
    estimator = down.sender.estimator
    estimator.report(0.0, 0.3, world.now)
    for after, resends in ((0.0, 1), (0.1, 1), (0.2, 1), (0.3, 2)):
        down.resend([number], world.now + after)
        assert down.resends == resends


def test_resends_leave_room_for_what_is_new() -> None:
    """However much a subscriber asks for again: its pictures wait for that no longer than a burst takes."""
    world = World()
    down = world.subscriber()
    down.aim(world.source.layer(""))
    for _ in range(10):
        world.frame(key=True, packets=10, size=1000)
        world.pass_time()
    full_line(world, down)
    numbers = [packet.sequence for packet in world.got(down)]
    for _ in range(20):
        down.resend(numbers, world.now)
        world.now += 0.03
    assert 5 < down.resends < 60 and down.missed > 100
    assert down.sender.credit > -2 * down.sender.burst


def test_going_down_leaves_what_waited_and_what_was_lost() -> None:
    world = World(rids=("q", "f"))
    down = world.subscriber()
    down.aim(world.source.layer("f"))
    world.frame("f", key=True)
    world.frame("q", key=True)
    world.pass_time()
    full_line(world, down)
    before = world.got(down)[-1].sequence
    world.frame("f", packets=30, size=1000)
    world.pass_time(0.001)
    assert down.sender.queued_bytes > 10_000
    down.aim(world.source.layer("q"))
    world.frame("q", key=True)
    world.pass_time(0.001)
    assert down.layer is world.source.layer("q") and down.sender.queued_bytes < 1_000
    while down.sender.drain(world.now):
        world.now += 0.005
    packets = world.got(down)
    for earlier, later in itertools.pairwise(packets):
        assert later.sequence == (earlier.sequence + 1) & 0xFFFF, "no hole to ask for"
    down.resend([before, packets[-2].sequence], world.now + 1)
    assert down.resends == 0, "from before the key frame nothing is sent again"
    down.resend([packets[-1].sequence], world.now + 1)
    assert down.resends == 1


def test_after_an_outage_of_the_line_pictures_go_on_with_a_key_frame() -> None:
    world = World()
    down = world.subscriber()
    layer = world.source.layer("")
    down.aim(layer)
    world.frame(key=True, packets=2)
    world.frame(packets=2)
    world.pass_time(2.0)
    asked, layer.last_request = layer.uplink.asked, 0.0  # type: ignore[union-attr]
    down.refresh(world.now)
    assert layer.uplink.asked == asked + 1  # type: ignore[union-attr]
    lost = [packet.sequence for packet in world.got(down)]
    down.resend(lost, world.now)
    assert down.resends == 0, "the key frame will replace them"
    world.frame(packets=2)
    world.frame(key=True, packets=2)
    world.pass_time()
    packets = unbroken(world, down)
    assert len(packets) == 6 and down.switches == 0, "nobody can decode what comes before the key frame"
    down.resend([packet.sequence for packet in packets], world.now)
    assert down.resends == 2, "only what came with the key frame"


def test_a_slow_line_is_paced_and_an_overflow_ends_at_a_key_frame() -> None:
    world = World()
    down = world.subscriber()
    down.sender.estimator.estimate = 200_000.0
    down.sender.follow(world.now)
    layer = world.source.layer("")
    down.aim(layer)
    world.frame(key=True, packets=30, size=1000)
    world.pass_time(0.005)
    held = down.sender.queued_bytes
    assert held > 0 and len(world.got(down)) < 30
    while down.sender.drain(world.now):
        world.now += 0.005
    assert len(unbroken(world, down)) == 30 and down.sender.queued_bytes == 0
    for _ in range(4):
        world.frame(packets=20, size=1000)
        world.pass_time(0.005)
    assert down.sender.overflows == 1 and down.starved == 1 and down.layer is None
    assert layer.waiting == [down]
    while down.sender.drain(world.now):
        world.now += 0.005
    world.pass_time(2.0)
    world.frame(key=True)
    world.pass_time()
    world.frame()
    world.pass_time()
    packets = world.got(down)
    for before, after in itertools.pairwise(packets):
        assert after.sequence == (before.sequence + 1) & 0xFFFF, "numbers of dropped packets are used again"


def test_sound_never_waits_and_what_is_kept_back_leaves_no_hole() -> None:
    world = World(OPUS, "mic")
    down = world.subscriber()
    down.sender.estimator.estimate = 1.0
    down.sender.follow(world.now)
    for forward in (True, True, False, False, False, True, True):
        world.voice(forward=forward)
        world.pass_time(0.02)
    packets = world.got(down)
    assert [p.sequence - packets[0].sequence & 0xFFFF for p in packets] == [0, 1, 2, 3]
    assert [p.timestamp - packets[0].timestamp & 0xFFFFFFFF for p in packets] == pytest.approx(
        [0, 960, 960 * 5, 960 * 6], abs=4
    )


def test_layers_that_nobody_watches_are_switched_off_at_the_sender() -> None:
    world = World(rids=RIDS)
    down = world.subscriber()
    down.aim(world.source.layer("q"))
    for second in range(8):
        for rid in RIDS:
            world.frame(rid, key=True)
        world.pass_time(1.0)
        world.source.every_second(world.now, 1.0)
        if second < 4:
            assert world.active == []
    assert world.active[-1] == {"q": True, "h": False, "f": False}
    down.aim(world.source.layer("f"))
    assert world.active[-1] == {"q": True, "h": False, "f": True}, "wanted again at once"


def watched(world: World, down: DownTrack) -> Allocation:
    """A subscriber whose line carries everything."""
    allocation = Allocation(down.sender, {1: down}, lambda tracks: None)
    for layer in world.source.layers:
        layer.asked_at = world.now
    return allocation


def play(world: World, allocation: Allocation, seconds: float, *rids: str) -> None:
    """The sender sends these layers, with the key frames it is asked for."""
    for _ in range(round(seconds * 25)):
        for rid in rids:
            layer = world.source.layer(rid)
            world.frame(rid, key=bool(layer.waiting) or layer.gated)
        world.pass_time(0.04)
        world.source.look(world.now)
        if allocation.due(world.now):
            allocation.run(world.now)


def test_a_layer_that_the_sender_leaves_out_is_left_at_once_and_taken_again_when_it_lasts() -> None:
    world = World(rids=RIDS)
    down = world.subscriber()
    allocation = watched(world, down)
    play(world, allocation, 3, *RIDS)
    assert down.layer is world.source.layer("f")
    play(world, allocation, 0.8, "q", "h")
    assert down.layer is world.source.layer("h")
    play(world, allocation, 0.8, "q")
    assert down.layer is world.source.layer("q")
    play(world, allocation, 0.8, *RIDS)
    assert down.layer is world.source.layer("q"), "it may go away again"
    play(world, allocation, 1.0, *RIDS)
    assert down.layer is world.source.layer("f")
    unbroken(world, down)


def test_a_layer_between_may_be_the_one_left_out() -> None:
    world = World(rids=RIDS)
    down = world.subscriber()
    allocation = watched(world, down)
    play(world, allocation, 3, *RIDS)
    down.sender.estimator.estimate = 500_000.0
    allocation.has_feedback, down.sender.estimator.feedbacks = True, 1
    world.source.layer("h").bitrate = world.source.layer("f").bitrate = 400_000.0
    play(world, allocation, 2, "q", "f")
    assert down.layer is not world.source.layer("h")


def test_a_layer_just_asked_for_has_time_to_come_and_a_still_source_is_no_fault() -> None:
    world = World(rids=RIDS)
    down = world.subscriber()
    allocation = watched(world, down)
    play(world, allocation, 2, *RIDS)
    world.source.layer("f").asked_at = world.now
    play(world, allocation, 1.0, "q", "h")
    assert down.layer is world.source.layer("f")
    world.source.layer("f").asked_at = world.now - 10
    play(world, allocation, 0.5, *RIDS)
    play(world, allocation, 5.0)
    assert down.layer is world.source.layer("f"), "nothing else comes either"


def test_a_recorder_gets_the_best_layer_as_one_stream() -> None:
    world = World(rids=RIDS)

    class Feed(RecorderFeed):
        def __init__(self) -> None:
            self.sources = {}
            self.taken: list[bytes] = []

        def rtp(self, source: object, packet: bytes) -> None:
            self.taken.append(packet)

        def announce(self, source: object) -> None: ...
        def state(self, source: object, state: object) -> None: ...

    feed = Feed()
    feed.add(world.source)
    world.frame("q", key=True)
    world.pass_time()
    world.source.layer("q").width, world.source.layer("q").height = 320, 180
    for _ in range(3):
        world.frame("q")
        world.pass_time()
    world.frame("f", key=True)
    world.pass_time()
    for _ in range(3):
        world.frame("q")
        world.frame("f")
        world.pass_time()
    packets = [rtp.parse(packet) for packet in feed.taken]
    assert world.source.tap is not None and world.source.tap.layer is world.source.layer("f")
    assert len(packets) == 8
    for before, after in itertools.pairwise(packets):
        assert after.sequence == (before.sequence + 1) & 0xFFFF
        assert rtp.timestamp_delta(after.timestamp, before.timestamp) > 0
    # The best layer stops: the next best goes on with a key frame.
    world.now += 2.0
    world.frame("q")
    world.frame("q", key=True)
    assert world.source.tap.layer is world.source.layer("q") and len(feed.taken) == 9


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["q", "h", "f", None]), st.integers(1, 4), st.booleans()), max_size=30)
)
def test_whatever_happens_the_stream_is_unbroken(steps: list[tuple[str | None, int, bool]]) -> None:
    world = World(rids=RIDS)
    down = world.subscriber()
    for rid, frames, key in steps:
        down.aim(None if rid is None else world.source.layer(rid))
        for place in range(frames):
            for each in RIDS:
                world.frame(each, key=key and place == 0, packets=1 + place)
            world.pass_time()
    unbroken(world, down)


def test_a_layer_that_comes_is_part_of_the_supply_at_once() -> None:
    world = World(rids=("q",))
    assert len(world.source.look(world.now).rates) == 1
    world.source.layer("h")
    assert len(world.source.look(world.now + 0.001).rates) == 2
    world.source.keep_layers(["h"])
    assert len(world.source.look(world.now + 0.002).sizes) == 1


# -- frame numbers of dependency descriptors ------------------------------------------------------------


def described_frame(world: World, rid: str, number: int, *, key: bool = False, long: bool = False) -> None:
    """An AV1 frame of one packet, with a descriptor whose frame number is `number`."""
    count = world.counts[rid]
    descriptor = bytes((0xC0,)) + (number & 0xFFFF).to_bytes(2, "big") + bytes(20 if long else 0)
    payload = bytes((0x18 if key else 0x10, 0x0A)) + bytes(40)
    stamp = int(world.now * 90000) & 0xFFFFFFFF
    world.source.layer(rid).deliver(count[0], stamp, 1, memoryview(payload), world.now, element(descriptor))
    count[0] += 1


def numbers(world: World, down: DownTrack) -> list[int]:
    found = []
    for packet in world.raw(down):
        descriptor = rtp.read_extensions(packet, len(packet))[DESCRIPTOR_ID]
        assert descriptor[0] == 0xC0 and not any(descriptor[3:])
        found.append(int.from_bytes(descriptor[1:3], "big"))
    return found


def test_av1_frames_are_numbered_on_across_layers() -> None:
    """A browser takes a frame whose number goes back, after a switch, for one that comes too late."""
    world = World(codec=AV1, rids=RIDS)
    down = world.subscriber()
    first = {"q": 65_530, "h": 40_000, "f": 3}
    at = dict(first)
    for target in ("h", "q", "f", "q"):
        down.aim(world.source.layer(target))
        for step in range(6):
            for rid in RIDS:
                described_frame(world, rid, at[rid], key=step == 1, long=step == 1)
                at[rid] += 1
            world.pass_time()
    got = numbers(world, down)
    assert len(got) == 4 * 6 - 1 + 1, "without the one before the first key frame; q's before f's key frame"
    assert got == [(first["h"] + 1 + step) & 0xFFFF for step in range(len(got))]


def test_a_layer_alone_keeps_its_numbers() -> None:
    world = World(codec=AV1, rids=RIDS)
    down = world.subscriber()
    down.aim(world.source.layer("q"))
    for number in (65_534, 65_535, 0, 1):
        described_frame(world, "q", number, key=number == 65_534)
        world.pass_time()
    assert numbers(world, down) == [65_534, 65_535, 0, 1]


@pytest.mark.parametrize(
    "extension", [b"\x51\x01\x02", b"\x00\x05\x02\x01\x02", b"\x12\x01\x02\x03", b"\x00", b"\x00\x04"]
)
def test_what_is_no_descriptor_is_not_renumbered(extension: bytes) -> None:
    assert locate_number(extension, 20) is None


def test_a_simulcast_layers_descriptor_is_passed_on_as_an_element_of_ours() -> None:
    world = World(codec=AV1, rids=RIDS)
    stream = IncomingStream(SimpleNamespace(source=world.source, connection=None), "q")  # type: ignore[arg-type]
    plan = SimpleNamespace(
        payload_type=45, rtx_payload_type=None, plain_payload_type=None, extensions=((9, dependency.URI),),
        asks=lambda what: True,
    )  # fmt: skip
    stream.follow(plan)  # type: ignore[arg-type]
    assert stream.element_id == 9
    stream.deliver(7, 0, 1, memoryview(b"\x18\x0a" + bytes(40)), world.now, b"\xc0\x12\x34")
    (record,) = [record for record in world.source.layer("q").cache.packets if record]
    packet = record[2]
    assert rtp.read_extensions(packet, len(packet))[DESCRIPTOR_ID] == b"\xc0\x12\x34"
