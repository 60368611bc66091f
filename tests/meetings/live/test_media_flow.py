"""Views, reports, restarts and data messages between browser and worker: refusals first, then their way."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from media_gateway import nodes
from meetings.live import media_flow, protocol, rates
from meetings.permissions import capabilities
from meetings.permissions.capabilities import Capability, Role
from tests.meetings.live.conftest import Cast, make_meeting
from tests.meetings.live.tabs import FakeWorker, Refusal, Tab, db
from tests.meetings.live.test_media_forms import IN, OUT

pytestmark = pytest.mark.django_db(transaction=True)


def shown(*people: Tab, **changes: Any) -> list[dict[str, Any]]:
    entry = {"source": "camera", "width": 320, "height": 180, "priority": 0, **changes}
    return [{"participant": person.me, **entry} for person in people]


@pytest.fixture
async def sam(room: dict[str, Tab], worker: FakeWorker) -> Tab:
    """Sam, with media connected in generation 1."""
    await room["Sam"].ask("media.connect")
    return room["Sam"]


# --- refusals -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type", "data"),
    [
        ("media.view", {"generation": 0, "tracks": []}),
        ("media.report", {"generation": 0, "publish": [], "subscribe": []}),
        ("media.restart", {"generation": 0}),
        ("data.send", {"topic": "cursor", "body": 1}),
    ],
)
async def test_outside_of_the_room_nothing_is_passed_on(
    cast: Cast, tab: Any, worker: FakeWorker, type: str, data: dict[str, Any]
) -> None:
    await tab("Helen", join={})
    for one in (await tab("stranger"), await tab("walk-in", join={"name": "Wanda"})):
        with pytest.raises(Refusal, match="not_joined"):
            await one.ask(type, **data)
    assert worker.asked == []


async def test_another_generation_is_stale(sam: Tab, worker: FakeWorker) -> None:
    for generation in (0, 2):
        for type, data in (
            ("media.view", {"tracks": []}),
            ("media.report", {"publish": [], "subscribe": []}),
            ("media.restart", {}),
        ):
            with pytest.raises(Refusal, match="stale_generation"):
                await sam.ask(type, generation=generation, **data)
    assert not [op for op in ("peer.view", "peer.report", "peer.restart") if worker.ops(op)]


async def test_who_is_not_in_this_session_cannot_be_named(
    cast: Cast, room: dict[str, Tab], sam: Tab, tab: Any, worker: FakeWorker
) -> None:
    other = await db(make_meeting, cast.cohost, title="Elsewhere")
    carl = await tab("Carl", join={}, code=other.code)
    for stranger in (carl.me, "p000000000000"):
        with pytest.raises(Refusal, match="not_found"):
            await sam.ask(
                "media.view",
                generation=1,
                tracks=[*shown(room["Helen"]), {**shown(sam)[0], "participant": stranger}],
            )
        with pytest.raises(Refusal, match="not_found"):
            await sam.ask(
                "media.report", generation=1, publish=[], subscribe=[{**IN, "participant": stranger}]
            )
    assert not worker.ops("peer.view") and not worker.ops("peer.report")


async def test_bad_forms_never_reach_the_worker(room: dict[str, Tab], sam: Tab, worker: FakeWorker) -> None:
    for type, data, code in (
        ("media.view", {"tracks": shown(room["Helen"], width=0)}, "bad_message"),
        ("media.view", {"tracks": shown(room["Helen"]) * 201}, "too_large"),
        ("media.report", {"publish": [{**OUT, "packets": -1}], "subscribe": []}, "bad_message"),
        ("data.send", {"topic": "stroke", "body": "x" * 1025}, "too_large"),
        ("data.send", {"topic": "gossip", "body": 1}, "bad_message"),
    ):
        with pytest.raises(Refusal, match=code):
            await sam.ask(type, generation=1, **data)
    assert [request["op"] for request in worker.asked if request["op"] != "peer.add"] == []


async def test_a_data_message_needs_the_right_to_its_topic(
    cast: Cast, room: dict[str, Tab], worker: FakeWorker, tab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrowed = {**capabilities.TABLE, Capability.POINTER_SHOW: frozenset({Role.HOST})}
    monkeypatch.setattr(capabilities, "TABLE", narrowed)
    carl = await tab("Carl", join={})
    with pytest.raises(Refusal) as refusal:
        await carl.ask("data.send", topic="stroke", body=[])
    assert (refusal.value.code, refusal.value.error["rule"]) == ("forbidden", "pointer.show")
    await carl.ask("data.send", topic="reaction", body="👏")
    assert (await room["Helen"].event("data.message"))["body"] == "👏"
    assert not [frame for frame in await room["Helen"].settle() if frame["type"] == "data.message"]


# --- rates ----------------------------------------------------------------------------------------------


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    now = protocol.time.monotonic()
    monkeypatch.setattr(protocol.time, "monotonic", lambda: now)


async def burst(one: Tab, type: str, count: int, data: dict[str, Any]) -> list[str]:
    codes = []
    for _ in range(count):
        try:
            await one.ask(type, **data)
            codes.append("ok")
        except Refusal as refusal:
            codes.append(refusal.code)
    return codes


@pytest.mark.parametrize(
    ("type", "data", "passes"),
    [
        ("media.view", {"generation": 1, "tracks": []}, 8),
        ("media.report", {"generation": 1, "publish": [], "subscribe": []}, 3),
        ("data.send", {"topic": "cursor", "body": [1, 2]}, 120),
    ],
)
async def test_each_kind_has_a_rate_of_its_own_and_leaves_the_ordinary_one_alone(
    room: dict[str, Tab], worker: FakeWorker, frozen: None, type: str, data: dict[str, Any], passes: int
) -> None:
    guest = room["walk-in"]
    await guest.ask("media.connect")
    assert await burst(guest, type, passes + 2, data) == ["ok"] * passes + ["rate_limited"] * 2
    # Nothing of the ordinary budget was used but for the two that were too many.
    assert (await burst(guest, "ping", 3, {})) == ["ok"] * 3


async def test_a_flood_ends_the_connection(room: dict[str, Tab], worker: FakeWorker, frozen: None) -> None:
    sam = room["Sam"]
    codes: list[str] = []
    with pytest.raises(ConnectionResetError) as end:
        for _ in range(300):
            codes += await burst(sam, "data.send", 1, {"topic": "cursor", "body": 0})
    assert end.value.args[0] == 4429 and codes.count("ok") == 120 and len(codes) < 200


async def test_own_rates_are_for_those_in_the_room(cast: Cast, tab: Any, frozen: None) -> None:
    stranger = await tab("stranger")
    codes: list[str] = []
    with pytest.raises(ConnectionResetError):
        for _ in range(100):
            codes += await burst(stranger, "data.send", 1, {"topic": "cursor", "body": 0})
    assert codes[:60] == ["not_joined"] * 60 and set(codes[60:]) <= {"rate_limited"}


async def test_a_whole_room_shares_one_rate_for_data(
    cast: Cast, worker: FakeWorker, tab: Any, settings: Any, frozen: None
) -> None:
    settings.ROOM_DATA_RATE = 5
    helen, carl = await tab("Helen", join={}), await tab("Carl", join={})
    first = await burst(helen, "data.send", 8, {"topic": "cursor", "body": 0})
    second = await burst(carl, "data.send", 4, {"topic": "cursor", "body": 0})
    assert [*first, *second] == ["ok"] * 10 + ["rate_limited"] * 2
    assert (await helen.ask("chat.send", body="still"))["message"]["body"] == "still"


async def test_without_a_media_worker_all_web_processes_share_that_rate(
    cast: Cast, tab: Any, settings: Any, frozen: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ROOM_DATA_RATE = 5  # ten in two seconds
    # As if each connection was in a process of its own.
    monkeypatch.setattr("meetings.live.consumer.room_bucket", lambda room: protocol.TokenBucket(5, 10))
    monkeypatch.setattr(rates.time, "time", lambda: 1000.0)
    helen, carl = await tab("Helen", join={}), await tab("Carl", join={})
    first = await burst(helen, "data.send", 8, {"topic": "cursor", "body": 0})
    second = await burst(carl, "data.send", 4, {"topic": "cursor", "body": 0})
    assert [*first, *second] == ["ok"] * 10 + ["rate_limited"] * 2
    monkeypatch.setattr(rates.time, "time", lambda: 1002.0)
    assert await burst(carl, "data.send", 1, {"topic": "cursor", "body": 0}) == ["ok"]


async def test_what_the_worker_says_is_too_much_for_the_room_is_refused_and_nobody_gets_it(
    room: dict[str, Tab], sam: Tab, worker: FakeWorker
) -> None:
    worker.refuse["room.data"] = "rate_limited"
    with pytest.raises(Refusal, match="rate_limited"):
        await sam.ask("data.send", topic="cursor", body=0)
    assert not [frame for frame in await room["Helen"].settle() if frame["type"] == "data.message"]
    del worker.refuse["room.data"]
    await sam.ask("data.send", topic="cursor", body=1)


def test_a_rooms_bucket_goes_with_its_last_user() -> None:
    bucket = rates.room_bucket("r1")
    assert rates.room_bucket("r1") is bucket
    del bucket
    assert "r1" not in rates._rooms


# --- their way ------------------------------------------------------------------------------------------


async def test_a_view_goes_to_the_worker_with_peers_and_without_oneself(
    room: dict[str, Tab], sam: Tab, worker: FakeWorker
) -> None:
    helen, wanda = room["Helen"], room["walk-in"]
    tracks = shown(helen, wanda, sam) + shown(helen, source="screen", width=1920, height=1080, priority=2)
    assert await sam.ask("media.view", generation=1, tracks=tracks) == {}
    asked = worker.ops("peer.view")[0]
    assert (asked["room"], asked["peer"]) == (sam.state["session"]["id"], sam.me)
    small = {"source": "camera", "width": 320, "height": 180, "priority": 0}
    large = {"source": "screen", "width": 1920, "height": 1080, "priority": 2}
    assert asked["data"] == {
        "generation": 1,
        "tracks": [
            {"peer": helen.me, **small},
            {"peer": wanda.me, **small},
            {"peer": helen.me, **large},
        ],
    }
    # Who has just left may still be shown for a moment.
    await wanda.ask("leave")
    await sam.ask("media.view", generation=1, tracks=tracks)


async def test_a_report_is_passed_on_and_nobody_waits_for_it(
    room: dict[str, Tab], sam: Tab, worker: FakeWorker
) -> None:
    worker.silent = True
    received = {**IN, "participant": room["Helen"].me}
    async with asyncio.timeout(3):
        await sam.ask("media.report", generation=1, publish=[OUT], subscribe=[received])
    asked = await worker.wait_for("peer.report")
    assert asked["reply"] == "" and asked["quiet"] is True
    told = {key: value for key, value in received.items() if key != "participant"}
    assert asked["data"] == {
        "generation": 1,
        "publish": [OUT],
        "subscribe": [{"peer": room["Helen"].me, **told}],
    }


async def test_views_reports_and_data_leave_the_database_alone(
    room: dict[str, Tab], sam: Tab, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the first of each no query is made but for the way to the worker, at most one a second."""
    asked: list[Any] = []
    real = media_flow.in_thread

    async def counted(function: Any, *args: Any, **kwargs: Any) -> Any:
        asked.append(function)
        return await real(function, *args, **kwargs)

    view = {"generation": 1, "tracks": shown(room["Helen"])}
    report = {"generation": 1, "publish": [], "subscribe": [{**IN, "participant": room["Helen"].me}]}
    data = {"topic": "cursor", "body": {"x": 1}}
    requests = (("media.view", view), ("media.report", report), ("data.send", data))
    for type, values in requests:
        await sam.ask(type, **values)
    monkeypatch.setattr(media_flow, "in_thread", counted)
    for type, values in requests:
        await sam.ask(type, **values)
    assert asked == [] and len(worker.ops("peer.view")) == 2


async def test_a_restart_reaches_the_worker(sam: Tab, worker: FakeWorker) -> None:
    assert await sam.ask("media.restart", generation=1) == {}
    asked = worker.ops("peer.restart")[0]
    assert (asked["peer"], asked["data"]) == (sam.me, {"generation": 1})
    worker.refuse["peer.restart"] = "not_found"
    with pytest.raises(Refusal, match="media_unavailable"):
        await sam.ask("media.restart", generation=1)
    assert await sam.event("media.reset") == {"reason": "unknown_peer"}


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ("stale_generation", "stale_generation"),
        ("bad_request", "bad_message"),
        ("internal", "media_unavailable"),
    ],
)
async def test_a_workers_refusal_of_a_view_is_told(
    room: dict[str, Tab], sam: Tab, worker: FakeWorker, told: str, code: str
) -> None:
    worker.refuse["peer.view"] = told
    with pytest.raises(Refusal, match=code):
        await sam.ask("media.view", generation=1, tracks=shown(room["Helen"]))
    assert "media.reset" not in [frame["type"] for frame in await sam.settle()]


async def test_after_a_move_views_go_to_the_new_worker(
    room: dict[str, Tab], sam: Tab, worker: FakeWorker
) -> None:
    await sam.ask("media.view", generation=1, tracks=[])
    other = await FakeWorker("media-b", "i9").start()
    try:
        await db(nodes.mark_down, "media-a", "i1")
        assert await sam.event("media.reset") == {"reason": "node_down"}
        with pytest.raises(Refusal, match="media_unavailable"):
            await sam.ask("media.view", generation=1, tracks=[])
        assert (await sam.ask("media.connect"))["generation"] == 2
        await sam.ask("media.view", generation=2, tracks=[])
        assert [one["data"]["generation"] for one in other.ops("peer.view")] == [2]
    finally:
        await other.stop()


# --- data messages --------------------------------------------------------------------------------------


async def messages(one: Tab) -> list[dict[str, Any]]:
    return [frame["data"] for frame in await one.settle() if frame["type"] == "data.message"]


async def test_data_goes_over_channels_and_by_socket_to_those_who_have_none(
    room: dict[str, Tab], sam: Tab, worker: FakeWorker
) -> None:
    helen, wanda = room["Helen"], room["walk-in"]
    worker.replies["room.data"] = {"missed": [wanda.me]}
    assert await sam.ask("data.send", topic="cursor", body={"x": 0.5}) == {}
    asked = worker.ops("room.data")[0]
    assert asked["data"] == {"from": sam.me, "topic": "cursor", "body": {"x": 0.5}}
    assert await wanda.event("data.message") == {"from": sam.me, "topic": "cursor", "body": {"x": 0.5}}
    assert await messages(helen) == [] and await messages(sam) == []
    worker.replies["room.data"] = {"missed": []}
    await sam.ask("data.send", topic="cursor", body=1)
    for one in (helen, wanda, sam):
        assert await messages(one) == []


async def test_without_a_media_server_everybody_hears_by_socket(cast: Cast, tab: Any) -> None:
    helen, carl = await tab("Helen", join={}), await tab("Carl", join={})
    await helen.ask("data.send", topic="reaction", body="🎉")
    assert await carl.event("data.message") == {"from": helen.me, "topic": "reaction", "body": "🎉"}
    assert await messages(helen) == []


@pytest.mark.parametrize(("told", "heard"), [("not_found", 1), ("bad_request", 1), ("internal", 1)])
async def test_a_worker_that_cannot_pass_it_on_is_stood_in_for(
    room: dict[str, Tab], sam: Tab, worker: FakeWorker, told: str, heard: int
) -> None:
    worker.refuse["room.data"] = told
    await sam.ask("data.send", topic="cursor", body=1)
    assert len(await messages(room["Helen"])) == heard
    assert "media.reset" not in [frame["type"] for frame in await sam.settle()]


async def test_without_an_answer_nobody_gets_it_twice(
    room: dict[str, Tab], sam: Tab, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media_flow, "DATA_SECONDS", 0.1)
    worker.silent = True
    await sam.ask("data.send", topic="cursor", body=1)
    assert await messages(room["Helen"]) == []


async def test_data_stays_in_order_and_holds_up_nothing_else(
    room: dict[str, Tab], sam: Tab, worker: FakeWorker
) -> None:
    worker.replies["room.data"] = {"missed": [room["Helen"].me]}
    for number in range(40):
        sam.last_id += 1
        frame = {"id": sam.last_id, "type": "data.send", "data": {"topic": "stroke", "body": number}}
        await sam.socket.send_to(text_data=json.dumps(frame))
    await sam.ask("ping", t=1)
    heard = [(await room["Helen"].event("data.message"))["body"] for _ in range(40)]
    assert heard == list(range(40))


# --- events ---------------------------------------------------------------------------------------------


async def test_the_workers_events_are_told_in_the_words_of_the_room(
    room: dict[str, Tab], sam: Tab, worker: FakeWorker
) -> None:
    helen, room_id = room["Helen"], sam.state["session"]["id"]
    await worker.emit("layers", room_id, sam.me, source="camera", active={"q": True, "h": False})
    await worker.emit("layers", room_id, sam.me, generation=0, source="camera", active={"q": False})
    trouble = {"source": "mic", "hop": "downlink", "state": "silent", "action": "resubscribe"}
    await worker.emit("trouble", room_id, sam.me, peer_=helen.me, subscriber=sam.me, **trouble)
    await worker.emit(
        "paused", room_id, sam.me, tracks=[{"peer": helen.me, "source": "camera", "reason": "bandwidth"}]
    )
    await worker.emit("quality", room_id, peers={sam.me: 5, helen.me: 2})
    assert await sam.event("media.layers") == {
        "generation": 1,
        "source": "camera",
        "active": {"q": True, "h": False},
    }
    assert await sam.event("media.trouble") == {"participant": helen.me, **trouble}
    paused = {"participant": helen.me, "source": "camera", "reason": "bandwidth"}
    assert await sam.event("media.paused") == {"generation": 1, "tracks": [paused]}
    for one in (sam, helen):
        assert await one.event("media.quality") == {"participants": {sam.me: 5, helen.me: 2}}
    assert await helen.settle() == [] and await sam.settle() == []


async def test_what_came_over_a_channel_reaches_those_without_one(
    room: dict[str, Tab], sam: Tab, worker: FakeWorker
) -> None:
    helen, wanda = room["Helen"], room["walk-in"]
    await worker.emit_for_room(
        "data", sam.state["session"]["id"], sam.me, topic="stroke", body=[1], missed=[wanda.me, sam.me]
    )
    assert await wanda.event("data.message") == {"from": sam.me, "topic": "stroke", "body": [1]}
    assert await messages(helen) == [] and await messages(sam) == []
