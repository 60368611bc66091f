"""Between browser and media worker: who may send what, which generation, and what happens when a worker
goes.
"""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import hashlib
import hmac
from typing import Any

import pytest
from django.utils import timezone

from media_gateway import client, nodes
from media_gateway.models import MediaNode
from meetings.live.models import Participant, Session
from meetings.live.signals import media_placed
from meetings.live.tasks import reap_participants
from tests.meetings.live.conftest import Cast
from tests.meetings.live.tabs import FakeWorker, Refusal, Tab, db, node_row

pytestmark = pytest.mark.django_db(transaction=True)

SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\n"


async def test_without_a_worker_media_is_unavailable_and_the_room_goes_on(cast: Cast, tab: Any) -> None:
    helen = await tab("Helen", join={})
    with pytest.raises(Refusal, match="media_unavailable"):
        await helen.ask("media.connect")
    assert (await helen.ask("chat.send", body="still here"))["message"]["body"] == "still here"
    assert (await db(Session.objects.get)).node == ""


async def test_connecting_places_the_room_and_adds_the_peer(cast: Cast, tab: Any, worker: FakeWorker) -> None:
    helen = await tab("Helen", join={"mic": False})
    reply = await helen.ask("media.connect")
    assert reply == {"generation": 1, "ice_servers": [], "subscribe": {"version": 1, "sdp": "v=0\r\noffer"}}
    session = await db(Session.objects.get)
    assert (session.node, session.node_instance) == ("media-a", "i1")
    added = worker.ops("peer.add")[0]
    assert (added["room"], added["peer"]) == (str(session.room_id), helen.me)
    publish = ["mic", "camera", "screen", "screen_audio"]
    topics = ["cursor", "stroke", "reaction"]
    # What is off stays off, whatever the browser sends.
    off = {"pause": ["mic", "screen", "screen_audio"]}
    assert added["data"] == {"generation": 1, "name": "Helen", "publish": publish, "topics": topics, **off}
    assert (await helen.ask("media.connect"))["generation"] == 2


async def test_an_old_generation_is_refused_before_the_worker_hears_of_it(
    cast: Cast, room: dict[str, Tab], worker: FakeWorker
) -> None:
    sam = room["Sam"]
    for generation in (0, 1, 5):
        with pytest.raises(Refusal, match="stale_generation"):
            await sam.ask(
                "media.publish", generation=generation + 1, sdp=SDP, tracks=[{"mid": "0", "source": "mic"}]
            )
    await sam.ask("media.connect")
    await sam.ask("media.connect")
    with pytest.raises(Refusal, match="stale_generation"):
        await sam.ask("media.answer", generation=1, version=1, sdp=SDP)
    assert not worker.ops("peer.publish") and not worker.ops("peer.answer")
    tracks = [{"mid": "0", "source": "mic"}, {"mid": "1", "source": "camera"}]
    reply = await sam.ask("media.publish", generation=2, sdp=SDP, tracks=tracks)
    assert reply == {"generation": 2, "sdp": "v=0\r\nanswer"}
    assert worker.ops("peer.publish")[0]["data"] == {"generation": 2, "sdp": SDP, "tracks": tracks}
    assert await sam.ask("media.answer", generation=2, version=3, sdp=SDP) == {}
    assert worker.ops("peer.answer")[0]["data"] == {"generation": 2, "version": 3, "sdp": SDP}


@pytest.mark.parametrize(
    ("sdp", "code"),
    [
        ("", "bad_sdp"),
        ("hello", "bad_sdp"),
        ("v=0\0", "bad_sdp"),
        (7, "bad_sdp"),
        ("v=0" + "x" * 60_000, "too_large"),
    ],
)
async def test_what_is_no_description_never_reaches_the_worker(
    cast: Cast, room: dict[str, Tab], worker: FakeWorker, sdp: Any, code: str
) -> None:
    await room["Sam"].ask("media.connect")
    with pytest.raises(Refusal, match=code):
        await room["Sam"].ask("media.publish", generation=1, sdp=sdp, tracks=[])
    assert not worker.ops("peer.publish")


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ("bad_sdp", "bad_sdp"),
        ("bad_request", "bad_message"),
        ("stale_generation", "stale_generation"),
        ("forbidden", "forbidden"),
        ("overloaded", "media_unavailable"),
        ("internal", "media_unavailable"),
    ],
)
async def test_a_workers_refusal_is_told_in_the_room_protocols_words(
    cast: Cast, room: dict[str, Tab], worker: FakeWorker, told: str, code: str
) -> None:
    await room["Sam"].ask("media.connect")
    worker.refuse["peer.publish"] = told
    with pytest.raises(Refusal, match=code):
        await room["Sam"].ask("media.publish", generation=1, sdp=SDP, tracks=[])
    assert (await room["Sam"].ask("ping", t=1))["t"] == 1


async def test_a_peer_the_worker_does_not_know_begins_anew(
    cast: Cast, room: dict[str, Tab], worker: FakeWorker
) -> None:
    await room["Sam"].ask("media.connect")
    worker.refuse["peer.answer"] = "not_found"
    with pytest.raises(Refusal, match="media_unavailable"):
        await room["Sam"].ask("media.answer", generation=1, version=1, sdp=SDP)
    assert await room["Sam"].event("media.reset") == {"reason": "unknown_peer"}


async def test_a_room_that_was_not_taken_is_placed_again(cast: Cast, tab: Any, worker: FakeWorker) -> None:
    helen = await tab("Helen", join={})
    worker.refuse["peer.add"] = "overloaded"
    with pytest.raises(Refusal, match="media_unavailable"):
        await helen.ask("media.connect")
    assert (await db(Session.objects.get)).node == ""
    worker.refuse.clear()
    placed: list[Any] = []

    def listen(session: Session, **kwargs: Any) -> None:
        placed.append(session.node)

    media_placed.connect(listen)
    try:
        assert (await helen.ask("media.connect"))["generation"] == 2
        await helen.ask("media.connect")
    finally:
        media_placed.disconnect(listen)
    assert placed == ["media-a"]


async def test_a_full_room_and_a_full_server_are_told_apart(
    cast: Cast, room: dict[str, Tab], worker: FakeWorker
) -> None:
    worker.refuse["peer.add"] = "overloaded"
    with pytest.raises(Refusal) as refusal:
        await room["Helen"].ask("media.connect")
    assert refusal.value.error["message"] == "The media server is full; try again in a minute."
    worker.refuse.clear()
    await room["Helen"].ask("media.connect")
    worker.refuse["peer.add"] = "overloaded"
    with pytest.raises(Refusal) as refusal:
        await room["Sam"].ask("media.connect")
    assert refusal.value.code == "media_unavailable" and "chat works" in refusal.value.error["message"]
    assert (await db(Session.objects.get)).node == "media-a"


async def test_a_slow_worker_does_not_hold_up_the_chat(
    cast: Cast, room: dict[str, Tab], worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.silent = True
    sam = room["Sam"]
    sam.last_id += 1
    slow_id = sam.last_id
    await sam.socket.send_to(text_data=f'{{"id": {slow_id}, "type": "media.connect", "data": {{}}}}')
    async with asyncio.timeout(2):
        assert (await sam.ask("ping", t=3))["t"] == 3
        await room["Helen"].ask("chat.send", body="hello")
        assert (await sam.event("chat.message"))["message"]["body"] == "hello"


async def test_requests_to_a_worker_end_after_their_time(cast: Cast, worker: FakeWorker) -> None:
    worker.silent = True
    with pytest.raises(client.GatewayError, match="timeout"):
        await client.request("media-a", "room.stats", room="r", timeout=0.1)
    worker.silent = False
    assert await client.request("media-a", "room.stats", room="r") == {}
    with pytest.raises(client.GatewayError, match="unavailable"):
        await client.request("nobody", "room.stats", room="r")


async def test_requests_from_views_and_jobs_work_beside_a_running_loop(
    cast: Cast, worker: FakeWorker
) -> None:
    assert await db(client.sync_request, "media-a", "room.stats", room="r") == {}
    replies = await asyncio.gather(
        *(client.request("media-a", "peer.add", room="r", peer=f"p{index}") for index in range(30))
    )
    assert len(replies) == 30


async def test_turn_credentials_are_those_of_coturns_rest_scheme(
    cast: Cast, tab: Any, worker: FakeWorker, settings: Any
) -> None:
    settings.TURN_URLS, settings.TURN_SECRET = ["turn:turn.example.org:3478"], "shared"
    helen = await tab("Helen", join={})
    server = (await helen.ask("media.connect"))["ice_servers"][0]
    expires, peer = server["username"].split(":")
    assert peer == helen.me and int(expires) > timezone.now().timestamp() + 3600
    digest = hmac.new(b"shared", server["username"].encode(), hashlib.sha1).digest()
    assert server["credential"] == base64.b64encode(digest).decode()
    assert server["urls"] == ["turn:turn.example.org:3478"]


# --- events of the worker -------------------------------------------------------------------------------


async def test_events_reach_the_right_browser_in_its_generation(
    cast: Cast, room: dict[str, Tab], worker: FakeWorker
) -> None:
    sam, helen = room["Sam"], room["Helen"]
    await sam.ask("media.connect")
    room_id = sam.state["session"]["id"]
    await worker.emit("subscribe.offer", room_id, sam.me, generation=0, version=1, sdp="old")
    await worker.emit("subscribe.offer", room_id, sam.me, generation=1, version=2, sdp="new")
    await worker.emit("peer.state", room_id, sam.me, generation=1, pc="publish", state="connected")
    await worker.emit("speaker", room_id, peers=[sam.me, helen.me])
    await worker.emit("track.added", room_id, sam.me, source="mic", kind="audio", codec="opus")
    assert await sam.event("media.offer") == {"generation": 1, "version": 2, "sdp": "new"}
    assert await sam.event("media.state") == {"generation": 1, "pc": "publish", "state": "connected"}
    for one in (sam, helen):
        assert await one.event("speaker.changed") == {"participants": [sam.me, helen.me]}
    assert await helen.settle() == []


async def test_an_older_offer_told_again_is_left_out(
    cast: Cast, room: dict[str, Tab], worker: FakeWorker
) -> None:
    sam = room["Sam"]
    await sam.ask("media.connect")
    for version in (2, 3, 2, 3, 4):
        await worker.emit("subscribe.offer", sam.state["session"]["id"], sam.me, version=version, sdp="x")
    assert [(await sam.event("media.offer"))["version"] for _ in range(4)] == [2, 3, 3, 4]
    await sam.ask("media.connect")
    await worker.emit("subscribe.offer", sam.state["session"]["id"], sam.me, generation=2, version=1, sdp="x")
    assert await sam.event("media.offer") == {"generation": 2, "version": 1, "sdp": "x"}


async def test_a_peer_without_consent_and_one_out_of_step_begin_anew(
    cast: Cast, room: dict[str, Tab], worker: FakeWorker
) -> None:
    sam = room["Sam"]
    await sam.ask("media.connect")
    await worker.emit("peer.gone", sam.state["session"]["id"], sam.me, generation=1)
    assert await sam.event("media.reset") == {"reason": "no_consent"}
    await worker.emit("request.failed", sam.state["session"]["id"], sam.me, op="peer.pause", code="internal")
    assert await sam.event("media.reset") == {"reason": "out_of_step"}


# --- workers that come and go ---------------------------------------------------------------------------


async def test_when_the_worker_dies_everyone_connects_anew_elsewhere(
    cast: Cast, room: dict[str, Tab], worker: FakeWorker
) -> None:
    await room["Sam"].ask("media.connect")
    await db(nodes.mark_down, "media-a", "i1")
    for one in room.values():
        assert await one.event("media.reset") == {"reason": "node_down"}
    assert (await db(Session.objects.get)).node == ""
    with pytest.raises(Refusal, match="media_unavailable"):
        await room["Sam"].ask("media.connect")
    other = await FakeWorker("media-b", "i9").start()
    try:
        assert (await room["Sam"].ask("media.connect"))["generation"] == 2
        assert (await db(Session.objects.get)).node == "media-b"
        assert other.ops("peer.add")[0]["peer"] == room["Sam"].me
    finally:
        await other.stop()


async def test_a_new_instance_under_the_same_name_means_the_old_one_died(
    cast: Cast, room: dict[str, Tab], worker: FakeWorker
) -> None:
    await room["Sam"].ask("media.connect")
    again = await FakeWorker("media-a", "i2").start()
    try:
        assert await room["Helen"].event("media.reset") == {"reason": "node_down"}
        await room["Sam"].ask("media.connect")
        session = await db(Session.objects.get)
        assert (session.node, session.node_instance) == ("media-a", "i2")
    finally:
        await again.stop()


async def test_the_same_instance_dialling_again_resets_nothing_and_hears_what_it_missed(
    cast: Cast, room: dict[str, Tab], worker: FakeWorker
) -> None:
    sam, wanda = room["Sam"], room["walk-in"]
    await sam.ask("media.connect")
    await wanda.ask("media.connect")
    await db(nodes.unlink, "media-a", worker.channel)
    with pytest.raises(Refusal, match="media_unavailable"):
        await sam.ask("media.connect")
    await room["Helen"].ask("participant.mute", participant=sam.me, source="mic")
    await wanda.ask("leave")
    again = await FakeWorker("media-a", "i1").start()
    try:
        removed = await again.wait_for("peer.remove")
        assert removed["peer"] == wanda.me
        paused = [
            one["data"] for one in again.ops("peer.pause") if one["peer"] == sam.me and one["data"]["paused"]
        ]
        assert "mic" in paused[0]["sources"]
        heard = [frame["type"] for frame in await room["Helen"].settle()]
        assert "media.reset" not in heard
        assert (await db(Session.objects.get)).node == "media-a"
    finally:
        await again.stop()


async def test_a_silent_worker_is_found_by_the_reaper_and_by_the_next_who_connects(
    cast: Cast, room: dict[str, Tab], worker: FakeWorker
) -> None:
    await room["Sam"].ask("media.connect")
    old = timezone.now() - dt.timedelta(seconds=9)
    await db(MediaNode.objects.filter(name="media-a").update, heartbeat_at=old)
    other = await FakeWorker("media-b", "i9").start()
    try:
        await room["Sam"].ask("media.connect")
        assert (await db(Session.objects.get)).node == "media-b"
        # The others are told; the one who moved the room is not sent round again.
        assert await room["Helen"].event("media.reset") == {"reason": "moved"}
        assert "media.reset" not in [frame["type"] for frame in await room["Sam"].settle()]
        assert (await db(reap_participants))["nodes"] == 1
        assert (await db(node_row, "media-a")).state == "down"
        assert (await db(Session.objects.get)).node == "media-b"
    finally:
        await other.stop()


async def test_who_sends_without_the_right_is_refused_by_role(
    cast: Cast, room: dict[str, Tab], worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    from meetings.permissions import capabilities
    from meetings.permissions.capabilities import Capability, Role

    sam = room["Sam"]
    await sam.ask("me.update", screen=False)
    narrowed = {**capabilities.TABLE, Capability.MEDIA_SCREEN: frozenset({Role.HOST})}
    for module in ("meetings.live.media", "meetings.permissions.decide", "meetings.permissions.capabilities"):
        monkeypatch.setattr(f"{module}.TABLE", narrowed)
    await sam.ask("media.connect")
    assert worker.ops("peer.add")[-1]["data"]["publish"] == ["mic", "camera"]
    with pytest.raises(Refusal) as refusal:
        await sam.ask("media.publish", generation=1, sdp=SDP, tracks=[{"mid": "0", "source": "screen"}])
    assert (refusal.value.code, refusal.value.error["rule"]) == ("forbidden", "media.screen")
    with pytest.raises(Refusal, match="forbidden"):
        await sam.ask("me.update", screen=True)
    assert not worker.ops("peer.publish")
    assert (await db(Participant.objects.get, public_id=sam.me)).screen is False
