"""The envelope of the room protocol (docs/protocol.md 1.1, 1.2): reading frames, and how many of them."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from meetings.live.errors import RoomError

MAX_FRAME = 16_384
MAX_LONG_FRAME = 65_536
CLOSE_FRAME = 1024 * 1024
MAX_SDP = 60_000
# Descriptions, and lists that grow with the room.
LONG_TYPES = frozenset({"media.publish", "media.answer", "media.view", "media.report"})
MAX_ID = 2**53 - 1  # the largest whole number that JavaScript counts without gaps

RATE, BURST, STRIKES = 20.0, 60.0, 10
# Types with a rate of their own (a second, and at once); what exceeds it counts as an ordinary request.
OWN_RATES = {"media.view": (4.0, 8.0), "media.report": (1.0, 3.0), "data.send": (60.0, 120.0)}
SILENCE = 60.0

PUBLIC_ID = re.compile(r"[ps][0-9a-f]{12}", re.ASCII)  # people and streams


@dataclass(frozen=True)
class Request:
    id: int
    type: str
    data: dict[str, Any]


class BadFrame(Exception):
    """A frame that is no request; `re` is its id where there is a usable one."""

    def __init__(self, error: RoomError, re: int | None = None) -> None:
        super().__init__(error.code)
        self.error = error
        self.re = re


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def read_frame(text: str) -> Request:
    """The request in a frame. Raises BadFrame: bad_json, bad_message or too_large."""
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_LONG_FRAME:
        raise BadFrame(RoomError("too_large", _("This message is too large.")))
    try:
        # ValueError also is what Python says to numbers of thousands of digits, RecursionError to deep
        # nesting.
        frame = json.loads(text, parse_constant=_refuse_constant)
        # JSON may escape half a surrogate pair, which no database and no browser takes.
        if "\\u" in text:
            json.dumps(frame, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise BadFrame(RoomError("bad_json", _("This message is not valid JSON."))) from None
    if not isinstance(frame, dict):
        raise BadFrame(RoomError("bad_message", _("A message must be a JSON object.")))
    number = frame.get("id")
    if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= MAX_ID:
        raise BadFrame(RoomError("bad_message", _("A request needs a positive whole number as its id.")))
    kind, data = frame.get("type"), frame.get("data", {})
    if not isinstance(kind, str) or not isinstance(data, dict):
        raise BadFrame(
            RoomError("bad_message", _("A request needs a type and an object as its data.")), number
        )
    if size > MAX_FRAME and kind not in LONG_TYPES:
        raise BadFrame(RoomError("too_large", _("This message is too large.")), number)
    return Request(number, kind, data)


class TokenBucket:
    """RATE requests a second on average, BURST at once."""

    def __init__(self, rate: float = RATE, burst: float = BURST) -> None:
        self.rate, self.burst = rate, burst
        self.tokens, self.at = burst, time.monotonic()
        self.strikes = 0

    def take(self) -> bool:
        """Whether one more request may pass; `strikes` counts the refusals in a row."""
        now = time.monotonic()
        self.tokens = min(self.burst, self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens < 1:
            self.strikes += 1
            return False
        self.tokens -= 1
        self.strikes = 0
        return True


def bad_field(field: str) -> RoomError:
    """That part of the data is missing or not what it should be."""
    return RoomError("bad_message", _("“%(field)s” is missing or not usable.") % {"field": field})


def flag(data: dict[str, Any], field: str, default: bool | None = None) -> bool:
    """A boolean; raises RoomError bad_message for anything else, or nothing where there is no default."""
    value = data.get(field, default)
    if not isinstance(value, bool):
        raise bad_field(field)
    return value


def text(data: dict[str, Any], field: str, *, limit: int, default: str | None = None) -> str:
    """A string without NUL (which PostgreSQL refuses). Raises RoomError bad_message or too_large."""
    value = data.get(field, default)
    if not isinstance(value, str) or "\0" in value:
        raise bad_field(field)
    if len(value) > limit:
        raise RoomError(
            "too_large", _("This text is too long: %(limit)d characters are allowed.") % {"limit": limit}
        )
    return value


def number(data: dict[str, Any], field: str) -> int:
    value = data.get(field)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_ID:
        raise bad_field(field)
    return value


def moment(data: dict[str, Any], field: str) -> float | int | None:
    """A finite number that is handed back as it came, such as a browser's clock."""
    value = data.get(field)
    if value is None:
        return None
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or abs(value) > MAX_ID
        or not math.isfinite(value)
    ):
        raise bad_field(field)
    return value


def choice(data: Mapping[str, Any], field: str, choices: tuple[str, ...]) -> str:
    value = data.get(field)
    if not isinstance(value, str) or value not in choices:
        raise bad_field(field)
    return value


def participant_id(data: Mapping[str, Any]) -> str:
    value = data.get("participant")
    if not isinstance(value, str) or not PUBLIC_ID.fullmatch(value):
        raise bad_field("participant")
    return value


def sdp(data: dict[str, Any]) -> str:
    value = data.get("sdp")
    if not isinstance(value, str) or not value.startswith("v=0") or "\0" in value:
        raise RoomError("bad_sdp", _("This is not a session description."))
    if len(value) > MAX_SDP:
        raise RoomError("too_large", _("This session description is too large."))
    return value


def tracks(data: dict[str, Any], sources: tuple[str, ...]) -> list[dict[str, str]]:
    """`[{mid, source}]`, each mid once. Raises RoomError bad_message."""
    value = data.get("tracks")
    if not isinstance(value, list) or len(value) > 16:
        raise bad_field("tracks")
    found: dict[str, str] = {}
    for entry in value:
        if not isinstance(entry, dict):
            raise bad_field("tracks")
        mid, source = entry.get("mid"), entry.get("source")
        if not isinstance(mid, str) or not 1 <= len(mid) <= 32 or mid in found or source not in sources:
            raise bad_field("tracks")
        found[mid] = source
    return [{"mid": mid, "source": source} for mid, source in found.items()]
