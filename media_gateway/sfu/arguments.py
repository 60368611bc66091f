"""Reading what comes with an operation: checked values out, GatewayError `bad_request` for anything else."""

from typing import Any

from .codecs import SOURCES
from .data import TOPICS
from .errors import GatewayError


def integer(data: dict[str, Any], name: str) -> int:
    value = data.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise GatewayError("bad_request", f"{name} must be a whole number")
    return value


def sources(data: dict[str, Any], name: str) -> frozenset[str]:
    value = data.get(name)
    if not isinstance(value, list) or any(not isinstance(s, str) or s not in SOURCES for s in value):
        raise GatewayError("bad_request", f"{name} must be a list of {', '.join(SOURCES)}")
    return frozenset(value)


def tracks(data: dict[str, Any]) -> dict[str, str]:
    """mid -> source."""
    tracks = data.get("tracks")
    if not isinstance(tracks, list) or len(tracks) > len(SOURCES):
        raise GatewayError("bad_request", f"tracks must be a list of at most {len(SOURCES)}")
    sources: dict[str, str] = {}
    for track in tracks:
        mid = track.get("mid") if isinstance(track, dict) else None
        source = track.get("source") if isinstance(track, dict) else None
        if not isinstance(mid, str) or not isinstance(source, str) or source not in SOURCES:
            raise GatewayError("bad_request", "a track needs a mid and a known source")
        if mid in sources or source in sources.values():
            raise GatewayError("bad_request", f"{mid!r:.40} or {source} is there twice")
        sources[mid] = source
    return sources


def recording(data: dict[str, Any]) -> str:
    value = data.get("recording")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not 0 < len(value) <= 128:
        raise GatewayError("bad_request", "bad recording id")
    return value


def topics(data: dict[str, Any]) -> frozenset[str]:
    """What a peer may say by the data channel; nothing unless told."""
    value = data.get("topics", [])
    if not isinstance(value, list) or any(not isinstance(t, str) or t not in TOPICS for t in value):
        raise GatewayError("bad_request", f"topics must be a list of {', '.join(sorted(TOPICS))}")
    return frozenset(value)


def message(data: dict[str, Any]) -> tuple[str, str, Any]:
    """(sender, topic, body) of what is said in place of a data channel."""
    sender, topic = data.get("from"), data.get("topic")
    if not isinstance(sender, str) or not isinstance(topic, str) or topic not in TOPICS:
        raise GatewayError("bad_request", "a message needs a sender and a known topic")
    return sender, topic, data.get("body")


def relay(data: dict[str, Any]) -> str:
    """The name of the other worker."""
    value = data.get("relay")
    if not isinstance(value, str) or not 0 < len(value) <= 80:
        raise GatewayError("bad_request", "relay must be the name of a worker")
    return value


MAX_TRACKS = 200
MAX_PIXELS = 16384


def view(data: dict[str, Any]) -> dict[tuple[str, str], tuple[int, int, int]]:
    """What a peer shows: (peer, source) -> (width, height, priority)."""
    tracks = data.get("tracks")
    if not isinstance(tracks, list) or len(tracks) > MAX_TRACKS:
        raise GatewayError("bad_request", f"tracks must be a list of at most {MAX_TRACKS}")
    shown: dict[tuple[str, str], tuple[int, int, int]] = {}
    for track in tracks:
        if not isinstance(track, dict):
            raise GatewayError("bad_request", "a track must be an object")
        peer, source = track.get("peer"), track.get("source")
        if not isinstance(peer, str) or not isinstance(source, str) or source not in SOURCES:
            raise GatewayError("bad_request", "a track needs a peer and a known source")
        width, height, priority = (integer(track, name) for name in ("width", "height", "priority"))
        if width > MAX_PIXELS or height > MAX_PIXELS or priority > 2:
            raise GatewayError("bad_request", "a track's size or priority is out of range")
        shown[peer, source] = (width, height, priority)
    return shown


OUT_COUNTS = ("packets", "bytes", "frames", "width", "height")
IN_COUNTS = ("packets", "bytes", "frames", "freezes", "freeze_ms", "width", "height", "samples", "concealed")


def report(data: dict[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What a browser measured (docs/protocol.md section 1.9): (of what it sends, of what it receives)."""
    publish, subscribe = data.get("publish"), data.get("subscribe")
    if not isinstance(publish, list) or not isinstance(subscribe, list):
        raise GatewayError("bad_request", "publish and subscribe must be lists")
    if len(publish) > MAX_TRACKS or len(subscribe) > MAX_TRACKS:
        raise GatewayError("bad_request", "too many entries")
    return (
        [_stat(entry, OUT_COUNTS) for entry in publish],
        [_stat(entry, (*IN_COUNTS, "jitter_ms"), peer=True) for entry in subscribe],
    )


def _stat(entry: object, counts: tuple[str, ...], *, peer: bool = False) -> dict[str, Any]:
    if not isinstance(entry, dict) or entry.get("source") not in tuple(SOURCES):
        raise GatewayError("bad_request", "an entry needs a known source")
    if peer and not isinstance(entry.get("peer"), str):
        raise GatewayError("bad_request", "an entry needs a peer")
    for name in counts:
        value = entry.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**63:
            raise GatewayError("bad_request", f"{name} must be a number")
    return entry
