"""VP9 payload descriptors: broken ones first, then streams as Chromium sends them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_gateway.sfu import vp9
from tests.media_gateway.sfu.captured import packets


@given(st.binary(max_size=24))
def test_any_payload_is_judged_without_an_error(payload: bytes) -> None:
    fields = vp9.read(payload)
    assert fields is None or 0 < fields.size < len(payload)
    assert vp9.starts_keyframe(payload) in (True, False)
    size = vp9.keyframe_size(payload)
    assert size is None or vp9.starts_keyframe(payload)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x80",
        b"\x80\x80",
        b"\xa0\x05\x00",  # the layer byte promises TL0PICIDX
        b"\xd0\x05\x03\x03\x03\x00",  # a fourth reference
        b"\x02\xf8\x00\x01",  # a structure that is cut off
        b"\x0a\x08\xff\x00",  # 255 pictures that are not there
        b"\x08",  # nothing after the descriptor
    ],
)
def test_cut_off_descriptors_are_none(payload: bytes) -> None:
    assert vp9.read(payload) is None
    assert vp9.keyframe_size(payload) is None


def test_a_plain_stream() -> None:
    first, second, *_ = packets("vp9")
    assert vp9.starts_keyframe(first["payload"]) and vp9.keyframe_size(first["payload"]) == (640, 360)
    assert not vp9.starts_keyframe(second["payload"]) and vp9.keyframe_size(second["payload"]) is None
    assert not vp9.starts_keyframe(b"\xcb" + first["payload"][1:]), "an inter frame"


def test_the_size_of_a_key_frame_without_a_structure() -> None:
    payload = packets("vp9")[0]["payload"]
    fields = vp9.read(payload)
    assert fields is not None and fields.layers == 1
    bare = bytes((payload[0] & ~0x02,)) + payload[1:3] + payload[fields.size :]
    assert vp9.keyframe_size(bare) == (640, 360)
    assert vp9.keyframe_size(bare[:8]) is None


def test_three_spatial_layers() -> None:
    rows = [vp9.read(row["payload"]) for row in packets("vp9_l3t3_key")]
    first = rows[0]
    assert first is not None and (first.layers, first.sizes) == (3, ((320, 180), (640, 360), (1280, 720)))
    assert vp9.keyframe_size(packets("vp9_l3t3_key")[0]["payload"]) == (1280, 720)
    places = [(row.spatial, row.begins, row.ends) for row in rows[:7] if row is not None]
    assert places == [
        (0, True, False), (0, False, True), (1, True, False), (1, False, True),
        (2, True, False), (2, False, False), (2, False, True),
    ]  # fmt: skip
    starts = [vp9.starts_keyframe(row["payload"]) for row in packets("vp9_l3t3_key")]
    assert starts[0] and not any(starts[1:]), "of a key picture only its lowest layer is a start"


def test_only_profile_zero_fits() -> None:
    assert vp9.profile_fits({}) and vp9.profile_fits({"profile-id": "0"})
    assert not vp9.profile_fits({"profile-id": "2"})
