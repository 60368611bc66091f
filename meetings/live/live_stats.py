"""What a media worker says of a room (`room.stats`), made into the tables of the administration.

Workers of another version may say more or less: what is missing is shown as nothing, never as an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import pgettext

from meetings.live.models import MediaIncident

MAX_ROWS = 400  # of one table: twenty people who all see each other


@dataclass
class Tables:
    """`people`: one row a connected person; `sent`: one a source; `received`: one a source and receiver."""

    people: list[dict[str, Any]] = field(default_factory=list)
    sent: list[dict[str, Any]] = field(default_factory=list)
    received: list[dict[str, Any]] = field(default_factory=list)
    left_out: int = 0
    recordings: int = 0


def tables(stats: Mapping[str, Any], names: Mapping[str, str]) -> Tables:
    """The tables of one room; `names` by peer id, ids without a name are shown as they are."""
    found = Tables(recordings=len(_mapping(stats.get("recordings"))))
    peers = _list(stats.get("peers"))
    speakers = stats.get("speakers")
    quality = _mapping(stats.get("quality"))
    rates: dict[tuple[str, str, str], Any] = {}
    for peer in peers:
        name = str(peer.get("peer", ""))
        for track in _list(_mapping(peer.get("publish")).get("tracks")):
            found.sent.append(_sent(names.get(name, name), track))
            for layer in _list(track.get("layers")):
                rates[name, str(track.get("source")), str(layer.get("rid"))] = layer.get("bitrate")
    for peer in sorted(peers, key=lambda one: names.get(str(one.get("peer")), "").casefold()):
        name = str(peer.get("peer", ""))
        speaking = isinstance(speakers, list) and name in speakers
        person = _person(names.get(name, name), peer)
        found.people.append({**person, "speaking": speaking, "quality": quality.get(name)})
        for row in _received(names, name, _mapping(peer.get("subscribe")), rates):
            if len(found.received) < MAX_ROWS:
                found.received.append(row)
            else:
                found.left_out += 1
    found.sent.sort(key=lambda row: (row["name"].casefold(), str(row["source"])))
    return found


def _person(name: str, peer: Mapping[str, Any]) -> dict[str, Any]:
    publish, subscribe = _mapping(peer.get("publish")), _mapping(peer.get("subscribe"))
    sending, allocation = _mapping(subscribe.get("sending")), _mapping(subscribe.get("allocation"))
    moves = [one.get("path_changes", 0) for one in (publish, subscribe)]
    return {
        "name": name,
        "publish": _state(publish),
        "subscribe": _state(subscribe),
        "estimate": _kilobits(sending.get("estimate", subscribe.get("remb"))),
        "acknowledged": _kilobits(sending.get("acknowledged")),
        "wanted": _kilobits(allocation.get("wanted")),
        "loss": _percent(sending.get("loss")),
        "round_trip": sending.get("round_trip_ms"),
        "queue": sending.get("queue_ms"),
        "paused": len(_squeezed(subscribe)),
        "moves": sum(move for move in moves if isinstance(move, int)),
    }


def _sent(name: str, track: Mapping[str, Any]) -> dict[str, Any]:
    told = [stream.get("jitter_ms") for stream in _list(track.get("streams"))]
    jitters = [jitter for jitter in told if isinstance(jitter, int | float)]
    return {
        "name": name,
        "source": track.get("source"),
        "what": _what(track.get("source")),
        "codec": _codec(track.get("codec")),
        "layers": [
            {
                "rid": layer.get("rid"),
                "size": f"{layer['width']}×{layer['height']}" if layer.get("width") else "",
                "bitrate": _kilobits(layer.get("bitrate")),
                "active": bool(layer.get("active", True)) and bool(layer.get("flowing", True)),
                "receivers": layer.get("subscribers"),
            }
            for layer in _list(track.get("layers"))
        ],
        "packets": track.get("received", track.get("packets")),
        "lost": track.get("lost"),
        "recovered": track.get("recovered"),
        "jitter": max(jitters, default=None),
        "receivers": track.get("subscribers"),
        "blocked": bool(track.get("blocked")),
    }


def _received(
    names: Mapping[str, str],
    receiver: str,
    subscribe: Mapping[str, Any],
    rates: Mapping[tuple[str, str, str], Any],
) -> Iterator[dict[str, Any]]:
    squeezed = _squeezed(subscribe)
    for track in _list(subscribe.get("tracks")):
        sender, source, layer = (track.get(key) for key in ("peer", "source", "layer"))
        target = track.get("target")
        yield {
            "name": names.get(receiver, receiver),
            "sender": names.get(str(sender), sender),
            "source": source,
            "what": _what(source),
            "layer": layer,
            "target": target if target != layer else None,
            "bitrate": _kilobits(rates.get((str(sender), str(source), str(layer)))),
            "packets": track.get("packets"),
            "resent": track.get("resent"),
            "missed": track.get("missed"),
            "loss": _percent(track.get("fraction_lost")),
            "round_trip": track.get("round_trip_ms"),
            "paused": (sender, source) in squeezed,
            "live": bool(track.get("live", True)),
        }


def _state(connection: Mapping[str, Any]) -> Any:
    """What a transport says of itself, in words."""
    words = {
        "new": pgettext("connection", "not begun"),
        "connecting": pgettext("connection", "connecting"),
        "connected": pgettext("connection", "connected"),
        "disconnected": pgettext("connection", "interrupted"),
        "failed": pgettext("connection", "failed"),
        "closed": pgettext("connection", "closed"),
    }
    state = connection.get("state")
    return words.get(str(state), state)


def _what(source: object) -> Any:
    known = isinstance(source, str) and source in MediaIncident.Source.values
    return str(MediaIncident.Source(str(source)).label) if known else source


def _codec(name: object) -> object:
    return "Opus + RED" if name == "red" else name


def _squeezed(subscribe: Mapping[str, Any]) -> set[tuple[Any, ...]]:
    """(peer, source) of pictures that are shown and have no room on the line."""
    squeezed = _mapping(subscribe.get("allocation")).get("squeezed")
    return {tuple(one) for one in squeezed if isinstance(one, list)} if isinstance(squeezed, list) else set()


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _kilobits(value: object) -> int | None:
    return round(value / 1000) if isinstance(value, int | float) else None


def _percent(value: object) -> float | None:
    return round(100 * value, 1) if isinstance(value, int | float) else None
