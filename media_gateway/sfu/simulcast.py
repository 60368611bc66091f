"""Simulcast in SDP (RFC 8851, RFC 8853): the layers an m-line offers, and which of them is the better one."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

MAX_LAYERS = 3
"""Layers of one source that are received; of more the first ones are."""
RID = re.compile(r"[A-Za-z0-9_-]{1,16}")
"""No longer than the one-byte header extension carries."""
_RANKS: tuple[tuple[str, ...], ...] = (
    ("q", "h", "f"),
    ("l", "m", "h"),
    ("lo", "mid", "hi"),
    ("low", "mid", "high"),
    ("low", "medium", "high"),
    ("s", "m", "l"),
    ("0", "1", "2"),
    ("1", "2", "3"),
)
"""Names that tell the quality, lowest first."""


@dataclass(frozen=True, slots=True)
class Rid:
    """One `a=rid` line that sends. A size of 0 was not said, no payload types mean any of the m-line."""

    name: str
    payload_types: tuple[int, ...] = ()
    max_width: int = 0
    max_height: int = 0


def read_rid(argument: str) -> Rid | None:
    """`q send pt=96,97;max-width=320`; None for one that only receives. ValueError when malformed."""
    name, direction, *rest = argument.split(None, 2)
    if not RID.fullmatch(name) or direction not in ("send", "recv"):
        raise ValueError(argument)
    if direction == "recv":
        return None
    limits = dict(part.strip().partition("=")[::2] for part in (rest[0] if rest else "").split(";"))
    payload_types = tuple(int(text) for text in limits.get("pt", "").split(",") if text)
    return Rid(name, payload_types, int(limits.get("max-width", "0")), int(limits.get("max-height", "0")))


def read_simulcast(argument: str) -> list[str]:
    """`send q;~h;f,g recv x`: the rids that are sent, of alternatives the first. ValueError when malformed.

    Whether a layer begins paused (`~`) is not kept: it is one that sends nothing yet.
    """
    parts = argument.split()
    if len(parts) not in (2, 4):
        raise ValueError(argument)
    rids: list[str] = []
    for direction, streams in zip(parts[::2], parts[1::2], strict=True):
        if direction not in ("send", "recv"):
            raise ValueError(direction)
        if direction == "send":
            rids += [stream.split(",")[0].removeprefix("~") for stream in streams.split(";")]
    if len(set(rids)) < len(rids):
        raise ValueError("a rid is there twice")
    return rids


def by_quality(rids: Sequence[Rid]) -> list[str]:
    """The names, lowest quality first: by their size limits, else by what the names say, else as listed."""
    names = [rid.name for rid in rids]
    areas = [rid.max_width * rid.max_height or rid.max_width**2 or rid.max_height**2 for rid in rids]
    if all(area > 0 for area in areas) and len(set(areas)) == len(areas):
        return [name for _, name in sorted(zip(areas, names, strict=True))]
    for ranks in _RANKS:
        if all(name in ranks for name in names):
            return sorted(names, key=ranks.index)
    return names
