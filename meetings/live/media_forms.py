"""What browsers say of their media, checked: views, reports and data messages (docs/protocol.md 1.9, 1.10).

Pure functions: they take the data of a request and return what may be passed on, with nothing else in it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from meetings.live.errors import RoomError
from meetings.live.protocol import MAX_ID, bad_field, choice, participant_id

MAX_TRACKS = 200
MAX_LAYERS = 16  # four sources of at most four layers
MAX_SIDE = 16_384  # device pixels
MAX_MS = 1e9  # eleven days
MAX_MESSAGE = 1024
MAX_DEPTH = 8
PICTURES = ("camera", "screen")
SOURCES = ("mic", "camera", "screen", "screen_audio")
LIMITS = ("none", "cpu", "bandwidth", "other")
TOPICS = ("cursor", "stroke", "reaction")
_RID = re.compile(r"[A-Za-z0-9_-]{1,16}", re.ASCII)


def _entries(data: Mapping[str, Any], field: str, limit: int) -> list[dict[str, Any]]:
    value = data.get(field)
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise bad_field(field)
    if len(value) > limit:
        raise RoomError(
            "too_large", _("This list is too long: %(limit)d entries are allowed.") % {"limit": limit}
        )
    return value


def _whole(entry: Mapping[str, Any], field: str, low: int, high: int) -> int:
    value = entry.get(field)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise bad_field(field)
    return value


def _milliseconds(entry: Mapping[str, Any], field: str) -> float:
    value = entry.get(field)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_MS:
        raise bad_field(field)
    return value


def _refuse_doubles(field: str, keys: list[tuple[str, str]]) -> None:
    if len(set(keys)) < len(keys):
        raise bad_field(field)


def view(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """`[{peer, source, width, height, priority}]` of `media.view`. Raises RoomError."""
    tracks: list[dict[str, Any]] = [
        {
            "peer": participant_id(entry),
            "source": choice(entry, "source", PICTURES),
            "width": _whole(entry, "width", 1, MAX_SIDE),
            "height": _whole(entry, "height", 1, MAX_SIDE),
            "priority": _whole(entry, "priority", 0, 2),
        }
        for entry in _entries(data, "tracks", MAX_TRACKS)
    ]
    _refuse_doubles("tracks", [(track["peer"], track["source"]) for track in tracks])
    return tracks


def _sent(entry: Mapping[str, Any]) -> dict[str, Any]:
    rid, round_trip = entry.get("rid"), entry.get("round_trip_ms")
    if rid is not None and (not isinstance(rid, str) or not _RID.fullmatch(rid)):
        raise bad_field("rid")
    return {
        "source": choice(entry, "source", SOURCES),
        "rid": rid,
        **{name: _whole(entry, name, 0, MAX_ID) for name in ("packets", "bytes", "frames")},
        **{name: _whole(entry, name, 0, MAX_SIDE) for name in ("width", "height")},
        "limited": choice(entry, "limited", LIMITS),
        "round_trip_ms": None if round_trip is None else _milliseconds(entry, "round_trip_ms"),
    }


def _received(entry: Mapping[str, Any]) -> dict[str, Any]:
    counters = ("packets", "bytes", "frames", "freezes", "samples", "concealed")
    return {
        "peer": participant_id(entry),
        "source": choice(entry, "source", SOURCES),
        **{name: _whole(entry, name, 0, MAX_ID) for name in counters},
        # Browsers count a packet that came twice against the lost ones (RFC 3550), so it may be below zero.
        "lost": _whole(entry, "lost", -MAX_ID, MAX_ID),
        **{name: _whole(entry, name, 0, MAX_SIDE) for name in ("width", "height")},
        **{name: _milliseconds(entry, name) for name in ("freeze_ms", "jitter_ms")},
    }


def report(data: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """`{publish: [OutStat], subscribe: [InStat with peer]}` of `media.report`. Raises RoomError."""
    publish = [_sent(entry) for entry in _entries(data, "publish", MAX_LAYERS)]
    subscribe = [_received(entry) for entry in _entries(data, "subscribe", MAX_TRACKS)]
    _refuse_doubles("publish", [(one["source"], one["rid"] or "") for one in publish])
    _refuse_doubles("subscribe", [(one["peer"], one["source"]) for one in subscribe])
    return {"publish": publish, "subscribe": subscribe}


def _is_plain(value: object, depth: int = MAX_DEPTH) -> bool:
    """Whether every program on the way can carry it: no huge numbers, no endless nesting, no NUL."""
    if value is None or isinstance(value, bool):
        return True
    if isinstance(value, str):
        return "\0" not in value
    if isinstance(value, int | float):
        return abs(value) <= MAX_ID and math.isfinite(value)
    if depth == 0:
        return False
    if isinstance(value, list):
        return all(_is_plain(one, depth - 1) for one in value)
    return isinstance(value, dict) and all(
        "\0" not in key and _is_plain(one, depth - 1) for key, one in value.items()
    )


def message(data: Mapping[str, Any]) -> dict[str, Any]:
    """`{topic, body}` of `data.send`; `body` is any small JSON value. Raises RoomError."""
    topic = choice(data, "topic", TOPICS)
    if "body" not in data or not _is_plain(data["body"]):
        raise bad_field("body")
    told = {"topic": topic, "body": data["body"]}
    size = len(json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"))
    if size > MAX_MESSAGE:
        raise RoomError("too_large", _("This message is too large."))
    return told
