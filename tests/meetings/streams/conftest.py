"""A meeting that begins soon, its people, keys, and media workers that answer as they are told."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone, translation

from media_gateway import client as gateway_client
from media_gateway.client import GatewayError
from media_gateway.models import MediaNode
from meetings.permissions.actor import Actor
from meetings.streams.keys import MadeKey, make_key
from tests.meetings.minutes import world

OFFER = "\r\n".join(
    [
        "v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0 1", "a=ice-options:trickle",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111", "c=IN IP4 0.0.0.0", "a=mid:0", "a=sendonly", "a=rtcp-mux",
        "a=ice-ufrag:abcd", "a=ice-pwd:0123456789012345678901", "a=setup:actpass",
        "a=fingerprint:sha-256 " + ":".join(["AB"] * 32), "a=rtpmap:111 opus/48000/2",
        "m=video 9 UDP/TLS/RTP/SAVPF 96", "c=IN IP4 0.0.0.0", "a=mid:1", "a=sendonly", "a=rtcp-mux",
        "a=ice-ufrag:abcd", "a=ice-pwd:0123456789012345678901", "a=setup:actpass",
        "a=fingerprint:sha-256 " + ":".join(["AB"] * 32), "a=rtpmap:96 VP8/90000", "",
    ]
)  # fmt: skip
ANSWER = "\r\n".join(
    [
        "v=0", "o=- 7 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=ice-lite", "a=group:BUNDLE 0 1",
        "a=ice-ufrag:srvr", "a=ice-pwd:serverserverserverserver", "a=fingerprint:sha-256 CD:CD",
        "a=setup:passive",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111", "c=IN IP4 0.0.0.0", "a=mid:0", "a=recvonly", "a=rtcp-mux",
        "a=candidate:1 1 udp 2130706431 127.0.0.1 5000 typ host", "a=end-of-candidates",
        "a=rtpmap:111 opus/48000/2",
        "m=video 9 UDP/TLS/RTP/SAVPF 96", "c=IN IP4 0.0.0.0", "a=mid:1", "a=recvonly", "a=rtcp-mux",
        "a=rtpmap:96 VP8/90000", "",
    ]
)  # fmt: skip
FRAGMENT = "a=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n"
CANDIDATE = "a=candidate:1 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag abcd\r\n"
TRICKLE = FRAGMENT + "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n" + CANDIDATE
RESTART = FRAGMENT + "a=ice-ufrag:newOne\r\na=ice-pwd:9876543210987654321098\r\n" + CANDIDATE


class Workers:
    """Answers for all media workers. `faults`: operation → error code; `peers`: what `room.stats` tells."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, str | None, dict[str, Any]]] = []
        self.faults: dict[str, str] = {}
        self.peers: list[dict[str, Any]] = []
        self.during: dict[str, Callable[[], object]] = {}

    def sync_request(
        self,
        node: str,
        op: str,
        *,
        room: Any = None,
        peer: Any = None,
        data: Any = None,
        timeout: float = 5.0,
    ) -> dict[str, Any]:
        self.calls.append((node, op, peer, data or {}))
        if op in self.during:
            self.during.pop(op)()
        if op in self.faults:
            raise GatewayError(self.faults[op], "by the test")
        replies: dict[str, dict[str, Any]] = {
            "peer.publish": {"sdp": ANSWER},
            "peer.play": {"sdp": ANSWER},
            "peer.ice": {
                "ufrag": "fresh",
                "pwd": "freshfreshfreshfreshfresh",
                "candidates": [CANDIDATE.strip()],
            },
            "room.stats": {"peers": self.peers},
        }
        return replies.get(op, {})

    def tell(self, node: str, op: str, *, room: Any = None, peer: Any = None, data: Any = None) -> bool:
        self.calls.append((node, op, peer, data or {}))
        return True

    def asked(self, op: str) -> list[tuple[str | None, dict[str, Any]]]:
        return [(peer, data) for _node, name, peer, data in self.calls if name == op]

    @property
    def ops(self) -> list[str]:
        return [op for _node, op, _peer, _data in self.calls]


@pytest.fixture(autouse=True)
def _own_language() -> Iterator[None]:
    """A request leaves its language behind in the thread."""
    with translation.override("en"):
        yield


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Workers:
    fake = Workers()
    monkeypatch.setattr(gateway_client, "sync_request", fake.sync_request)
    monkeypatch.setattr(gateway_client, "tell", fake.tell)
    return fake


@pytest.fixture
def node(db: None) -> MediaNode:
    return MediaNode.objects.create(
        name="media-1", kind="media", host="alpha", instance="i1", channel="c", heartbeat_at=timezone.now()
    )


@pytest.fixture
def school(db: None) -> SimpleNamespace:
    """Host Mei, co-host Jonas, student Sara, stranger Tom; the meeting begins in five minutes."""
    mei, jonas, sara, tom = (world.person(name) for name in ("Lin Mei", "Jonas O.", "Sara Y.", "Tom B."))
    meeting = world.meeting_of(mei, starts_at=timezone.now() + dt.timedelta(minutes=5))
    world.invite(meeting, jonas, role="cohost")
    world.invite(meeting, sara)
    return SimpleNamespace(mei=mei, jonas=jonas, sara=sara, tom=tom, meeting=meeting)


def key_of(school: SimpleNamespace, **fields: Any) -> MadeKey:
    values: dict[str, Any] = {"name": "Hall camera", "direction": "publish", "lifetime": "week", **fields}
    return make_key(values.pop("meeting", school.meeting), actor=Actor(user=school.mei), **values)


@pytest.fixture
def made(school: SimpleNamespace) -> MadeKey:
    return key_of(school)


class Encoder:
    """A WHIP client as far as HTTP goes."""

    def __init__(self, code: str, token: str) -> None:
        self.code = code
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.http = Client(enforce_csrf_checks=True)

    def post(self, body: str | bytes = OFFER, content_type: str = "application/sdp", **headers: str) -> Any:
        return self.http.post(
            f"/whip/{self.code}/", body, content_type=content_type, headers={**self.headers, **headers}
        )

    def patch(
        self, url: str, body: str, content_type: str = "application/trickle-ice-sdpfrag", **headers: str
    ) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.patch(url, body, content_type=content_type, headers={**self.headers, **named})

    def delete(self, url: str, **headers: str) -> Any:
        return self.http.delete(url, headers={**self.headers, **headers})


@pytest.fixture
def encoder(school: SimpleNamespace, made: MadeKey, workers: Workers, node: MediaNode) -> Encoder:
    return Encoder(school.meeting.code, made.token)
