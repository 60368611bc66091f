"""Sub-streams of scalable video: what must never happen to their numbers first, then captured streams."""

import itertools
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media_gateway.sfu.codecs import AV1, VP9, Codec
from media_gateway.sfu.rtp import read_extensions
from media_gateway.sfu.svc import LayerSplitter, element
from tests.media_gateway.sfu.captured import packets

Packet = tuple[int, int, int, bytes, bytes]
"""(number, timestamp, marker, payload, extension)"""


class Taken:
    """Stands for a layer: keeps what it is given."""

    def __init__(self, rid: str) -> None:
        self.rid = rid
        self.uplink: object | None = None
        self.width = self.height = 0
        self.streams = 0
        self.got: list[Packet] = []

    def deliver(
        self, extended: int, timestamp: int, marker: int, payload: Any, now: float, extension: bytes = b"",
        *, forward: bool = True,
    ) -> None:  # fmt: skip
        self.got.append((extended, timestamp, int(marker), bytes(payload), extension))

    def new_stream(self) -> None:
        self.streams += 1


class Sourcelike:
    """Stands for a source: layers by rid, lowest first."""

    def __init__(self, codec: Codec) -> None:
        self.codec = codec
        self.layers: list[Taken] = []

    def layer(self, rid: str) -> Taken:
        for layer in self.layers:
            if layer.rid == rid:
                return layer
        self.layers.append(Taken(rid))
        return self.layers[-1]

    def keep_layers(self, rids: list[str]) -> None:
        found = [self.layer(rid) for rid in rids]
        self.layers = found


class Rig:
    def __init__(self, codec: Codec) -> None:
        self.source = Sourcelike(codec)
        self.whole = self.source.layer("")
        self.splitter = LayerSplitter(self.source, self.whole, self)  # type: ignore[arg-type]

    def feed(self, row: dict[str, Any], now: float = 1.0) -> None:
        payload = memoryview(row["payload"])
        self.splitter.deliver(
            row["sequence"], row["timestamp"], int(row["marker"]), payload, now, row["descriptor"]
        )

    def got(self, rid: str) -> list[Packet]:
        return self.source.layer(rid).got

    def request_keyframe(self) -> bool:
        return True


CASES = [("vp9_l3t3_key", VP9), ("av1_l3t3_key", AV1)]


def spatial_ids(name: str, codec: Codec) -> list[int]:
    """Of each captured packet, taken from a splitter that is given them in order."""
    places = Rig(codec).splitter._places
    found = []
    for row in packets(name):
        place = places.layer_of(row["payload"], row["descriptor"])
        assert place is not None
        found.append(place.spatial)
    return found


# -- what must not happen ------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.binary(max_size=30), st.binary(max_size=60)), max_size=20),
    st.sampled_from([VP9, AV1]),
)
def test_hostile_packets_reach_the_whole_unchanged(rows: list[tuple[bytes, bytes]], codec: Codec) -> None:
    rig = Rig(codec)
    for number, (payload, descriptor) in enumerate(rows, start=100):
        rig.splitter.deliver(number, 0, 0, memoryview(payload), 1.0, descriptor)
    assert [packet[3] for packet in rig.got("")] == [payload for payload, _ in rows]
    assert len(rig.source.layers) <= 4


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(CASES), st.integers(0, 2**32), st.floats(0, 0.2))
def test_loss_and_disorder_never_give_a_number_twice(case: tuple[str, Codec], seed: int, loss: float) -> None:
    """Whatever is lost or late: a sub-stream's numbers are unique, and in order those of its own packets."""
    name, codec = case
    rows = packets(name)
    chance = random.Random(seed)
    late = [(place + chance.choice([0, 0, 0, 3, 8]), place) for place in range(1, len(rows))]
    order = [0] + [place for _, place in sorted(late) if chance.random() >= loss]
    rig = Rig(codec)
    for place in order:
        rig.feed(rows[place])
    for layer in rig.source.layers[:-1]:
        numbers = [packet[0] for packet in layer.got]
        assert len(set(numbers)) == len(numbers)
        real = sorted((packet[0], packet[1]) for packet in layer.got if packet[3])
        assert [stamp for _, stamp in real] == sorted(stamp for _, stamp in real)


def test_an_old_packet_is_dropped_from_the_parts() -> None:
    rig = Rig(VP9)
    rows = packets("vp9_l3t3_key")
    rig.feed(rows[0])
    rig.feed(rows[1] | {"sequence": rows[0]["sequence"] + 3000})
    rig.feed(rows[2] | {"sequence": rows[0]["sequence"] + 1})
    assert len(rig.got("s0")) == 2 and len(rig.got("")) == 3


# -- captured streams ------------------------------------------------------------


@pytest.mark.parametrize(("name", "codec"), CASES)
def test_layers_are_found_and_have_their_sizes(name: str, codec: Codec) -> None:
    rig = Rig(codec)
    rig.feed(packets(name)[0])
    assert [(layer.rid, layer.width, layer.height) for layer in rig.source.layers] == [
        ("s0", 320, 180), ("s1", 640, 360), ("", 1280, 720),
    ]  # fmt: skip
    assert [layer.uplink for layer in rig.source.layers[:2]] == [rig, rig]


@pytest.mark.parametrize(("name", "codec"), CASES)
def test_sub_streams_hold_the_lower_layers_without_a_hole(name: str, codec: Codec) -> None:
    rig = Rig(codec)
    rows = packets(name)
    for row in rows:
        rig.feed(row)
    spatial = spatial_ids(name, codec)
    assert [packet[0] for packet in rig.got("")] == [row["sequence"] for row in rows]
    for top, rid in ((0, "s0"), (1, "s1")):
        wanted = [row for row, layer in zip(rows, spatial, strict=True) if layer <= top]
        got = rig.got(rid)
        assert [packet[3] for packet in got] == [row["payload"] for row in wanted]
        first = got[0][0]
        assert [packet[0] for packet in got] == list(range(first, first + len(got)))
        # The last packet of each picture is marked, where the picture had this layer.
        for here, following in itertools.pairwise(got):
            assert bool(here[2]) == (here[1] != following[1]), here


def test_missing_numbers_of_other_layers_are_closed_when_they_come() -> None:
    rig = Rig(VP9)
    rows = packets("vp9_l3t3_key")
    spatial = spatial_ids("vp9_l3t3_key", VP9)
    place = next(at for at in range(8, len(rows)) if spatial[at] == 2 and spatial[at + 1] == 0)
    for at in range(place):
        rig.feed(rows[at])
    rig.feed(rows[place + 1])
    before, after = rig.got("s0")[-2:]
    assert after[0] == before[0] + 2, "nobody knows yet whose packet is missing"
    rig.feed(rows[place])
    filler = rig.got("s0")[-1]
    assert filler[0] == before[0] + 1 and filler[3] == b"", "it was none of ours: nothing is missing"
    rig.feed(rows[place + 2])


def test_a_stream_of_one_layer_stays_in_one_piece() -> None:
    for name, codec in (("vp9", VP9), ("av1", AV1)):
        rig = Rig(codec)
        for row in packets(name):
            rig.feed(row)
        assert [layer.rid for layer in rig.source.layers] == [""]
        assert len(rig.whole.got) == len(packets(name))


def test_layers_go_when_the_stream_has_them_no_longer() -> None:
    rig = Rig(VP9)
    low = rig.source
    for row in packets("vp9_l3t3_key")[:8]:
        rig.feed(row)
    part = low.layer("s0")
    rig.feed(packets("vp9")[0], 1.1)
    assert [layer.rid for layer in low.layers] == ["s0", "s1", ""], "not so soon"
    rig.feed(packets("vp9")[0], 2.0)
    assert [layer.rid for layer in low.layers] == [""] and part.uplink is None
    rig.feed(packets("vp9_l3t3_key")[0], 3.0)
    assert [layer.rid for layer in low.layers] == ["s0", "s1", ""]


def test_a_new_stream_and_the_end_reach_every_part() -> None:
    rig = Rig(VP9)
    rig.feed(packets("vp9_l3t3_key")[0])
    streams = [layer.streams for layer in rig.source.layers]
    rig.splitter.new_stream()
    assert [layer.streams - before for layer, before in zip(rig.source.layers, streams, strict=True)] == [
        1,
        1,
        1,
    ]
    rig.splitter.release()
    assert [layer.uplink for layer in rig.source.layers[:2]] == [None, None]


@given(st.binary(min_size=1, max_size=120))
def test_descriptors_travel_in_the_form_they_fit(descriptor: bytes) -> None:
    elements = element(descriptor)
    profile = 0x1000 if elements[0] == 0 else 0xBEDE
    elements += bytes(-len(elements) % 4)
    head = bytes((0x90, 45)) + bytes(10) + profile.to_bytes(2, "big")
    packet = head + (len(elements) // 4).to_bytes(2, "big") + elements + b"payload"
    assert read_extensions(packet, len(packet)) == {5: descriptor}
