"""H.264 in RTP (RFC 6184): single NAL units, STAP-A, FU-A; where decoding may start, and picture sizes."""

import re
from collections.abc import Iterator

from .bits import BitReader

Buffer = bytes | memoryview

IDR, SPS, STAP_A, FU_A = 5, 7, 24, 28
MAX_UNITS = 16
_PROFILE = re.compile(r"[0-9a-f]{6}")
START_CODE = b"\0\0\0\1"
_HIGH_PROFILES = frozenset({44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244})


def starts_keyframe(payload: Buffer) -> bool:
    """Whether decoding may start with this packet: a parameter set, or the first slice of an IDR picture.

    Only the first slice counts (`first_mb_in_slice` 0, whose code is a single 1 bit): a picture may be cut
    into several, and one entered in the middle shows garbage.
    """
    size = len(payload)
    if size < 2:
        return False
    kind = payload[0] & 0x1F
    if kind == FU_A:
        return size > 2 and payload[1] & 0x9F == 0x80 | IDR and payload[2] & 0x80 != 0
    if kind == IDR:
        return payload[1] & 0x80 != 0
    if kind == STAP_A:
        return any(
            unit[0] & 0x1F == SPS or (unit[0] & 0x1F == IDR and len(unit) > 1 and unit[1] & 0x80)
            for unit in _units(payload)
        )
    return kind == SPS


def _units(payload: Buffer) -> Iterator[Buffer]:
    """The NAL units of a STAP-A, none of them empty; what is cut off ends it, as does the sixteenth."""
    at, size = 1, len(payload)
    for _ in range(MAX_UNITS):
        if at + 2 >= size:
            return
        length = payload[at] << 8 | payload[at + 1]
        at += 2
        if not length or at + length > size:
            return
        yield payload[at : at + length]
        at += length


def keyframe_size(payload: Buffer) -> tuple[int, int] | None:
    """Width and height in pixels, where the packet carries a sequence parameter set; else None."""
    if len(payload) < 4:
        return None
    kind = payload[0] & 0x1F
    units = _units(payload) if kind == STAP_A else (payload,) if kind == SPS else ()
    for unit in units:
        if unit[0] & 0x1F == SPS:
            try:
                return _picture_size(bytes(unit))
            except ValueError:
                return None
    return None


def _picture_size(unit: bytes) -> tuple[int, int]:
    """ITU-T H.264 section 7.3.2.1.1, as far as the cropping rectangle. ValueError when cut off."""
    bits = BitReader(unit[1:].replace(b"\0\0\3", b"\0\0"))
    profile = bits.read(8)
    bits.read(16)
    bits.golomb()
    chroma, separate = 1, False
    if profile in _HIGH_PROFILES:
        chroma = bits.golomb()
        separate = chroma == 3 and bits.flag()
        bits.golomb()
        bits.golomb()
        bits.flag()
        if bits.flag():
            _skip_scaling_lists(bits, 8 if chroma != 3 else 12)
    bits.golomb()
    order = bits.golomb()
    if order == 0:
        bits.golomb()
    elif order == 1:
        bits.flag()
        bits.signed_golomb()
        bits.signed_golomb()
        for _ in range(min(bits.golomb(), 255)):
            bits.signed_golomb()
    bits.golomb()
    bits.flag()
    width = 16 * (bits.golomb() + 1)
    map_units = bits.golomb() + 1
    frames_only = bits.flag()
    height = 16 * map_units * (1 if frames_only else 2)
    if not frames_only:
        bits.flag()
    bits.flag()
    if bits.flag():
        left, right, top, bottom = (bits.golomb() for _ in range(4))
        across = 2 if chroma in (1, 2) and not separate else 1
        down = (2 if chroma == 1 and not separate else 1) * (1 if frames_only else 2)
        width -= across * (left + right)
        height -= down * (top + bottom)
    if not (0 < width <= 16384 and 0 < height <= 16384):
        raise ValueError("a picture without a sensible size")
    return width, height


def _skip_scaling_lists(bits: BitReader, count: int) -> None:
    for number in range(count):
        if not bits.flag():
            continue
        last = following = 8
        for _ in range(16 if number < 6 else 64):
            if following:
                following = (last + bits.signed_golomb()) % 256
            last = following or last


def profile_fits(parameters: dict[str, str]) -> int:
    """How well an offered format suits: 2 constrained baseline, 1 baseline, 0 what we do not forward.

    Only packetization mode 1; the level may differ, as each end chooses its own (`level-asymmetry-allowed`).
    """
    if parameters.get("packetization-mode", "0") != "1":
        return 0
    profile = profile_of(parameters)[:4]
    return 2 if profile in ("42e0", "42c0") else 1 if profile == "4200" else 0


def profile_of(parameters: dict[str, str]) -> str:
    """The profile-level-id as six hexadecimal digits; baseline level 1 when there is none (section 8.1)."""
    profile = parameters.get("profile-level-id", "").lower()
    return profile if _PROFILE.fullmatch(profile) else "42000a"


def annex_b(payload: Buffer) -> tuple[bytes, bool, bool]:
    """(byte stream, whether it begins a NAL unit, whether an IDR or SPS begins). ValueError if broken."""
    if len(payload) < 2:
        raise ValueError("an H.264 payload without data")
    kind = payload[0] & 0x1F
    if kind == FU_A:
        if len(payload) < 3:
            raise ValueError("a fragment without data")
        head = payload[1]
        if not head & 0x80:
            return bytes(payload[2:]), False, False
        unit = bytes((payload[0] & 0xE0 | head & 0x1F,)) + bytes(payload[2:])
        return START_CODE + unit, True, head & 0x1F in (IDR, SPS)
    if kind == STAP_A:
        units = [bytes(unit) for unit in _units(payload)]
        if not units:
            raise ValueError("an aggregate without units")
        data = b"".join(START_CODE + unit for unit in units)
        return data, True, any(unit[0] & 0x1F in (IDR, SPS) for unit in units)
    if not 1 <= kind <= 23:
        raise ValueError(f"NAL unit type {kind} is not of packetization mode 1")
    return START_CODE + bytes(payload), True, kind in (IDR, SPS)
