"""Joining and connecting the media in one step (docs/protocol.md 1.5)."""

from __future__ import annotations

from typing import Any

import pytest

from meetings.live import media_handlers
from meetings.live.models import Session
from tests.meetings.live.conftest import Cast
from tests.meetings.live.tabs import FakeWorker, Refusal, Tab, db

pytestmark = pytest.mark.django_db(transaction=True)

SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\n"


async def test_joining_brings_the_media_along(cast: Cast, tab: Any, worker: FakeWorker) -> None:
    helen = await tab("Helen")
    reply = await helen.join(mic=False, media=True)
    offer = {"version": 1, "sdp": "v=0\r\noffer"}
    assert reply["media"] == {"generation": 1, "ice_servers": [], "subscribe": offer}
    assert [person["id"] for person in reply["state"]["participants"]] == [helen.me]
    (added,) = worker.ops("peer.add")
    assert added["peer"] == helen.me and added["data"]["pause"] == ["mic", "screen", "screen_audio"]
    assert (await db(Session.objects.get)).node == "media-a"
    assert (await helen.ask("media.connect"))["generation"] == 2


async def test_media_is_left_alone_where_it_is_not_asked_for(
    cast: Cast, tab: Any, worker: FakeWorker
) -> None:
    assert "media" not in await (await tab("Helen")).join()
    assert worker.asked == []
    with pytest.raises(Refusal, match="bad_message"):
        await (await tab("Carl")).join(media=1)


@pytest.mark.parametrize("trouble", ["none", "refuses", "full"])
async def test_who_cannot_be_served_comes_in_all_the_same(
    cast: Cast, tab: Any, trouble: str, request: pytest.FixtureRequest
) -> None:
    if trouble != "none":
        worker = await FakeWorker().start()
        worker.refuse["peer.add"] = "overloaded" if trouble == "full" else "internal"
    helen = await tab("Helen")
    reply = await helen.join(media=True)
    assert reply["status"] == "in" and reply["media"] is None
    session = await db(Session.objects.get)
    assert session.node == "", "the next try chooses again"
    with pytest.raises(Refusal, match="media_unavailable"):
        await helen.ask("media.connect")
    assert (await helen.ask("chat.send", body="here"))["message"]["body"] == "here"
    if trouble != "none":
        await worker.stop()


async def test_who_has_to_wait_gets_no_media(cast: Cast, tab: Any, worker: FakeWorker) -> None:
    await tab("Helen", join={})
    reply = await (await tab("walk-in")).join(name="Wanda", media=True)
    assert reply["status"] == "lobby" and "media" not in reply
    assert worker.asked == []


async def test_others_hear_of_it_and_oneself_does_not(cast: Cast, tab: Any, worker: FakeWorker) -> None:
    helen = await tab("Helen", join={"media": True})
    door = await tab("walk-in")
    carl = await tab("Carl", join={"media": True})
    joined = await helen.event("participant.joined")
    assert joined["participant"]["id"] == carl.me
    assert (await door.event("live"))["count"] == 2
    for person in (helen, carl):
        own = [
            frame for frame in await person.settle()
            if frame["type"] == "participant.joined" and frame["data"]["participant"]["id"] == person.me
        ]  # fmt: skip
        assert own == []


async def test_an_answer_asks_no_database_and_not_for_somebody_else(
    cast: Cast, room: dict[str, Tab], worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    sam = room["Sam"]
    await sam.ask("media.connect")
    asked: list[Any] = []
    real = media_handlers.in_thread

    async def counted(function: Any, *args: Any, **kwargs: Any) -> Any:
        asked.append(function)
        return await real(function, *args, **kwargs)

    monkeypatch.setattr(media_handlers, "in_thread", counted)
    await sam.ask("media.answer", generation=1, version=1, sdp=SDP)
    assert asked == []
    (answered,) = worker.ops("peer.answer")
    assert answered["peer"] == sam.me
    for generation in (0, 2):
        with pytest.raises(Refusal, match="stale_generation"):
            await sam.ask("media.answer", generation=generation, version=1, sdp=SDP)
    # Another route is looked for when this one led nowhere.
    worker.refuse["peer.answer"] = "not_found"
    with pytest.raises(Refusal, match="media_unavailable"):
        await sam.ask("media.answer", generation=1, version=1, sdp=SDP)
    assert await sam.event("media.reset") == {"reason": "unknown_peer"}
    worker.refuse.clear()
    asked.clear()
    await sam.ask("media.answer", generation=1, version=1, sdp=SDP)
    assert len(asked) == 1
    await room["Helen"].ask("participant.remove", participant=sam.me)
    assert await sam.close_code() == 4403
