"""Real media by WHIP: aiortc sends through HTTP and the media server; a participant decodes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.test import AsyncClient

from meetings.permissions.actor import Actor
from meetings.streams.keys import make_key
from meetings.streams.models import StreamConnection
from tests.media_gateway.sfu.aiortc_peers import AiortcPeer, Colour, Tone, is_colour, pitch_of
from tests.meetings.live.conftest import Cast, _no_idle_connections, _own_channel_layer, cast  # noqa: F401
from tests.meetings.live.real_media import LiveTab, Worker, until
from tests.meetings.live.test_whole_path import gateway  # noqa: F401

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(90)]
GREEN = (40, 180, 40)


class WhipClient:
    """An encoder: aiortc and nothing but HTTP."""

    def __init__(self, code: str, token: str) -> None:
        self.http = AsyncClient()
        self.path = f"/whip/{code}/"
        self.headers = {"Authorization": f"Bearer {token}"}
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.url = ""

    async def publish(self, audio: Any, video: Any) -> Any:
        self.pc.addTransceiver(audio, direction="sendonly")
        self.pc.addTransceiver(video, direction="sendonly")
        await self.pc.setLocalDescription(await self.pc.createOffer())
        # As under a real server: a thread of its own for this request, not the one consumers share.
        async with ThreadSensitiveContext():
            response = await self.http.post(
                self.path, self.pc.localDescription.sdp, content_type="application/sdp", headers=self.headers
            )
        if response.status_code == 201:
            self.url = response["Location"]
            answer = RTCSessionDescription(response.content.decode(), "answer")
            await self.pc.setRemoteDescription(answer)
        return response

    async def delete(self) -> int:
        async with ThreadSensitiveContext():
            response = await self.http.delete(self.url, headers=self.headers)
        return int(response.status_code)


@pytest_asyncio.fixture
async def viewer(cast: Cast, gateway: Worker) -> AsyncIterator[LiveTab]:  # noqa: F811
    tab = LiveTab(cast.meeting.code, cast.cookies["Helen"])
    await tab.open()
    await tab.join()
    tab.begin()
    yield tab
    await tab.leave()


@pytest_asyncio.fixture
async def encoder(cast: Cast) -> AsyncIterator[WhipClient]:  # noqa: F811
    values = {"name": "Lecture hall", "direction": "publish", "lifetime": "week"}
    made = await sync_to_async(make_key)(cast.meeting, actor=Actor(user=cast.host), **values)
    client = WhipClient(cast.meeting.code, made.token)
    yield client
    await client.pc.close()


async def test_seen_and_heard_then_deleted(viewer: LiveTab, encoder: WhipClient, gateway: Worker) -> None:  # noqa: F811
    peer = AiortcPeer(viewer, viewer.me)
    try:
        await peer.join()
        response = await encoder.publish(Tone(660), Colour(GREEN))
        assert response.status_code == 201, response.content
        (joined,) = await until(lambda: viewer.seen("participant.joined"), "the stream joined")
        stream = joined["participant"]
        assert (stream["name"], stream["kind"], stream["camera"]) == ("Lecture hall", "stream", True)
        video, audio = f"{stream['id']} camera", f"{stream['id']} mic"
        await until(lambda: peer.frames.get(video), "a picture")
        assert is_colour(peer.frames[video][-1], GREEN)
        await until(lambda: len(peer.frames.get(audio, [])) > 40, "sound")
        assert abs(pitch_of(peer.frames[audio][-20:]) - 660) < 30
        await until(
            lambda: any(stream["id"] in one["participants"] for one in viewer.seen("speaker.changed")),
            "its sound makes it the speaker",
        )
        assert gateway.gateway.load()["peers"] == 2

        assert await encoder.delete() == 200
        (left,) = await until(lambda: viewer.seen("participant.left"), "the stream left")
        assert left == {"id": stream["id"], "reason": "left"}
        await until(lambda: gateway.gateway.load()["peers"] == 1, "the worker let go of it")
    finally:
        await peer.close()


async def test_an_encoder_that_closes_without_delete_is_gone_at_once(
    viewer: LiveTab,
    encoder: WhipClient,
    gateway: Worker,  # noqa: F811
) -> None:
    assert (await encoder.publish(Tone(440), Colour(GREEN))).status_code == 201
    await until(lambda: encoder.pc.connectionState == "connected", "connected")
    await encoder.pc.close()
    (left,) = await until(lambda: viewer.seen("participant.left"), "the DTLS goodbye was heard")
    assert left["reason"] == "lost"
    assert await encoder.delete() == 404


async def test_the_key_is_taken_while_it_sends_and_free_when_it_fell_silent(
    viewer: LiveTab,
    encoder: WhipClient,
    gateway: Worker,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from media_gateway.sfu import transport

    assert (await encoder.publish(Tone(440), Colour(GREEN))).status_code == 201
    await until(lambda: encoder.pc.connectionState == "connected", "connected")
    second = WhipClient("", "")
    second.path, second.headers = encoder.path, encoder.headers
    try:
        response = await second.publish(Tone(440), Colour(GREEN))
        assert response.status_code == 409
        monkeypatch.setattr(transport, "DISCONNECTED_AFTER", -1.0)
        for transceiver in encoder.pc.getTransceivers():
            await transceiver.sender.stop()
        rows = StreamConnection.objects.filter(ended_at=None)
        room = str((await rows.select_related("session").aget()).session.room_id)

        async def silent() -> bool:
            stats = await gateway.gateway.handle("room.stats", room, None, {})
            return any((p["publish"] or {}).get("state") == "disconnected" for p in stats["peers"])

        async with asyncio.timeout(10):
            while not await silent():
                await asyncio.sleep(0.05)
        third = WhipClient("", "")
        third.path, third.headers = encoder.path, encoder.headers
        try:
            assert (await third.publish(Tone(440), Colour(GREEN))).status_code == 201
        finally:
            await third.pc.close()
    finally:
        await second.pc.close()


async def test_the_same_key_is_seen_again_after_a_delete(
    viewer: LiveTab,
    encoder: WhipClient,
    gateway: Worker,  # noqa: F811
) -> None:
    peer = AiortcPeer(viewer, viewer.me)
    again = WhipClient("", "")
    again.path, again.headers = encoder.path, encoder.headers
    try:
        await peer.join()
        assert (await encoder.publish(Tone(660), Colour(GREEN))).status_code == 201
        (joined,) = await until(lambda: viewer.seen("participant.joined"), "the stream joined")
        video = f"{joined['participant']['id']} camera"
        await until(lambda: peer.frames.get(video), "a picture")
        assert await encoder.delete() == 200
        await until(lambda: viewer.seen("participant.left"), "the stream left")
        for frames in peer.frames.values():
            frames.clear()
        assert (await again.publish(Tone(660), Colour((200, 30, 30)))).status_code == 201
        red = (200, 30, 30)
        await until(lambda: peer.frames[video] and is_colour(peer.frames[video][-1], red), "a picture again")
    finally:
        await again.pc.close()
        await peer.close()
