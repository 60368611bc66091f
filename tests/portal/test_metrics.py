"""/metrics and /healthz: who may read them, what they say, and at which cost."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from media_gateway.models import MediaNode
from meetings.chat.models import ChatMessage
from meetings.live.models import MediaIncident, Participant, Session
from tests.meetings.minutes import world

pytestmark = pytest.mark.django_db

TOKEN = "0123456789abcdef"
LOAD = {
    "rooms": 2,
    "peers": 7,
    "tracks": 9,
    "packets_per_s": 1200.5,
    "bytes_in_per_s": 1000.0,
    "lag_ms": 4.0,
    "cpu": 0.25,
    "packets_in_total": 1000,
    "packets_out_total": 9000,
    "lost_total": 3,
    "nacks_total": 11,
    "made_up_total": 5,
    "draining": False,
    "recordings": {"a": {"state": "recording"}},
    "Odd key_total": 1,
    "text_total": "many",
}


def node(name: str = "media-a", **fields: Any) -> MediaNode:
    values = {
        "kind": "media",
        "instance": "i1",
        "host": "alpha",
        "channel": "x",
        "capacity": 10,
        "load": LOAD,
    }
    return MediaNode.objects.create(name=name, **{**values, **fields})


def read(client: Client, **headers: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    answer = client.get("/metrics", headers=headers)
    assert answer.status_code == 200, answer.content
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.content.decode())
        for sample in family.samples
    }


def of(name: str, node: str = "media-a", kind: str = "media") -> tuple[str, tuple[tuple[str, str], ...]]:
    return name, (("kind", kind), ("node", node))


# --- who may read ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("192.0.2.1", {}, 403),
        ("", {}, 403),
        # A proxy on this machine passes on what others ask.
        ("127.0.0.1", {"X-Forwarded-For": "192.0.2.1"}, 403),
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, 403),
        ("127.0.0.1", {"Forwarded": "for=127.0.0.1"}, 403),
    ],
)
def test_without_a_token_only_this_machine_reads(
    client: Client, address: str, headers: dict[str, str], status: int
) -> None:
    answer = client.get("/metrics", headers=headers, REMOTE_ADDR=address)
    assert answer.status_code == status
    assert (b"plenum_" in answer.content) == (status == 200)


@pytest.mark.parametrize(("forwarded", "status"), [("192.0.2.1", 403), ("127.0.0.1", 200), ("", 200)])
def test_a_trusted_proxy_tells_who_asks(client: Client, settings: Any, forwarded: str, status: int) -> None:
    settings.ENV = {**settings.ENV, "TRUST_PROXY": True}
    assert client.get("/metrics", headers={"X-Forwarded-For": forwarded}).status_code == status


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        f"Basic {TOKEN}",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        TOKEN,
        "Bearer ü",
    ],
)
def test_with_a_token_it_is_needed_everywhere(client: Client, settings: Any, authorization: str) -> None:
    settings.METRICS_TOKEN = TOKEN
    answer = client.get("/metrics", headers={"Authorization": authorization})
    assert answer.status_code == 401 and answer["WWW-Authenticate"].startswith("Bearer")
    assert b"plenum_" not in answer.content


def test_the_token_opens_it_from_anywhere(client: Client, settings: Any) -> None:
    settings.METRICS_TOKEN = TOKEN
    for scheme in ("Bearer", "bearer"):
        headers = {"Authorization": f"{scheme} {TOKEN}", "X-Forwarded-For": "192.0.2.1"}
        answer = client.get("/metrics", headers=headers, REMOTE_ADDR="192.0.2.1")
        assert answer.status_code == 200 and "no-store" in answer["Cache-Control"]


def test_it_is_only_read(client: Client) -> None:
    assert client.post("/metrics").status_code == 405


# --- what it says ---------------------------------------------------------------------------------------


def test_the_format_is_that_of_prometheus_or_as_asked_for(client: Client) -> None:
    node()
    plain = client.get("/metrics")
    assert plain["Content-Type"].startswith("text/plain; version=")
    assert b"# TYPE plenum_rooms gauge" in plain.content
    assert b"# TYPE plenum_nacks_total counter" in plain.content
    wanted = client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert wanted["Content-Type"].startswith("application/openmetrics-text")
    assert wanted.content.endswith(b"# EOF\n")


def test_each_worker_has_its_figures(client: Client) -> None:
    node()
    node("here-recorder", kind="recorder", load={"rooms": 1, "packets_total": 5}, capacity=0)
    node("media-b", state="draining", load={})
    found = read(client)
    assert found[of("plenum_rooms")] == 2 and found[of("plenum_peers")] == 7
    assert found[of("plenum_packets_per_second")] == 1200.5
    assert found[of("plenum_bitrate_in")] == 8000
    assert found[of("plenum_event_loop_lag_seconds")] == pytest.approx(0.004)
    assert found[of("plenum_cpu_share")] == 0.25
    assert found[of("plenum_packets_out_total")] == 9000
    assert found[of("plenum_lost_total")] == 3 and found[of("plenum_made_up_total")] == 5
    assert found[of("plenum_rooms", "here-recorder", "recorder")] == 1
    assert found[of("plenum_packets_total", "here-recorder", "recorder")] == 5
    assert found[of("plenum_node_draining", "media-b")] == 1 and found[of("plenum_node_draining")] == 0
    assert found[of("plenum_node_capacity_rooms")] == 10
    assert of("plenum_rooms", "media-b") not in found
    assert not [name for name, _labels in found if "text" in name or "Odd" in name]


def test_a_worker_that_is_gone_has_no_figures_and_a_silent_one_is_not_up(client: Client) -> None:
    node("media-a", state="down")
    node("media-b", heartbeat_at=timezone.now() - dt.timedelta(seconds=60))
    found = read(client)
    assert found[of("plenum_node_up")] == 0 and found[of("plenum_node_up", "media-b")] == 0
    assert of("plenum_rooms") not in found
    assert found[of("plenum_node_heartbeat_age_seconds", "media-b")] >= 60


def running(number: int) -> Session:
    """A session with somebody connected, somebody without network, somebody waiting, and some trouble."""
    host = world.person(f"Mei {number}")
    session = world.session_of(world.meeting_of(host, f"Physics {number}"), ended=False)
    people = [
        Participant.objects.create(
            session=session,
            identity=f"guest:{number}{index}",
            name="x",
            role="guest",
            state=state,
            channel=channel,
        )
        for index, (state, channel) in enumerate([("in", "c"), ("in", ""), ("lobby", "c"), ("lobby", "")])
    ]
    ChatMessage.objects.create(session=session, participant=people[0], body="hello")
    for hop, healed in (("uplink", timezone.now()), ("downlink", None)):
        MediaIncident.objects.create(
            session=session,
            publisher=people[0],
            subscriber=people[1],
            source="mic",
            hop=hop,
            ended_at=healed,
        )
    return session


def test_the_portal_counts_people_messages_and_incidents(client: Client) -> None:
    for number in range(2):
        running(number)
    over = running(2)
    Session.objects.filter(pk=over.pk).update(ended_at=timezone.now())
    found = read(client)
    assert found["plenum_sessions_live", ()] == 2
    assert found["plenum_participants", (("state", "in"),)] == 4
    assert found["plenum_participants", (("state", "lobby"),)] == 2
    assert found["plenum_websocket_connections", ()] == 4
    assert found["plenum_chat_messages_total", ()] >= 3
    hops = {hop: found["plenum_incidents_total", (("hop", hop),)] for hop in MediaIncident.Hop.values}
    assert hops == {"device": 0, "uplink": 3, "server": 0, "downlink": 3, "player": 0}
    assert found["plenum_incidents_open", (("hop", "downlink"),)] == 2


def test_it_costs_the_same_however_much_there_is(client: Client) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            client.get("/metrics")
        return len(queries)

    empty = cost()
    for number in range(4):
        node(f"media-{number}")
        running(number)
    assert cost() == empty <= 5


# --- healthz --------------------------------------------------------------------------------------------


def media(client: Client) -> dict[str, Any]:
    answer = client.get("/healthz").json()
    assert answer["ok"] is True
    return answer["media"]


def test_health_tells_what_media_can_take(client: Client) -> None:
    assert media(client) == {"workers": 0, "accepting": 0, "rooms": 0, "free_rooms": 0}
    node("a")
    node("b", state="draining")
    node("c", load={"rooms": 10})
    node("d", load={"rooms": 1, "lag_ms": 500})
    node("e", state="down")
    node("f", channel="")
    node("g", kind="recorder")
    assert media(client) == {"workers": 4, "accepting": 1, "rooms": 15, "free_rooms": 8}
    node("h", capacity=0)
    assert media(client)["free_rooms"] is None


def test_health_asks_one_question(client: Client) -> None:
    node("a")
    with CaptureQueriesContext(connection) as queries:
        client.get("/healthz")
    assert len(queries) == 1
