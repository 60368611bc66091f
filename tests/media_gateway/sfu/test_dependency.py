"""Dependency descriptors: hostile ones first, then those of a stream with three spatial layers."""

from hypothesis import given
from hypothesis import strategies as st

from media_gateway.sfu.bits import BitReader
from media_gateway.sfu.dependency import DependencyReader
from tests.media_gateway.sfu.captured import packets


@given(st.lists(st.binary(max_size=80), max_size=5))
def test_any_bytes_are_read_or_refused(descriptors: list[bytes]) -> None:
    reader = DependencyReader()
    for data in descriptors:
        frame = reader.read(data)
        assert frame is None or (0 <= frame.spatial <= 3 and 0 <= frame.temporal <= 7)


@given(st.binary(max_size=80))
def test_any_structure_is_read_or_refused_and_the_last_good_one_stays(data: bytes) -> None:
    reader = DependencyReader()
    first = packets("av1_l3t3_key")[0]["descriptor"]
    assert reader.read(first) is not None
    before = reader.structure
    if reader.read(b"\x80\x00\x01\x80" + data) is None and reader.structure is not before:
        # A structure may be right and yet not hold the template that this packet names.
        assert reader.structure is not None and reader.structure.templates


def test_nothing_is_known_before_a_structure_and_nothing_of_a_strange_template() -> None:
    rows = packets("av1_l3t3_key")
    reader = DependencyReader()
    assert reader.read(rows[1]["descriptor"]) is None
    assert reader.read(b"") is None and reader.read(b"\x80\x00") is None
    assert reader.read(rows[0]["descriptor"][:40]) is None, "a structure that is cut off"
    assert reader.read(rows[0]["descriptor"]) is not None
    assert reader.read(bytes((63, 0, 2))) is None


def test_layers_and_sizes_of_a_captured_stream() -> None:
    reader = DependencyReader()
    frames = [reader.read(row["descriptor"]) for row in packets("av1_l3t3_key")]
    assert None not in frames
    structure = reader.structure
    assert structure is not None
    assert (structure.spatial_layers, structure.temporal_layers) == (3, 3)
    assert structure.sizes == ((320, 180), (640, 360), (1280, 720))
    assert (structure.target_count, structure.chain_count, len(structure.templates)) == (9, 3, 15)
    first = [(f.spatial, f.begins, f.ends, f.structured) for f in frames[:5] if f is not None]
    assert first == [
        (0, True, False, True), (0, False, True, False), (1, True, False, False), (1, False, True, False),
        (2, True, False, False),
    ]  # fmt: skip
    assert {frame.temporal for frame in frames if frame is not None} == {0, 1, 2}


def test_numbers_below_a_limit_take_no_more_bits_than_needed() -> None:
    bits = BitReader(bytes([0b00_01_10_11, 0b0_111_0000]))
    assert [bits.below(4) for _ in range(4)] == [0, 1, 2, 3]
    assert bits.below(1) == 0 and bits.left == 8
    # Below 5: 0 to 2 in two bits, 3 and 4 in three.
    assert bits.read(1) == 0 and bits.below(5) == 4
