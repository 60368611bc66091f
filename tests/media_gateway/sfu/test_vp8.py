"""VP8 payload descriptors: broken ones first, then key frames, sizes and the numbers in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_gateway.sfu import vp8

KEY = b"\x00\x00\x00\x9d\x01\x2a"


@given(st.binary(max_size=16))
def test_any_payload_is_judged_without_an_error(payload: bytes) -> None:
    assert vp8.starts_keyframe(payload) in (True, False)
    fields = vp8.read(payload)
    assert fields is None or 0 < fields.size < len(payload)
    assert vp8.keyframe_size(payload) is None or vp8.starts_keyframe(payload)
    place = vp8.locate_picture(payload, 20)
    assert place is None or max(place[0], place[2]) < 20 + len(payload)


@pytest.mark.parametrize(
    "payload", [b"", b"\x90", b"\x90\x80", b"\x90\x80\x85\x05", b"\x90\xf0\x85\x05\x01\x20"]
)
def test_cut_off_descriptors_are_none(payload: bytes) -> None:
    assert vp8.read(payload) is None
    with pytest.raises(ValueError):
        vp8.frame_data(payload)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"\x10\x00\x9d\x01", True),
        (b"\x10\x01\x9d\x01", False),  # inter frame
        (b"\x00\x00\x9d\x01", False),  # not the start of a partition
        (b"\x11\x00\x9d\x01", False),  # second partition
        (b"\x90\x80\x05\x00\x9d", True),  # seven-bit picture id
        (b"\x90\x80\x85\x05\x00\x9d", True),  # fifteen-bit picture id
        (b"\x90\xe0\x85\x05\x01\x20\x00\x9d", True),  # picture id, TL0PICIDX, TID
        (b"\x90\xe0\x85\x05\x01\x20\x01\x9d", False),
        (b"\x90\x80\x85\x05", False),  # cut off
        (b"", False),
    ],
)
def test_key_frames_are_recognised(payload: bytes, expected: bool) -> None:
    assert vp8.starts_keyframe(payload) is expected


def test_numbers_are_read_and_located() -> None:
    payload = b"\x90\xe0\x85\x05\x09\xa0\x01\x00"
    fields = vp8.read(payload)
    assert fields is not None
    assert (fields.picture_id, fields.wide, fields.tl0, fields.temporal, fields.size) == (
        0x505,
        True,
        9,
        2,
        6,
    )
    assert vp8.locate_picture(payload, 20) == (22, 0x8505, 24, 9)
    narrow = b"\x90\xc0\x05\x07\x00\x00\x00"
    assert vp8.locate_picture(narrow, 20) == (22, 5, 23, 7)
    assert vp8.locate_picture(b"\x10\x00\x00\x00\x00", 20) is None


def test_the_size_comes_from_a_key_frame_only() -> None:
    size = (1280 | 1 << 14).to_bytes(2, "little") + (720).to_bytes(2, "little")
    assert vp8.keyframe_size(b"\x10" + KEY + size) == (1280, 720)
    assert vp8.keyframe_size(b"\x90\x80\x85\x05" + KEY + size) == (1280, 720)
    assert vp8.keyframe_size(b"\x10\x01" + KEY[1:] + size) is None
    assert vp8.keyframe_size(b"\x10" + KEY + size[:3]) is None
    assert vp8.keyframe_size(b"\x10" + KEY + bytes(4)) is None
    assert vp8.frame_data(b"\x90\x80\x85\x05" + KEY) == KEY
