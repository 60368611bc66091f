"""Views, reports and data messages: what is not of their form is refused, and nothing else goes through."""

from __future__ import annotations

from typing import Any

import pytest

from meetings.live import media_forms
from meetings.live.errors import RoomError

P1, P2 = "p00000000000a", "p00000000000b"
SHOWN = {"participant": P1, "source": "camera", "width": 640, "height": 360, "priority": 0}
OUT = {
    "source": "camera", "rid": "q", "packets": 1, "bytes": 2, "frames": 3, "width": 320, "height": 180,
    "limited": "none", "round_trip_ms": 12.5,
}  # fmt: skip
IN = {
    "participant": P1, "source": "camera", "packets": 1, "lost": 0, "bytes": 2, "frames": 3, "freezes": 0,
    "freeze_ms": 0, "width": 320, "height": 180, "samples": 0, "concealed": 0, "jitter_ms": 1.5,
}  # fmt: skip


def refused(check: Any, data: dict[str, Any]) -> str:
    with pytest.raises(RoomError) as error:
        check(data)
    return error.value.code


@pytest.mark.parametrize(
    "change",
    [
        {"participant": "p1"},
        {"participant": None},
        {"participant": "P00000000000A"},
        {"participant": P1 + "\n"},
        {"source": "mic"},
        {"source": ["camera"]},
        {"width": 0},
        {"width": 16_385},
        {"width": True},
        {"width": 640.0},
        {"width": "640"},
        {"height": -1},
        {"height": None},
        {"priority": 3},
        {"priority": -1},
        {"priority": None},
    ],
    ids=str,
)
def test_a_view_with_one_bad_value_is_no_view(change: dict[str, Any]) -> None:
    assert (
        refused(media_forms.view, {"tracks": [SHOWN, {**SHOWN, "participant": P2, **change}]})
        == "bad_message"
    )


@pytest.mark.parametrize("tracks", [None, {}, "x", [1], [None], [[]], [SHOWN, SHOWN], [{}]])
def test_what_is_no_list_of_tracks_is_no_view(tracks: Any) -> None:
    assert refused(media_forms.view, {"tracks": tracks}) == "bad_message"


def many(entry: dict[str, Any], count: int) -> list[dict[str, Any]]:
    return [{**entry, "participant": f"p{number:012x}"} for number in range(count)]


def test_more_than_two_hundred_tracks_are_too_many() -> None:
    assert len(media_forms.view({"tracks": many(SHOWN, 200)})) == 200
    assert refused(media_forms.view, {"tracks": many(SHOWN, 201)}) == "too_large"
    assert refused(media_forms.report, {"publish": [], "subscribe": many(IN, 201)}) == "too_large"
    assert refused(media_forms.report, {"publish": [OUT] * 17, "subscribe": []}) == "too_large"


def test_streams_are_shown_like_people() -> None:
    stream = {**SHOWN, "participant": "s00000000000c"}
    assert media_forms.view({"tracks": [SHOWN, stream]})[1]["peer"] == "s00000000000c"


def test_a_view_speaks_of_peers_and_carries_nothing_else() -> None:
    read = media_forms.view({"tracks": [{**SHOWN, "note": "x" * 100}], "more": 1})
    assert read == [{"peer": P1, "source": "camera", "width": 640, "height": 360, "priority": 0}]
    assert media_forms.view({"tracks": []}) == []


@pytest.mark.parametrize(
    "change",
    [
        {"source": "soul"},
        {"rid": ""},
        {"rid": "x" * 17},
        {"rid": "a b"},
        {"rid": 1},
        {"packets": -1},
        {"packets": 2**53},
        {"packets": 1.5},
        {"bytes": True},
        {"frames": None},
        {"width": 16_385},
        {"limited": "mood"},
        {"round_trip_ms": -1},
        {"round_trip_ms": "1"},
        {"round_trip_ms": 1e10},
    ],
    ids=str,
)
def test_a_bad_account_of_what_was_sent_is_refused(change: dict[str, Any]) -> None:
    assert refused(media_forms.report, {"publish": [{**OUT, **change}], "subscribe": []}) == "bad_message"


@pytest.mark.parametrize(
    "change",
    [
        {"participant": ""},
        {"source": ""},
        {"packets": -1},
        {"lost": 0.5},
        {"lost": None},
        {"freezes": -1},
        {"freeze_ms": -0.1},
        {"freeze_ms": True},
        {"jitter_ms": None},
        {"samples": "0"},
        {"concealed": 2**60},
        {"height": -1},
    ],
    ids=str,
)
def test_a_bad_account_of_what_was_received_is_refused(change: dict[str, Any]) -> None:
    assert refused(media_forms.report, {"publish": [], "subscribe": [{**IN, **change}]}) == "bad_message"


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"publish": []},
        {"subscribe": []},
        {"publish": {}, "subscribe": []},
        {"publish": [OUT, OUT], "subscribe": []},
        {"publish": [], "subscribe": [IN, IN]},
    ],
    ids=range(6),
)
def test_a_report_needs_both_lists_and_each_track_once(data: dict[str, Any]) -> None:
    assert refused(media_forms.report, data) == "bad_message"


def test_a_report_is_passed_on_as_it_is_with_peers() -> None:
    other = {**OUT, "rid": None, "round_trip_ms": None, "extra": 1}
    read = media_forms.report({"publish": [OUT, other], "subscribe": [{**IN, "lost": -3}]})
    assert read["publish"] == [OUT, {**OUT, "rid": None, "round_trip_ms": None}]
    (received,) = read["subscribe"]
    assert received.pop("peer") == P1
    assert received == {key: value for key, value in {**IN, "lost": -3}.items() if key != "participant"}


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({}, "bad_message"),
        ({"topic": "cursor"}, "bad_message"),
        ({"topic": "chat", "body": 1}, "bad_message"),
        ({"topic": None, "body": 1}, "bad_message"),
        ({"topic": "cursor", "body": "a\0b"}, "bad_message"),
        ({"topic": "cursor", "body": {"a\0": 1}}, "bad_message"),
        ({"topic": "cursor", "body": 10**30}, "bad_message"),
        ({"topic": "cursor", "body": nested(9)}, "bad_message"),
        ({"topic": "stroke", "body": "x" * 1024}, "too_large"),
        ({"topic": "stroke", "body": "会" * 340}, "too_large"),
    ],
    ids=range(10),
)
def test_what_is_no_data_message_is_refused(data: dict[str, Any], code: str) -> None:
    assert refused(media_forms.message, data) == code


def test_the_limit_of_a_data_message_counts_the_bytes_of_its_json() -> None:
    room = 1024 - len('{"topic":"stroke","body":""}')
    assert media_forms.message({"topic": "stroke", "body": "x" * room, "to": "all"})["body"] == "x" * room
    assert refused(media_forms.message, {"topic": "stroke", "body": "x" * (room + 1)}) == "too_large"
    for body in (None, True, 1.5, nested(8), {"x": 1, "points": [[1, 2], [3, 4]]}):
        assert media_forms.message({"topic": "cursor", "body": body}) == {"topic": "cursor", "body": body}
