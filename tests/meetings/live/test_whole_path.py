"""Two aiortc peers through the room protocol, the control link and the real media server, in one process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from meetings.live import live_stats
from tests.media_gateway.sfu.aiortc_peers import AiortcPeer
from tests.meetings.live.conftest import Cast
from tests.meetings.live.real_media import LiveTab, Worker, open_tabs, publish_both, until
from tests.meetings.live.test_media_forms import IN, OUT

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(90)]


@pytest_asyncio.fixture
async def gateway(cast: Cast) -> AsyncIterator[Worker]:
    worker = await Worker().start()
    yield worker
    await worker.stop()


@pytest_asyncio.fixture
async def pair(cast: Cast, gateway: Worker) -> AsyncIterator[tuple[LiveTab, LiveTab]]:
    """Helen and Carl in the room, their tabs reading."""
    tabs = await open_tabs(cast, "Helen", "Carl")
    yield tabs[0], tabs[1]
    for tab in tabs:
        await tab.leave()


async def test_each_sees_and_hears_the_other_and_mute_is_silence(
    pair: tuple[LiveTab, LiveTab], gateway: Worker
) -> None:
    helen, carl = pair
    first, second = AiortcPeer(helen, helen.me), AiortcPeer(carl, carl.me)
    try:
        await asyncio.gather(first.join(), second.join())
        await publish_both(first, second)
        states = {(state["pc"], state["state"]) for state in carl.seen("media.state")}
        assert ("publish", "connected") in states and ("subscribe", "connected") in states
        await until(
            lambda: any(carl.me in one["participants"] for one in helen.seen("speaker.changed")), "speaker"
        )

        # What the administration shows of it is there.
        shown = live_stats.tables(
            await gateway.gateway.handle("room.stats", helen.state["session"]["id"], None, {}),
            {helen.me: "Helen", carl.me: "Carl"},
        )
        assert [row["name"] for row in shown.people] == ["Carl", "Helen"]
        assert {(row["name"], row["source"]) for row in shown.sent} == {
            (name, source) for name in ("Carl", "Helen") for source in ("camera", "mic")
        }
        assert all(row["packets"] > 0 for row in (*shown.sent, *shown.received))
        assert len(shown.received) == 4 and all(row["live"] and not row["paused"] for row in shown.received)
        assert all(row["estimate"] and row["quality"] in range(1, 6) for row in shown.people)
        pictures = [row for row in shown.sent if row["source"] == "camera"]
        assert all(row["layers"][0]["size"] and row["layers"][0]["bitrate"] > 0 for row in pictures)

        # What nobody shows is not sent, and comes back when it is shown; a report is taken.
        mine = {"source": "camera", "width": 320, "height": 180, "priority": 0}
        await helen.ask("media.view", generation=1, tracks=[])
        await asyncio.sleep(0.5)
        seen = len(first.frames[f"{carl.me} camera"])
        await asyncio.sleep(0.7)
        assert len(first.frames[f"{carl.me} camera"]) - seen <= 2
        await helen.ask("media.view", generation=1, tracks=[{"participant": carl.me, **mine}])
        await until(lambda: len(first.frames[f"{carl.me} camera"]) > seen + 5, "the picture again")
        received = {**IN, "participant": carl.me}
        await helen.ask("media.report", generation=1, publish=[OUT], subscribe=[received])

        # Neither has a data channel: what one says goes by the socket.
        await helen.ask("data.send", topic="reaction", body="👏")
        said = await until(lambda: carl.seen("data.message"), "a reaction")
        assert said == [{"from": helen.me, "topic": "reaction", "body": "👏"}] and not helen.seen(
            "data.message"
        )

        # Muted by the host: nothing of the microphone arrives, whatever the browser sends; the picture goes
        # on.
        await helen.ask("participant.mute", participant=carl.me, source="mic")
        await until(lambda: carl.seen("you.muted"), "told")
        await asyncio.sleep(0.5)
        heard, seen = len(first.frames[f"{carl.me} mic"]), len(first.frames[f"{carl.me} camera"])
        await asyncio.sleep(0.7)
        assert len(first.frames[f"{carl.me} mic"]) - heard <= 2
        assert len(first.frames[f"{carl.me} camera"]) > seen + 2
        await carl.ask("me.update", mic=True)
        before = len(first.frames[f"{carl.me} mic"])
        await until(lambda: len(first.frames[f"{carl.me} mic"]) > before + 20, "sound again")

        # Removed: the media goes with the person.
        assert len(gateway.gateway.load()) and gateway.gateway.load()["peers"] == 2
        await helen.ask("participant.remove", participant=carl.me)
        await until(lambda: gateway.gateway.load()["peers"] == 1, "peer removed")
        await helen.ask("session.end")
        await until(lambda: gateway.gateway.rooms() == [], "room closed")
    finally:
        await first.close()
        await second.close()


async def test_bad_descriptions_are_refused_and_the_room_goes_on(pair: tuple[LiveTab, LiveTab]) -> None:
    helen, _carl = pair
    reply = await helen.ask("media.connect")
    for sdp in ("v=0\r\n", "v=0\r\nm=audio", "v=0\r\n" + "a=x\r\n" * 5000, "v=0\r\n\u0007\u2028"):
        helen.last_id += 1
        helen.waiting[helen.last_id] = future = asyncio.get_running_loop().create_future()
        data = {"generation": reply["generation"], "sdp": sdp, "tracks": [{"mid": "0", "source": "mic"}]}
        frame = {"id": helen.last_id, "type": "media.publish", "data": data}
        await helen.socket.send_to(text_data=json.dumps(frame))
        answer = await asyncio.wait_for(future, 10)
        assert answer["error"]["code"] == "bad_sdp", (sdp[:40], answer)
    assert (await helen.ask("ping", t=1))["t"] == 1
