"""Playing a meeting elsewhere: refusals first, then answer, restart and end; the page behind its link."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from meetings.live import ending
from meetings.live.models import Participant, Session
from meetings.permissions.actor import Actor
from meetings.scheduling.models import Meeting
from meetings.streams import http, playing
from meetings.streams.keys import MadeKey, revoke_key
from meetings.streams.models import StreamConnection, StreamKey
from meetings.streams.tasks import reap_streams
from meetings.streams.tokens import link_token, player_link
from tests.meetings.minutes import world
from tests.meetings.streams.conftest import OFFER, RESTART, TRICKLE, Encoder, Workers, key_of
from tests.meetings.streams.test_whip_refusals import problem

pytestmark = pytest.mark.django_db(transaction=True)
WANTS = OFFER.replace("a=sendonly", "a=recvonly")


class Screen(Encoder):
    """A WHEP client."""

    def post(self, body: str | bytes = WANTS, content_type: str = "application/sdp", **headers: str) -> Any:
        return self.http.post(
            f"/whep/{self.code}/", body, content_type=content_type, headers={**self.headers, **headers}
        )


@pytest.fixture
def key(school: SimpleNamespace) -> MadeKey:
    return key_of(school, name="Foyer", direction="play")


@pytest.fixture
def screen(school: SimpleNamespace, key: MadeKey, workers: Workers, node: Any) -> Screen:
    world.session_of(school.meeting, ended=False)
    return Screen(school.meeting.code, key.token)


def test_refusals(
    screen: Screen, school: SimpleNamespace, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem(Screen(screen.code, "").post(), 401, "unauthorized")
    told = problem(Screen(screen.code, key_of(school).token).post(), 403, "forbidden")
    assert "Play out" in told["detail"]
    problem(Screen("bcd-fghj-kmn", screen.headers["Authorization"][7:]).post(), 404, "not_found")
    problem(screen.post("hello"), 400, "bad_sdp")
    problem(screen.post(WANTS, "text/plain"), 415, "unsupported_media_type")
    problem(screen.post(OFFER), 422, "not_acceptable")
    problem(screen.post(WANTS + "m=application 9 UDP/DTLS/SCTP x\r\na=mid:2\r\n"), 422, "not_acceptable")
    problem(screen.http.put(f"/whep/{screen.code}/", headers=screen.headers), 405, "method_not_allowed")
    assert workers.calls == []
    for fault, status, code in (("bad_sdp", 422, "not_acceptable"), ("timeout", 503, "unavailable")):
        workers.faults["peer.play"] = fault
        problem(screen.post(), status, code)
        assert workers.ops[-1] == "peer.remove"
    workers.faults.clear()
    assert not StreamConnection.objects.filter(ended_at=None).exists()
    monkeypatch.setattr(playing, "MAX_PLAYERS", 1)
    assert screen.post().status_code == 201
    problem(screen.post(), 429, "rate_limited")
    Meeting.objects.update(status="cancelled")
    problem(screen.post(), 410, "cancelled")


def test_nobody_there_is_worth_another_try(screen: Screen, workers: Workers) -> None:
    Session.objects.update(ended_at=timezone.now())
    response = screen.post()
    problem(response, 409, "not_open")
    assert int(response["Retry-After"]) > 0
    assert workers.calls == [] and Session.objects.count() == 1, "a player opens no room"


def test_the_answer_restart_and_end(screen: Screen, key: MadeKey, workers: Workers) -> None:
    created = screen.post()
    assert created.status_code == 201
    connection = StreamConnection.objects.get()
    assert created["Location"] == f"/whep/resource/{connection.public_id}/"
    assert created["ETag"] == f'"{connection.etag}"'
    assert [op for op in workers.ops if op.startswith("peer.")] == ["peer.add", "peer.play"]
    assert workers.asked("peer.add")[0] == (
        connection.peer,
        {"generation": 1, "name": "Foyer", "publish": []},
    )
    assert workers.asked("peer.play")[0][1]["sdp"] == WANTS
    assert not Participant.objects.exists(), "who plays is not in the room"
    assert screen.patch(created["Location"], TRICKLE, If_Match=created["ETag"]).status_code == 204
    restarted = screen.patch(created["Location"], RESTART, If_Match="*")
    assert restarted.status_code == 200 and b"a=ice-ufrag:fresh" in restarted.content
    assert screen.delete(created["Location"]).status_code == 200
    assert workers.asked("peer.remove") == [(connection.peer, {})]
    assert screen.delete(created["Location"]).status_code == 404
    key.key.refresh_from_db()
    assert key.key.last_used_at is not None


def test_many_screens_play_by_one_key_and_end_with_it(
    screen: Screen, school: SimpleNamespace, key: MadeKey, workers: Workers
) -> None:
    for _ in range(3):
        assert screen.post().status_code == 201
    rows = StreamConnection.objects.filter(ended_at=None)
    workers.peers = [{"peer": row.peer, "generation": 1} for row in rows[1:]]
    assert reap_streams() == 1
    revoke_key(key.key, actor=Actor(user=school.mei))
    assert not rows.exists()
    assert len(workers.asked("peer.remove")) == 3


def test_they_end_with_the_session(screen: Screen, school: SimpleNamespace) -> None:
    screen.post()
    ending.end_session(Session.objects.get(), actor=Actor(user=school.mei))
    assert StreamConnection.objects.get().end_reason == "session"


# -- the page ----------------------------------------------------------------


def test_the_page_opens_by_its_link_alone(screen: Screen, key: MadeKey, school: SimpleNamespace) -> None:
    path = player_link(key.key).partition("//")[2].partition("/")[2]
    response = Client().get("/" + path)
    assert response.status_code == 200
    page = response.content.decode()
    (config,) = re.findall(r'<script id="play-config"[^>]*>(.*?)</script>', page)
    told = json.loads(config)
    assert told == {"url": f"/whep/{school.meeting.code}/", "token": link_token(key.key)}
    assert key.token not in page
    assert Screen(screen.code, told["token"]).post().status_code == 201


def test_a_link_that_is_not_good_shows_nothing(key: MadeKey, school: SimpleNamespace) -> None:
    url = reverse("meetings:player", args=[school.meeting.code])
    other = reverse("meetings:player", args=["bcd-fghj-kmn"])
    good = link_token(key.key)
    publish = key_of(school)
    for path, token in (
        (url, ""),
        (url, "x"),
        (url, good[:-1]),
        (other, good),
        (url, link_token(publish.key)),
        (url, publish.token),
    ):
        response = Client().get(path, {"key": token})
        assert response.status_code == 403
        assert "play-config" not in response.content.decode()
    StreamKey.objects.update(expires_at=timezone.now())
    assert Client().get(url, {"key": good}).status_code == 403
    for _ in range(http.BAD_TOKENS.limit):
        Client().get(url, {"key": "x"})
    assert Client().get(url, {"key": "x"}).status_code == 429


def test_hosts_copy_the_link_from_the_list(key: MadeKey, school: SimpleNamespace) -> None:
    url = reverse("meetings:streams", args=[school.meeting.pk])
    page = world.browser(school.mei).get(url).content.decode()
    assert f'data-copy="{player_link(key.key)}"' in page
    form = {"direction": "play", "play-name": "Second hall", "play-lifetime": "meeting"}
    response = world.browser(school.mei).post(url, form)
    assert response.status_code == 201
    made = StreamKey.objects.get(name="Second hall")
    assert made.direction == "play" and player_link(made) in response.content.decode()
    assert re.search(r"plenum_out_[\w-]+", response.content.decode())
