"""AV1 packets: broken ones first, then key frames, sizes, and temporal units put together again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_gateway.sfu import av1
from tests.media_gateway.sfu.captured import packets


@given(st.binary(max_size=40))
def test_any_payload_is_judged_without_an_error(payload: bytes) -> None:
    assert av1.starts_keyframe(payload) in (True, False)
    size = av1.keyframe_size(payload)
    assert size is None or min(size) > 0
    spatial = av1.spatial_layer(payload)
    assert spatial is None or 0 <= spatial <= 3
    try:
        av1.temporal_unit([payload])
    except ValueError:
        pass


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x10",
        b"\x20\x05\x08",  # an element beyond the packet
        b"\x00" + b"\xff" * 9,  # no leb128
        b"\x30\x01\x08",  # three elements promised, one there
    ],
)
def test_broken_packets_are_refused(payload: bytes) -> None:
    with pytest.raises(ValueError):
        list(av1.elements(payload))


@given(st.integers(0, (1 << 35) - 1))
def test_leb128_goes_there_and_back(value: int) -> None:
    data = av1.encode_leb128(value)
    assert av1.leb128(data, 0) == (value, len(data))


def test_a_captured_key_frame() -> None:
    first, second, *_ = packets("av1")
    assert av1.starts_keyframe(first["payload"]) and av1.keyframe_size(first["payload"]) == (640, 360)
    assert not av1.starts_keyframe(second["payload"]) and av1.keyframe_size(second["payload"]) is None


def test_spatial_layers_stand_in_the_headers_of_whole_units() -> None:
    rows = packets("av1_l3t3_key")
    assert [av1.spatial_layer(row["payload"]) for row in rows[:6]] == [0, None, 1, None, 2, None]


def test_fragments_are_joined_and_get_their_size() -> None:
    sequence, frame = b"\x08\x01\x02", b"\x30" + bytes(range(9))
    packets = [b"\x68\x03" + sequence + frame[:4], b"\xd0" + frame[4:7], b"\x90" + frame[7:]]
    stream, begins, key = av1.temporal_unit(packets)
    assert stream == b"\x0a\x02\x01\x02" + b"\x32\x09" + frame[1:]
    assert begins and key
    _, begins, key = av1.temporal_unit(packets[1:])
    assert not begins and not key
    # A header extension stays, temporal delimiters go, and what has a size keeps it.
    stream, _, _ = av1.temporal_unit([b"\x30\x02\x12\x00\x03\x34\x08\xaa\x32\x01\xbb"])
    assert stream == b"\x36\x08\x01\xaa\x32\x01\xbb"


def test_only_the_main_profile_fits() -> None:
    assert av1.profile_fits({}) and av1.profile_fits({"profile": "0"})
    assert not av1.profile_fits({"profile": "1"})
