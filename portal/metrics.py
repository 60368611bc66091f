"""`/metrics` for Prometheus: what the workers told last, and what the database counts.

Every web process answers the same, and asks the database the same few questions however much there is.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Iterator
from typing import Any

from django.conf import settings
from django.db.models import Count, Max, Q
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from accounts.network import client_ip
from media_gateway import nodes
from media_gateway.models import MediaNode
from meetings.chat.models import ChatMessage
from meetings.live.models import MediaIncident, Participant, Session

LABELS = ("node", "kind")
# Heartbeat key -> name, factor, help.
GAUGES = {
    "rooms": ("plenum_rooms", 1, "Rooms open on the worker"),
    "peers": ("plenum_peers", 1, "People connected to the worker"),
    "tracks": ("plenum_tracks", 1, "Sources that people send"),
    "layers": ("plenum_layers", 1, "Layers of these sources"),
    "subscriptions": ("plenum_subscriptions", 1, "Sources forwarded to somebody, each receiver counted"),
    "paused": ("plenum_paused", 1, "Pictures shown somewhere that the line has no room for"),
    "packets_per_s": ("plenum_packets_per_second", 1, "Packets in and out over the last second"),
    "bytes_in_per_s": ("plenum_bitrate_in", 8, "Bits a second that arrive"),
    "bytes_out_per_s": ("plenum_bitrate_out", 8, "Bits a second that are sent"),
    "lag_ms": ("plenum_event_loop_lag_seconds", 0.001, "How late the worker's event loop runs on average"),
    "cpu": ("plenum_cpu_share", 1, "Share of one core the worker uses"),
}
# Heartbeat keys that end in _total become counters; help for those that need some.
COUNTERS = {
    "packets": "Packets in and out",
    "packets_in": "Packets received",
    "packets_out": "Packets sent",
    "bytes": "Bytes in and out",
    "bytes_in": "Bytes received",
    "bytes_out": "Bytes sent",
    "lost": "Packets that never came from a sender",
    "recovered": "Packets of senders that came after all, when asked for again",
    "duplicates": "Packets that came twice",
    "nacks": "Requests to senders to send packets again",
    "plis": "Requests to senders for a whole picture",
    "resends": "Packets sent again to a receiver",
    "missed_resends": "Packets asked for again that were no longer there",
    "drops": "Packets the system did not take",
    "strays": "Datagrams of nobody known",
    "protect_errors": "Packets that could not be encrypted",
    "switches": "Changes from one layer to another",
    "starved": "Times a receiver was left without a layer",
    "sends": "Calls to the system to send packets",
}
_COUNTER = re.compile(r"([a-z][a-z0-9_]{0,40})_total", re.ASCII)


def _figures(load: Any) -> Iterator[tuple[str, float]]:
    """The numbers of a heartbeat; whatever else it holds is left out."""
    for key, value in load.items() if isinstance(load, dict) else ():
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield key, value


class PortalCollector(Collector):
    """Made for one answer: it collects when the text is written, and keeps nothing."""

    def collect(self) -> Iterable[Metric]:
        yield from self._workers(list(MediaNode.objects.order_by("name")))
        yield from self._meetings()

    def _workers(self, rows: list[MediaNode]) -> Iterator[Metric]:
        now = timezone.now()
        up = GaugeMetricFamily("plenum_node_up", "Whether the worker is there", labels=LABELS)
        draining = GaugeMetricFamily("plenum_node_draining", "Whether it takes no new rooms", labels=LABELS)
        age = GaugeMetricFamily(
            "plenum_node_heartbeat_age_seconds", "Since its last sign of life", labels=LABELS
        )
        capacity = GaugeMetricFamily(
            "plenum_node_capacity_rooms", "Rooms it takes; 0: no limit", labels=LABELS
        )
        families: dict[str, Metric] = {}
        for row in rows:
            labels = (row.name, row.kind)
            is_up = row.state != MediaNode.State.DOWN
            silent = (now - row.heartbeat_at).total_seconds()
            up.add_metric(labels, float(is_up and silent <= nodes.HEARTBEAT_TIMEOUT))
            if not is_up:
                continue  # its figures are of the past
            draining.add_metric(labels, float(row.state != MediaNode.State.UP))
            age.add_metric(labels, silent)
            capacity.add_metric(labels, row.capacity)
            for key, value in _figures(row.load):
                _add(families, key, value, labels)
        yield from (up, draining, age, capacity)
        yield from (families[name] for name in sorted(families))

    def _meetings(self) -> Iterator[Metric]:
        here = (Participant.State.IN, Participant.State.LOBBY)
        counts = Participant.objects.filter(session__ended_at=None, state__in=here).aggregate(
            inside=Count("pk", filter=Q(state=Participant.State.IN)),
            waiting=Count("pk", filter=Q(state=Participant.State.LOBBY) & ~Q(channel="")),
            linked=Count("pk", filter=~Q(channel="")),
        )
        live = Session.objects.filter(ended_at=None, opened_at__isnull=False).count()
        yield GaugeMetricFamily("plenum_sessions_live", "Meetings with people in them", value=live)
        people = GaugeMetricFamily("plenum_participants", "People in meetings and lobbies", labels=["state"])
        people.add_metric(["in"], counts["inside"])
        people.add_metric(["lobby"], counts["waiting"])
        yield people
        text = "Browsers of people in meetings and lobbies that are connected"
        yield GaugeMetricFamily("plenum_websocket_connections", text, value=counts["linked"])
        # Numbers are never given twice: counting the rows would take longer with each of them.
        newest = ChatMessage.objects.aggregate(newest=Max("pk"))["newest"] or 0
        yield CounterMetricFamily("plenum_chat_messages", "Chat messages ever written", value=newest)
        by_hop = (
            MediaIncident.objects.order_by()
            .values("hop")
            .annotate(all=Count("pk"), open=Count("pk", filter=Q(ended_at=None, session__ended_at=None)))
        )
        found = {row["hop"]: row for row in by_hop}
        incidents = CounterMetricFamily("plenum_incidents", "Media that stopped, by place", labels=["hop"])
        still = GaugeMetricFamily(
            "plenum_incidents_open", "Those of meetings that run, not over", labels=["hop"]
        )
        for hop in MediaIncident.Hop.values:
            row = found.get(hop, {"all": 0, "open": 0})
            incidents.add_metric([hop], row["all"])
            still.add_metric([hop], row["open"])
        yield from (incidents, still)


def _add(families: dict[str, Metric], key: str, value: float, labels: tuple[str, str]) -> None:
    if key in GAUGES:
        name, factor, text = GAUGES[key]
        gauge = families.setdefault(name, GaugeMetricFamily(name, text, labels=LABELS))
        assert isinstance(gauge, GaugeMetricFamily)
        gauge.add_metric(labels, value * factor)
    elif match := _COUNTER.fullmatch(key):
        name, text = f"plenum_{match[1]}", COUNTERS.get(match[1], "Counted since the worker started")
        counter = families.setdefault(f"{name}_total", CounterMetricFamily(name, text, labels=LABELS))
        assert isinstance(counter, CounterMetricFamily)
        counter.add_metric(labels, value)


def _is_local(request: HttpRequest) -> bool:
    """Whether this machine itself asks. One that passes on others' requests must not be taken for them."""
    passed_on = "Forwarded" in request.headers or "X-Forwarded-For" in request.headers
    if passed_on and not settings.ENV["TRUST_PROXY"]:
        return False
    return client_ip(request) in ("127.0.0.1", "::1", "::ffff:127.0.0.1")


def _refusal(request: HttpRequest) -> HttpResponse | None:
    if not settings.METRICS_TOKEN:
        if _is_local(request):
            return None
        return HttpResponse("Set METRICS_TOKEN to read this from elsewhere.\n", "text/plain", 403)
    scheme, _space, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and hmac.compare_digest(
        token.strip().encode(), settings.METRICS_TOKEN.encode()
    ):
        return None
    answer = HttpResponse("This needs the bearer token METRICS_TOKEN.\n", "text/plain", 401)
    answer["WWW-Authenticate"] = 'Bearer realm="metrics"'
    return answer


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """All metrics as text, in the format the caller asks for (Prometheus or OpenMetrics)."""
    refusal = _refusal(request)
    if refusal is not None:
        return refusal
    registry = CollectorRegistry(auto_describe=False)
    registry.register(PortalCollector())
    encoder, content_type = choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(encoder(registry), content_type=content_type)
