"""H.264 packets: broken ones first, then where decoding may start, sizes, and the byte stream."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_gateway.sfu import h264
from tests.media_gateway.sfu.captured import packets

SPS = bytes.fromhex("6742c01f8c8d405017fcb37010d0107844")
PPS = bytes.fromhex("68ce3c80")


def aggregate(*units: bytes) -> bytes:
    return b"\x78" + b"".join(len(unit).to_bytes(2, "big") + unit for unit in units)


@given(st.binary(max_size=40))
def test_any_payload_is_judged_without_an_error(payload: bytes) -> None:
    assert h264.starts_keyframe(payload) in (True, False)
    size = h264.keyframe_size(payload)
    assert size is None or min(size) > 0


@given(st.binary(max_size=60))
def test_any_parameter_set_is_read_or_refused(rest: bytes) -> None:
    size = h264.keyframe_size(b"\x67" + rest)
    assert size is None or 0 < max(size) <= 16384


@pytest.mark.parametrize("payload", [b"", b"\x7c\x85", b"\x78\x00\x09\x67", b"\x79\x00\x00", b"\x60\x00\x00"])
def test_broken_payloads_have_no_byte_stream(payload: bytes) -> None:
    with pytest.raises(ValueError):
        h264.annex_b(payload)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (SPS, True),
        (PPS, False),
        (aggregate(SPS, PPS), True),
        (aggregate(PPS), False),
        (aggregate(PPS, b"\x65\x88"), True),
        (b"\x65\x88\x80", True),  # IDR, first macroblock 0
        (b"\x65\x40\x80", False),  # IDR, a later slice
        (b"\x41\x9a", False),  # not IDR
        (b"\x7c\x85\xb8", True),  # the start of a fragmented IDR
        (b"\x7c\x05\xb8", False),  # its middle
        (b"\x7c\x85\x38", False),  # the start of a later slice of one
        (b"\x7c\x81\xb8", False),  # a fragmented slice that is not IDR
    ],
)
def test_decoding_may_start_at_parameter_sets_and_first_slices(payload: bytes, expected: bool) -> None:
    assert h264.starts_keyframe(payload) is expected


def test_a_captured_stream_starts_with_its_parameter_sets() -> None:
    first, second, third, *_ = packets("h264")
    assert h264.starts_keyframe(first["payload"]) and h264.keyframe_size(first["payload"]) == (640, 360)
    assert h264.starts_keyframe(second["payload"]) and h264.keyframe_size(second["payload"]) is None
    assert not h264.starts_keyframe(third["payload"])


def test_cropping_and_high_profiles_count() -> None:
    # 1920x1080, which is 1920x1088 with eight lines cropped, in High profile with scaling lists absent.
    assert h264.keyframe_size(
        bytes.fromhex("67640028acd940780227e5c05a808080a0000003002000000781e30632c0")
    ) == (
        1920,
        1080,
    )


def test_the_byte_stream_is_put_together_again() -> None:
    start = b"\0\0\0\1"
    assert h264.annex_b(SPS) == (start + SPS, True, True)
    assert h264.annex_b(aggregate(SPS, PPS)) == (start + SPS + start + PPS, True, True)
    assert h264.annex_b(b"\x7c\x85\xb8\x01") == (start + b"\x65\xb8\x01", True, True)
    assert h264.annex_b(b"\x7c\x45\x02") == (b"\x02", False, False)
    assert h264.annex_b(b"\x41\x9a") == (start + b"\x41\x9a", True, False)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"packetization-mode": "1", "profile-level-id": "42e01f"}, 2),
        ({"packetization-mode": "1", "profile-level-id": "42C02A"}, 2),
        ({"packetization-mode": "1", "profile-level-id": "42001f"}, 1),
        ({"packetization-mode": "1"}, 1),
        ({"packetization-mode": "0", "profile-level-id": "42e01f"}, 0),
        ({"profile-level-id": "42e01f"}, 0),
        ({"packetization-mode": "1", "profile-level-id": "4d001f"}, 0),
        ({"packetization-mode": "1", "profile-level-id": "640c1f"}, 0),
    ],
)
def test_only_baseline_in_mode_one_fits(parameters: dict[str, str], expected: int) -> None:
    assert h264.profile_fits(parameters) == expected


def test_what_goes_into_our_answer_is_six_digits() -> None:
    assert h264.profile_of({"profile-level-id": "42e01f\r\na=x"}) == "42000a"
    assert h264.profile_of({"profile-level-id": "42E01F"}) == "42e01f"
