"""A room's statistics as tables, whatever a worker tells or leaves out."""

from __future__ import annotations

from typing import Any

import pytest

from meetings.live import live_stats
from meetings.live.live_stats import tables

NAMES = {"pa": "Ann", "pb": "ben"}


def stats() -> dict[str, Any]:
    layers = [
        {"rid": "q", "active": True, "flowing": True, "width": 320, "height": 180, "bitrate": 150_400,
         "subscribers": 1},
        {"rid": "f", "active": False, "flowing": False, "width": 0, "height": 0, "bitrate": 0,
         "subscribers": 0},
    ]  # fmt: skip
    camera = {
        "mid": "1", "received": 900, "lost": 4, "recovered": 3, "source": "camera",
        "streams": [{"rid": "q", "jitter_ms": 1.5}, {"rid": "h", "jitter_ms": 2.5}, {"rid": "f"}],
        "codec": "VP8", "packets": 890, "blocked": False, "subscribers": 1, "layers": layers,
    }  # fmt: skip
    down = {
        "peer": "pa", "source": "camera", "live": True, "layer": "q", "target": "f", "packets": 700,
        "resent": 2, "missed": 1, "fraction_lost": 0.125, "round_trip_ms": 40.2,
    }  # fmt: skip
    sending = {
        "estimate": 2_400_000,
        "acknowledged": 900_400,
        "loss": 0.02,
        "round_trip_ms": 41,
        "queue_ms": 7,
    }
    return {
        "room": "r1",
        "speakers": ["pa"],
        "quality": {"pa": 4, "pz": 1},
        "recordings": {"1": {}},
        "peers": [
            {
                "peer": "pb",
                "publish": None,
                "subscribe": {
                    "state": "connected",
                    "path_changes": 2,
                    "sending": sending,
                    "allocation": {"wanted": 1_200_000, "squeezed": [["pa", "screen"], ["px", "camera"]]},
                    "tracks": [
                        down,
                        {**down, "source": "screen", "live": False, "layer": None, "target": None},
                    ],
                },
            },
            {
                "peer": "pa",
                "publish": {"state": "connected", "path_changes": 1, "tracks": [camera]},
                "subscribe": {"state": "connecting", "path_changes": 0, "tracks": []},
            },
        ],
    }


def test_people_sources_and_receivers_each_have_a_table() -> None:
    found = tables(stats(), NAMES)
    ann, ben = found.people
    assert (ann["name"], ann["publish"], ann["subscribe"], ann["quality"], ann["moves"]) == (
        "Ann", "connected", "connecting", 4, 1,
    )  # fmt: skip
    assert ann["speaking"] and not ben["speaking"]
    assert ben == {
        "name": "ben", "speaking": False, "publish": None, "subscribe": "connected", "quality": None,
        "estimate": 2400, "acknowledged": 900, "wanted": 1200, "loss": 2.0, "round_trip": 41, "queue": 7,
        "paused": 2, "moves": 2,
    }  # fmt: skip
    (sent,) = found.sent
    assert (sent["name"], sent["packets"], sent["lost"], sent["recovered"]) == ("Ann", 900, 4, 3)
    assert (sent["what"], sent["codec"], sent["jitter"]) == ("Camera", "VP8", 2.5)
    assert [(one["rid"], one["size"], one["bitrate"], one["active"]) for one in sent["layers"]] == [
        ("q", "320×180", 150, True),
        ("f", "", 0, False),
    ]
    camera, screen = found.received
    assert (camera["name"], camera["sender"], camera["layer"], camera["target"]) == ("ben", "Ann", "q", "f")
    assert (camera["bitrate"], camera["loss"], camera["round_trip"], camera["paused"]) == (
        150,
        12.5,
        40.2,
        False,
    )
    assert (screen["live"], screen["paused"], screen["target"]) == (False, True, None)
    assert found.recordings == 1 and found.left_out == 0


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"peers": None, "recordings": 7, "speakers": "pa"},
        {"peers": [None, 3, {}]},
        {"peers": [{"peer": "pa", "publish": [], "subscribe": "x"}]},
        {
            "peers": [
                {"peer": "pa", "publish": {"tracks": [{}]}, "subscribe": {"tracks": [{}], "allocation": []}}
            ]
        },
        {"peers": [{"peer": "pa", "publish": {"tracks": [{"layers": [{}, None]}]}, "subscribe": None}]},
        {
            "peers": [
                {"peer": "pz", "subscribe": {"allocation": {"squeezed": [1, ["a"]]}, "path_changes": None}}
            ]
        },
    ],
    ids=range(7),
)
def test_what_a_worker_leaves_out_is_no_fault(told: dict[str, Any]) -> None:
    found = tables(told, NAMES)
    assert len(found.people) <= 2 and found.left_out == 0


def test_a_large_room_is_cut_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_stats, "MAX_ROWS", 5)
    track = {"peer": "pa", "source": "mic", "layer": ""}
    peers = [{"peer": f"p{number}", "subscribe": {"tracks": [track] * 3}} for number in range(4)]
    found = tables({"peers": peers}, {})
    assert (len(found.received), found.left_out, len(found.people)) == (5, 7, 4)


def test_what_a_newer_worker_calls_something_is_shown_as_it_is() -> None:
    told = {"peers": [{"peer": "pa", "publish": {"state": "resting", "tracks": [{"source": "whiteboard"}]}}]}
    found = tables(told, NAMES)
    assert found.people[0]["publish"] == "resting" and found.sent[0]["what"] == "whiteboard"
