"""The WHIP endpoint says no: each status, what it says to do, and that nothing was changed."""

from __future__ import annotations

import datetime as dt
import json
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils import timezone

from media_gateway.models import MediaNode
from meetings.live.models import Participant, Session
from meetings.permissions.actor import Actor
from meetings.scheduling.models import Meeting
from meetings.streams import http
from meetings.streams.keys import MadeKey, revoke_key
from meetings.streams.models import StreamConnection, StreamKey
from tests.meetings.minutes import world
from tests.meetings.streams.conftest import OFFER, RESTART, TRICKLE, Encoder, Workers, key_of

pytestmark = pytest.mark.django_db(transaction=True)


def problem(response: Any, status: int, code: str) -> dict[str, Any]:
    """The problem details (RFC 9457) of a refusal, which every page may read."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    assert response["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in response
    body = json.loads(response.content)
    assert (body["status"], body["code"]) == (status, code)
    assert body["title"] and body["detail"].endswith((".", "?"))
    return body


@pytest.fixture(autouse=True)
def _nothing_happens(request: pytest.FixtureRequest) -> Any:
    """A refused offer leaves no participant in the room and no open connection."""
    yield
    if "running" not in request.fixturenames:
        assert not Participant.objects.filter(state="in", role="stream").exists()
        assert not StreamConnection.objects.filter(ended_at=None).exists()


# -- who ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer nonsense",
        "Basic abc",
        "Bearer a b",
        "Bearer é",
        "Bearer " + "x" * 600,
    ],
)
def test_401_without_a_good_token(encoder: Encoder, workers: Workers, header: str) -> None:
    encoder.headers = {"Authorization": header} if header else {}
    response = encoder.post()
    problem(response, 401, "unauthorized")
    assert response["WWW-Authenticate"].startswith('Bearer realm="plenum"')
    assert ("invalid_token" in response["WWW-Authenticate"]) == bool(header)
    assert workers.calls == [] and not Session.objects.exists()


def test_401_comes_before_anything_is_told_of_the_meeting(encoder: Encoder) -> None:
    encoder.code, encoder.headers = "bcd-fghj-kmn", {}
    problem(encoder.post(), 401, "unauthorized")


def test_401_revoked_and_expired(encoder: Encoder, school: SimpleNamespace, made: MadeKey) -> None:
    revoke_key(made.key, actor=Actor(user=school.mei))
    problem(encoder.post(), 401, "unauthorized")
    late = key_of(school)
    StreamKey.objects.filter(pk=late.key.pk).update(expires_at=timezone.now())
    encoder.headers = {"Authorization": f"Bearer {late.token}"}
    problem(encoder.post(), 401, "unauthorized")


def test_403_key_of_another_meeting_or_to_play(encoder: Encoder, school: SimpleNamespace) -> None:
    other = world.meeting_of(school.mei, starts_at=timezone.now())
    encoder.headers = {"Authorization": f"Bearer {key_of(school, meeting=other).token}"}
    problem(encoder.post(), 403, "forbidden")
    encoder.headers = {"Authorization": f"Bearer {key_of(school, direction='play').token}"}
    assert "Stream in" in problem(encoder.post(), 403, "forbidden")["detail"]


def test_404_no_such_meeting(encoder: Encoder) -> None:
    encoder.code = "bcd-fghj-kmn"
    problem(encoder.post(), 404, "not_found")


# -- what --------------------------------------------------------------------


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_405_on_the_endpoint(encoder: Encoder, method: str) -> None:
    response = getattr(encoder.http, method)(f"/whip/{encoder.code}/", headers=encoder.headers)
    problem(response, 405, "method_not_allowed")
    assert response["Allow"] == "GET, HEAD, OPTIONS, POST"
    assert response["Accept-Post"] == "application/sdp"


@pytest.mark.parametrize("kind", ["text/plain", "application/json", "application/x-www-form-urlencoded"])
def test_415_another_type(encoder: Encoder, kind: str) -> None:
    problem(encoder.post(content_type=kind), 415, "unsupported_media_type")


def test_413_too_long(encoder: Encoder) -> None:
    problem(encoder.post(OFFER + "a=x\r\n" * 20_000), 413, "too_large")
    # One that is just long enough is read.
    problem(encoder.post("x" * http.MAX_BODY), 400, "bad_sdp")


@pytest.mark.parametrize(
    "body",
    [
        "\r\n", "hello", "v=0\r\n", "v=1\r\n" + OFFER[5:], b"v=0\r\n\xff\xfe",
        OFFER.replace("a=rtcp-mux\r\n", ""),
        OFFER.replace("a=ice-ufrag:abcd", "a=ice-ufrag:a d"), OFFER.replace("a=ice-ufrag:abcd\r\n", ""),
        OFFER.replace("SAVPF", "AVP"), OFFER.replace("a=mid:1", "a=mid:0"),
    ],
)  # fmt: skip
def test_400_no_offer(encoder: Encoder, workers: Workers, body: str | bytes) -> None:
    problem(encoder.post(body), 400, "bad_sdp")
    assert workers.calls == []


AUDIO = OFFER[OFFER.index("m=audio") : OFFER.index("m=video")]
VIDEO = OFFER[OFFER.index("m=video") :]


@pytest.mark.parametrize(
    "body",
    [
        OFFER.replace("BUNDLE 0 1", "BUNDLE 0 1 2") + VIDEO.replace("a=mid:1", "a=mid:2"),
        OFFER.replace("BUNDLE 0 1", "BUNDLE 0 1 2") + AUDIO.replace("a=mid:0", "a=mid:2"),
        OFFER.replace("a=sendonly", "a=recvonly"),
        OFFER.replace("a=sendonly", "a=inactive", 1),
        OFFER + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:2\r\n",
    ],
)
def test_422_what_whip_does_not_carry(encoder: Encoder, workers: Workers, body: str) -> None:
    problem(encoder.post(body), 422, "not_acceptable")
    assert workers.calls == []


def test_422_what_the_media_server_cannot_take(encoder: Encoder, workers: Workers) -> None:
    workers.faults["peer.publish"] = "bad_sdp"
    assert "by the test" in problem(encoder.post(), 422, "not_acceptable")["detail"]
    assert workers.ops[-1] == "peer.remove"
    assert Session.objects.get().node == "", "a worker that never took the room does not hold it"


# -- when --------------------------------------------------------------------


def test_409_before_the_doors_open(encoder: Encoder, school: SimpleNamespace, workers: Workers) -> None:
    start = timezone.now() + dt.timedelta(minutes=16)
    Meeting.objects.filter(pk=school.meeting.pk).update(
        starts_at=start, ends_at=start + dt.timedelta(hours=1)
    )
    response = encoder.post()
    told = problem(response, 409, "not_open")["detail"]
    opens = timezone.localtime(start - dt.timedelta(minutes=15), school.meeting.zone)
    assert f"{opens:%H:%M} Europe/Berlin" in told
    assert int(response["Retry-After"]) > 0
    assert workers.calls == [] and not Session.objects.exists()


def test_409_after_the_end_410_cancelled(encoder: Encoder, school: SimpleNamespace) -> None:
    past = timezone.now() - dt.timedelta(hours=2)
    rows = Meeting.objects.filter(pk=school.meeting.pk)
    rows.update(starts_at=past, ends_at=past + dt.timedelta(hours=1))
    problem(encoder.post(), 409, "not_open")
    rows.update(status="cancelled")
    problem(encoder.post(), 410, "cancelled")


def test_the_room_that_runs_late_is_open(encoder: Encoder, school: SimpleNamespace, running: None) -> None:
    past = timezone.now() - dt.timedelta(hours=2)
    Meeting.objects.filter(pk=school.meeting.pk).update(starts_at=past, ends_at=past + dt.timedelta(hours=1))
    assert encoder.post().status_code == 201


@pytest.fixture
def running(school: SimpleNamespace) -> None:
    world.session_of(school.meeting, ended=False)


def test_409_while_another_program_sends(encoder: Encoder, workers: Workers, running: None) -> None:
    assert encoder.post().status_code == 201
    (connection,) = StreamConnection.objects.all()
    for state in ("connected", "new", "connecting"):
        workers.peers = [{"peer": connection.peer, "generation": 1, "publish": {"state": state}}]
        response = encoder.post()
        problem(response, 409, "in_use")
        assert int(response["Retry-After"]) > 0
    connection.refresh_from_db()
    assert connection.ended_at is None
    assert len(workers.asked("peer.publish")) == 1


def test_409_two_at_the_same_moment(encoder: Encoder, workers: Workers, running: None) -> None:
    second: list[Any] = []
    workers.during["peer.publish"] = lambda: second.append(encoder.post())
    assert encoder.post().status_code == 201
    problem(second[0], 409, "in_use")


# -- the worker --------------------------------------------------------------


def test_503_no_media_worker(encoder: Encoder, node: MediaNode) -> None:
    node.delete()
    response = encoder.post()
    problem(response, 503, "unavailable")
    assert int(response["Retry-After"]) > 0


@pytest.mark.parametrize("op", ["peer.add", "peer.publish", "peer.permit"])
@pytest.mark.parametrize("fault", ["unavailable", "timeout", "overloaded", "internal"])
def test_503_the_worker_fails(encoder: Encoder, workers: Workers, op: str, fault: str) -> None:
    workers.faults[op] = fault
    problem(encoder.post(), 503, "unavailable")
    assert workers.ops[-1] == "peer.remove"
    workers.faults.clear()
    response = encoder.post()
    assert response.status_code == 201
    encoder.delete(response["Location"])


def test_503_while_it_is_not_known_whether_another_sends(
    encoder: Encoder, workers: Workers, running: None
) -> None:
    assert encoder.post().status_code == 201
    workers.faults["room.stats"] = "timeout"
    problem(encoder.post(), 503, "unavailable")
    assert StreamConnection.objects.filter(ended_at=None).count() == 1


def test_403_removed_by_a_host(encoder: Encoder, running: None) -> None:
    assert encoder.post().status_code == 201
    connection = StreamConnection.objects.get()
    StreamConnection.objects.update(ended_at=timezone.now())
    Participant.objects.filter(pk=connection.participant_id).update(state="removed")
    problem(encoder.post(), 403, "removed")


# -- how often ---------------------------------------------------------------


def test_429_without_a_key_and_never_with_one(encoder: Encoder, running: None) -> None:
    good = dict(encoder.headers)
    encoder.headers = {"Authorization": "Bearer wrong"}
    for _ in range(http.BAD_TOKENS.limit):
        problem(encoder.post(), 401, "unauthorized")
    response = encoder.post()
    problem(response, 429, "rate_limited")
    assert int(response["Retry-After"]) > 0
    encoder.headers = good
    assert encoder.post().status_code == 201, "others behind the same address are not held up"


def test_429_too_many_offers_of_a_key(encoder: Encoder, workers: Workers) -> None:
    for _ in range(http.OFFERS_BY_KEY.limit):
        problem(encoder.post("x"), 400, "bad_sdp")
    response = encoder.post()
    problem(response, 429, "rate_limited")
    assert response["Retry-After"] == "60" and workers.calls == []


# -- its sessions ------------------------------------------------------------


@pytest.fixture
def url(encoder: Encoder, running: None) -> str:
    return str(encoder.post()["Location"])


def test_sessions_401_403_404(encoder: Encoder, school: SimpleNamespace, url: str, workers: Workers) -> None:
    stranger = Encoder(encoder.code, key_of(school).token)
    nobody = Encoder(encoder.code, "")
    before = len(workers.calls)
    for patch, delete in ((lambda e: e.patch(url, RESTART, If_Match="*"), lambda e: e.delete(url)),):
        problem(patch(nobody), 401, "unauthorized")
        problem(delete(nobody), 401, "unauthorized")
        problem(patch(stranger), 403, "forbidden")
        problem(delete(stranger), 403, "forbidden")
    other = "/whip/resource/" + "0" * 32 + "/"
    problem(encoder.delete(other), 404, "not_found")
    problem(encoder.patch(other, RESTART, If_Match="*"), 404, "not_found")
    assert len(workers.calls) == before
    assert StreamConnection.objects.get().ended_at is None


@pytest.mark.parametrize("method", ["put", "post"])
def test_sessions_405(encoder: Encoder, url: str, method: str) -> None:
    response = getattr(encoder.http, method)(url, headers=encoder.headers)
    problem(response, 405, "method_not_allowed")
    assert response["Allow"] == "DELETE, GET, HEAD, OPTIONS, PATCH"
    assert response["Accept-Patch"] == "application/trickle-ice-sdpfrag"


def test_sessions_428_412_415_400(encoder: Encoder, url: str, workers: Workers) -> None:
    etag = StreamConnection.objects.get().etag
    for body in (TRICKLE, RESTART):
        problem(encoder.patch(url, body), 428, "precondition_required")
        for given in ('"other"', etag, f'W/"{etag}"', '"a", "b"', ""):
            problem(encoder.patch(url, body, If_Match=given), 412, "precondition_failed")
    problem(encoder.patch(url, RESTART, "application/sdp", If_Match="*"), 415, "unsupported_media_type")
    assert "peer.ice" not in workers.ops
    assert StreamConnection.objects.get().etag == etag


@pytest.mark.parametrize(
    "body",
    [
        "\r\n", "hello", "v=0\r\n", "a=mid:0\r\n", "a=ice-ufrag:newOne\r\n",
        "a=ice-pwd:9876543210987654321098\r\n",
        "a=ice-ufrag:a b\r\na=ice-pwd:9876543210987654321098\r\n", RESTART + "a=ice-ufrag:another\r\n",
        TRICKLE + "a=candidate:nonsense\r\n", TRICKLE.replace("typ host", "host"),
        "a=end-of-candidates\r\n" * 500,
    ],
)  # fmt: skip
def test_sessions_400_no_fragment(encoder: Encoder, url: str, workers: Workers, body: str) -> None:
    problem(encoder.patch(url, body, If_Match="*"), 400, "bad_fragment")
    assert "peer.ice" not in workers.ops


def test_sessions_503_and_the_old_ice_session_stays(encoder: Encoder, url: str, workers: Workers) -> None:
    etag = StreamConnection.objects.get().etag
    workers.faults["peer.ice"] = "timeout"
    problem(encoder.patch(url, RESTART, If_Match="*"), 503, "unavailable")
    connection = StreamConnection.objects.get()
    assert (connection.etag, connection.remote_ufrag, connection.ended_at) == (etag, "abcd", None)


def test_sessions_429(encoder: Encoder, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(http.CHANGES.limit):
        assert encoder.patch(url, TRICKLE, If_Match="*").status_code == 204
    problem(encoder.patch(url, TRICKLE, If_Match="*"), 429, "rate_limited")
    problem(encoder.delete(url), 429, "rate_limited")
