"""A stream comes in by HTTP: what the worker is asked, what the room shows, how it restarts and ends."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import hashlib
import hmac
from types import SimpleNamespace
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEntry
from media_gateway.models import MediaNode
from media_gateway.signals import node_down, peer_event
from meetings.live import ending, joining, moderation
from meetings.live.guards import lock_session
from meetings.live.models import Attendance, Participant, Session
from meetings.live.payloads import live_json, participant_json, room_state
from meetings.minutes.facts import attendance_of
from meetings.permissions.actor import SYSTEM, Actor
from meetings.scheduling.models import Meeting
from meetings.streams import http, receivers
from meetings.streams.keys import MadeKey
from meetings.streams.models import StreamConnection, StreamKey
from meetings.streams.tasks import reap_streams
from tests.meetings.minutes import world
from tests.meetings.streams.conftest import OFFER, RESTART, TRICKLE, Encoder, Workers, key_of

pytestmark = pytest.mark.django_db(transaction=True)


def stream() -> Participant:
    return Participant.objects.select_related("session__meeting").get(role="stream")


def connection() -> StreamConnection:
    return StreamConnection.objects.latest("pk")


# -- coming in ---------------------------------------------------------------


def test_the_answer(encoder: Encoder) -> None:
    response = encoder.post()
    assert response.status_code == 201
    assert response["Content-Type"] == "application/sdp"
    assert response["Location"] == f"/whip/resource/{connection().public_id}/"
    assert len(connection().public_id) == 32
    assert response["ETag"] == f'"{connection().etag}"'
    assert response["Access-Control-Allow-Origin"] == "*"
    assert {"Location", "ETag", "Link"} <= set(response["Access-Control-Expose-Headers"].split(", "))
    assert response["Cache-Control"] == "no-store"
    # Encoders that look for the transport inside the m-sections find it there.
    head, *sections = response.content.decode().split("\r\nm=")
    assert "ice-pwd" not in head and "a=ice-options:trickle" in head
    for section in sections:
        for line in (
            "ice-ufrag:srvr",
            "ice-pwd:server",
            "fingerprint:sha-256",
            "setup:passive",
            "rtcp-mux-only",
        ):
            assert section.count(f"a={line}") == 1


def test_it_is_in_the_room_before_it_is_shown(encoder: Encoder, workers: Workers) -> None:
    """The worker takes the offer, then the participant enters, then the worker may show it."""
    states: dict[str, str] = {}
    for op in ("peer.publish", "peer.permit"):
        workers.during[op] = lambda op=op: states.update({op: stream().state})
    assert encoder.post().status_code == 201
    assert states == {"peer.publish": "left", "peer.permit": "in"}
    (peer, add), *_ = workers.asked("peer.add")
    assert (peer, add) == (stream().public_id, {"generation": 1, "name": "Hall camera", "publish": []})
    (_, publish), *_ = workers.asked("peer.publish")
    assert publish["sdp"] == OFFER
    assert publish["tracks"] == [{"mid": "0", "source": "mic"}, {"mid": "1", "source": "camera"}]
    assert workers.asked("peer.permit") == [(peer, {"generation": 1, "publish": ["mic", "camera"]})]


def test_everybody_sees_it_as_a_stream(encoder: Encoder, school: SimpleNamespace) -> None:
    session = world.session_of(school.meeting, ended=False)
    mei = world.came(session, school.mei, role="host", stays=[(0, None)], state="in")
    assert encoder.post().status_code == 201
    (shown,) = [one for one in room_state(mei)["participants"] if one["id"] != mei.public_id]
    joined = shown.pop("joined_at")
    assert joined
    assert shown == {
        "id": stream().public_id, "name": "Hall camera", "kind": "stream", "role": "stream", "guest": False,
        "mic": True, "camera": True, "screen": False, "hand": None, "connected": True,
    }  # fmt: skip
    assert participant_json(mei)["kind"] == "person"
    assert live_json(school.meeting)["count"] == 1, "people are counted, not programs"
    assert AuditEntry.objects.filter(verb="stream.join", actor=None, actor_label="Hall camera").count() == 1


def test_a_screen_key_shares_a_screen(encoder: Encoder, school: SimpleNamespace, workers: Workers) -> None:
    encoder.headers = {"Authorization": f"Bearer {key_of(school, source='screen').token}"}
    assert encoder.post().status_code == 201
    assert (stream().mic, stream().camera, stream().screen) == (False, False, True)
    assert workers.asked("peer.permit")[0][1]["publish"] == ["screen_audio", "screen"]


def test_sound_or_picture_alone(encoder: Encoder, workers: Workers) -> None:
    audio = OFFER[: OFFER.index("m=video")].replace("BUNDLE 0 1", "BUNDLE 0")
    assert encoder.post(audio).status_code == 201
    assert (stream().mic, stream().camera) == (True, False)


def test_it_opens_the_room_from_the_early_hour_on(encoder: Encoder, school: SimpleNamespace) -> None:
    start = timezone.now() + dt.timedelta(minutes=14)
    Meeting.objects.filter(pk=school.meeting.pk).update(
        starts_at=start, ends_at=start + dt.timedelta(hours=1)
    )
    assert encoder.post().status_code == 201
    session = Session.objects.get()
    assert session.opened_at is not None and session.node == "media-1"


def test_the_same_key_is_the_same_participant(encoder: Encoder, workers: Workers, made: MadeKey) -> None:
    for round_ in (1, 2):
        response = encoder.post()
        assert response.status_code == 201
        assert stream().generation == connection().generation == round_
        assert encoder.delete(response["Location"]).status_code == 200
    assert Attendance.objects.filter(left_at=None).count() == 0
    assert Attendance.objects.count() == 2
    made.key.refresh_from_db()
    assert made.key.last_used_at is not None


def test_an_encoder_that_crashed_comes_back(encoder: Encoder, workers: Workers) -> None:
    first = encoder.post()
    peer = connection().peer
    workers.peers = [{"peer": peer, "generation": 1, "publish": {"state": "disconnected"}}]
    assert encoder.post().status_code == 201
    assert list(StreamConnection.objects.order_by("pk").values_list("end_reason", flat=True)) == [
        "replaced",
        "",
    ]
    assert encoder.delete(first["Location"]).status_code == 404
    assert stream().state == "in"


def test_two_keys_are_two_streams(encoder: Encoder, school: SimpleNamespace) -> None:
    assert encoder.post().status_code == 201
    encoder.headers = {"Authorization": f"Bearer {key_of(school, name='Desk').token}"}
    assert encoder.post().status_code == 201
    assert Participant.objects.filter(role="stream", state="in").count() == 2


@pytest.mark.parametrize("path", ["/whip/{}", "/whip/{}/"])
def test_the_last_slash_does_not_matter(encoder: Encoder, path: str) -> None:
    response = encoder.http.post(
        path.format(encoder.code), OFFER, content_type="application/sdp", headers=encoder.headers
    )
    assert response.status_code == 201


def test_no_cookie_no_csrf_token_is_asked_for_or_used(school: SimpleNamespace, encoder: Encoder) -> None:
    """Being signed in as the host is nothing here; the token alone counts."""
    signed_in = Client(enforce_csrf_checks=True)
    signed_in.force_login(school.mei)
    response = signed_in.post(f"/whip/{encoder.code}/", OFFER, content_type="application/sdp")
    assert response.status_code == 401
    assert encoder.post().status_code == 201


# -- HTTP --------------------------------------------------------------------


def test_get_shows_nothing_and_succeeds(encoder: Encoder) -> None:
    url = encoder.post()["Location"]
    for path in (f"/whip/{encoder.code}/", url):
        for method in (encoder.http.get, encoder.http.head):
            response = method(path, headers=encoder.headers)
            assert (response.status_code, response.content) == (204, b"")


def test_options_for_pages(encoder: Encoder) -> None:
    preflight = {"Origin": "https://studio.example", "Access-Control-Request-Method": "POST"}
    response = encoder.http.options(f"/whip/{encoder.code}/", headers=preflight)
    assert response.status_code == 200
    assert response["Accept-Post"] == "application/sdp"
    assert response["Access-Control-Allow-Origin"] == "*"
    assert "POST" in response["Access-Control-Allow-Methods"]
    assert "Authorization" in response["Access-Control-Allow-Headers"]
    assert "Link" not in dict(response.items())
    url = encoder.post()["Location"]
    response = encoder.http.options(url, headers={"Origin": "https://studio.example"})
    assert response.status_code == 200
    assert {"PATCH", "DELETE"} <= set(response["Access-Control-Allow-Methods"].split(", "))
    assert "If-Match" in response["Access-Control-Allow-Headers"]


def test_turn_servers_as_links(encoder: Encoder, settings: Any) -> None:
    settings.TURN_URLS = ["turn:turn.example.org:3478?transport=udp", "stun:stun.example.org"]
    settings.TURN_SECRET = "shared"
    for response in (
        encoder.post(),
        encoder.http.options(f"/whip/{encoder.code}/", headers=encoder.headers),
    ):
        links = [value for name, value in response.items() if name == "Link"]
        assert links[1] == '<stun:stun.example.org>; rel="ice-server"'
        target, *attributes = links[0].split("; ")
        assert target == "<turn:turn.example.org:3478?transport=udp>"
        values = dict(attribute.split("=", 1) for attribute in attributes)
        assert values["rel"] == '"ice-server"'
        name = values["username"].strip('"')
        until, _, who = name.partition(":")
        assert int(until) > timezone.now().timestamp() + 3600 and who
        wanted = base64.b64encode(hmac.new(b"shared", name.encode(), hashlib.sha1).digest()).decode()
        assert values["credential"] == f'"{wanted}"'


# -- ICE ---------------------------------------------------------------------


def test_candidates_are_taken_silently(encoder: Encoder, workers: Workers) -> None:
    created = encoder.post()
    calls = len(workers.calls)
    ending_ = "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=end-of-candidates\r\n"
    strange = TRICKLE + "a=candidate:9 1 sctp 1 host.local 9 typ host\r\n"
    for body in (TRICKLE, ending_, strange):
        for tag in (created["ETag"], "*", f'"x", {created["ETag"]}'):
            response = encoder.patch(created["Location"], body, If_Match=tag)
            assert (response.status_code, response.content) == (204, b"")
            assert "ETag" not in response
    assert len(workers.calls) == calls


@pytest.mark.parametrize("quoted", ["*", '"*"', None])
def test_ice_restart(encoder: Encoder, workers: Workers, quoted: str | None) -> None:
    created = encoder.post()
    response = encoder.patch(created["Location"], RESTART, If_Match=quoted or created["ETag"])
    assert response.status_code == 200
    assert response["Content-Type"] == "application/trickle-ice-sdpfrag"
    lines = response.content.decode().split("\r\n")
    assert lines[:5] == [
        "a=ice-lite", "a=ice-options:trickle ice2", "a=group:BUNDLE 0 1",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111", "a=mid:0",
    ]  # fmt: skip
    assert lines[5:7] == ["a=ice-ufrag:fresh", "a=ice-pwd:freshfreshfreshfreshfresh"]
    assert lines[7].startswith("a=candidate:") and lines[-1] == ""
    assert response["ETag"] not in ("", created["ETag"])
    assert workers.asked("peer.ice") == [(stream().public_id, {"generation": 1, "ufrag": "newOne"})]
    # From now on the old name is outdated, and the new fragment brings candidates only.
    assert encoder.patch(created["Location"], RESTART, If_Match=created["ETag"]).status_code == 412
    assert encoder.patch(created["Location"], RESTART, If_Match=response["ETag"]).status_code == 204
    assert len(workers.asked("peer.ice")) == 1


# -- going -------------------------------------------------------------------


def test_delete_takes_it_out_at_once(encoder: Encoder, workers: Workers) -> None:
    created = encoder.post()
    workers.calls.clear()
    response = encoder.delete(created["Location"], **{"If-Match": '"whatever"'})
    assert (response.status_code, response.content) == (200, b"")
    assert workers.asked("peer.remove") == [(stream().public_id, {})]
    assert (stream().state, connection().end_reason) == ("left", "deleted")
    assert Attendance.objects.get().left_at is not None
    assert AuditEntry.objects.filter(verb="stream.leave").count() == 1
    assert encoder.delete(created["Location"]).status_code == 404
    assert encoder.patch(created["Location"], TRICKLE, If_Match="*").status_code == 404


def tell(event: str, peer: str, generation: int | None = 1, **data: Any) -> None:
    """What a control link does with an event."""

    async def send() -> None:
        room = str((await StreamConnection.objects.select_related("session").alatest("pk")).session.room_id)
        await peer_event.asend_robust(
            sender=MediaNode, event=event, room=room, peer=peer, generation=generation, data=data
        )
        await asyncio.gather(*receivers._background)

    async_to_sync(send)()


@pytest.mark.parametrize(
    ("event", "data"),
    [
        ("peer.gone", {}),
        ("peer.state", {"pc": "publish", "state": "closed"}),
        ("peer.state", {"pc": "publish", "state": "failed"}),
    ],
)
def test_it_goes_with_its_network(encoder: Encoder, event: str, data: dict[str, Any]) -> None:
    encoder.post()
    tell("peer.state", stream().public_id, pc="publish", state="disconnected")
    tell("peer.state", stream().public_id, pc="subscribe", state="closed")
    tell("peer.gone", "s000000000000")
    tell("peer.gone", stream().public_id, generation=0)
    assert stream().state == "in"
    tell(event, stream().public_id, **data)
    assert (stream().state, connection().end_reason) == ("left", "lost")


def test_it_goes_with_its_worker(encoder: Encoder, node: MediaNode) -> None:
    encoder.post()
    node_down.send_robust(sender=MediaNode, node=node, instance="older")
    assert stream().state == "in"
    node_down.send_robust(sender=MediaNode, node=node, instance="i1")
    assert (stream().state, connection().end_reason) == ("left", "worker")
    assert encoder.post().status_code == 201


def test_it_goes_with_the_session(encoder: Encoder, school: SimpleNamespace) -> None:
    url = encoder.post()["Location"]
    ending.end_session(Session.objects.get(), actor=Actor(user=school.mei))
    assert (stream().state, connection().end_reason) == ("left", "session")
    assert encoder.delete(url).status_code == 404


def host_in_room(school: SimpleNamespace) -> Actor:
    session = Session.objects.get()
    mei = world.came(session, school.mei, role="host", stays=[(0, None)], state="in")
    return Actor(user=school.mei, participant=mei)


def test_hosts_mute_and_remove_it(encoder: Encoder, school: SimpleNamespace, workers: Workers) -> None:
    encoder.post()
    host = host_in_room(school)
    moderation.mute_participant(stream().public_id, "mic", actor=host)
    assert workers.asked("peer.pause")[-1] == (stream().public_id, {"sources": ["mic"], "paused": True})
    assert (stream().mic, stream().camera) == (False, True)
    moderation.mute_all(actor=host)
    with pytest.raises(Exception, match="conflict"):
        moderation.promote(stream().public_id, "cohost", actor=host)
    moderation.remove_participant(stream().public_id, actor=host)
    assert (stream().state, connection().end_reason) == ("removed", "removed")
    assert encoder.post().status_code == 403
    assert stream().role == "stream"


def test_mute_all_leaves_streams_alone(encoder: Encoder, school: SimpleNamespace) -> None:
    encoder.post()
    assert moderation.mute_all(actor=host_in_room(school)) == 0
    assert stream().mic


# -- what time does ----------------------------------------------------------


def test_the_reaper_ends_what_nobody_told_of(encoder: Encoder, workers: Workers) -> None:
    def again() -> StreamConnection:
        Participant.objects.update(state="left")
        StreamConnection.objects.filter(ended_at=None).update(ended_at=timezone.now())
        assert encoder.post().status_code == 201
        now = connection()
        workers.peers = [{"peer": now.peer, "generation": now.generation}]
        assert reap_streams() == 0
        return now

    again()
    workers.peers = []
    assert (reap_streams(), connection().end_reason, stream().state) == (1, "lost", "left")
    now = again()
    workers.peers = [{"peer": now.peer, "generation": now.generation - 1}]
    assert (reap_streams(), connection().end_reason) == (1, "lost")
    again()
    Session.objects.update(node_instance="i2")
    assert (reap_streams(), connection().end_reason) == (1, "worker")
    Session.objects.update(node="", node_instance="")
    again()
    StreamKey.objects.update(expires_at=timezone.now())
    assert (reap_streams(), connection().end_reason) == (1, "expired")
    assert stream().state == "left"


def test_the_reaper_believes_nothing_of_a_silent_worker(encoder: Encoder, workers: Workers) -> None:
    encoder.post()
    workers.faults["room.stats"] = "timeout"
    assert reap_streams() == 0
    workers.faults["room.stats"] = "not_found"
    assert reap_streams() == 1


def test_people_who_are_reaped_are_not_streams(encoder: Encoder) -> None:
    encoder.post()
    Participant.objects.update(last_seen_at=timezone.now() - dt.timedelta(hours=1))
    assert not Participant.objects.filter(joining.overdue()).exists()
    assert joining.mark_lost(stream().pk) is False


def test_a_stream_alone_keeps_the_room_open_but_not_for_ever(
    encoder: Encoder, school: SimpleNamespace
) -> None:
    encoder.post()
    session = Session.objects.get()
    hour = dt.timedelta(hours=1)
    long_ago = timezone.now() - 5 * hour
    Session.objects.update(started_at=long_ago, opened_at=long_ago)
    Meeting.objects.update(starts_at=long_ago, ends_at=timezone.now() - 0.9 * hour)
    session = lock_session_of(session)
    assert ending.end_if_deserted(session) is False
    Meeting.objects.update(ends_at=timezone.now() - 1.1 * hour)
    assert ending.end_if_deserted(lock_session_of(session)) is True
    assert connection().end_reason == "session"


def lock_session_of(session: Session) -> Session:
    from django.db import transaction

    with transaction.atomic():
        return lock_session(session.pk)


def test_streams_are_no_attendees(encoder: Encoder, school: SimpleNamespace) -> None:
    encoder.post()
    host_in_room(school)
    session = Session.objects.get()
    ending.end_session(session, actor=SYSTEM)
    session.refresh_from_db()
    assert [attendee.name for attendee in attendance_of(session)] == ["Lin Mei"]


# -- costs -------------------------------------------------------------------


def test_an_offer_costs_the_same_in_a_full_room(
    encoder: Encoder, school: SimpleNamespace, django_assert_max_num_queries: Any
) -> None:
    from django.db import connection as database
    from django.test.utils import CaptureQueriesContext

    def cost() -> int:
        with CaptureQueriesContext(database) as captured:
            response = encoder.post()
        assert response.status_code == 201
        encoder.delete(response["Location"])
        return len(captured)

    cost()
    few = cost()
    session = Session.objects.get()
    for number in range(12):
        world.came(session, f"Guest {number}", role="guest", stays=[(0, None)], state="in")
        key_of(school, name=f"Key {number}")
    assert cost() == few


def test_limits_are_counted_for_each_key(encoder: Encoder, school: SimpleNamespace) -> None:
    for _ in range(http.OFFERS_BY_KEY.limit + 1):
        encoder.post("x")
    other = Encoder(encoder.code, key_of(school).token)
    assert other.post().status_code == 201
