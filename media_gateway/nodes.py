"""The registry of workers: rows that follow the control links. Sync functions; signals go out on commit."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from media_gateway import signals
from media_gateway.models import MediaNode

HEARTBEAT_TIMEOUT = 8.0  # seconds of silence after which a worker (which speaks every 2 s) counts as gone

# A worker beyond one of these takes no new rooms, before those it has are harmed.
LAG_LIMIT_MS = 100.0  # how late its event loop is on average
CPU_LIMIT = 0.9  # of the one core it can use
# To compare workers, in packets a second: being late by a millisecond, and a room of five with cameras on.
LAG_WEIGHT, ROOM_WEIGHT = 500.0, 5000.0
ALIKE = 2000.0  # loads that differ by less are the same


@dataclass(frozen=True)
class Hello:
    """How a worker introduces itself; `rooms` are those it still holds, `state` what it was last told."""

    kind: str
    node: str
    instance: str
    host: str
    capacity: int
    rooms: tuple[str, ...] = ()
    state: str = MediaNode.State.UP


def _announce(signal: Any, node: MediaNode, **details: Any) -> None:
    # send_robust: one listener's fault must not keep the others from hearing it; Django logs it.
    transaction.on_commit(lambda: signal.send_robust(sender=MediaNode, node=node, **details))


def register(hello: Hello, channel: str) -> tuple[MediaNode, str]:
    """Make `channel` the way to this worker; returns its row and the channel it had before, if any.

    Another instance under the same name means that the former one died: node_down is sent for it first.
    """
    with transaction.atomic():
        node = MediaNode.objects.select_for_update().filter(name=hello.node).first() or MediaNode(
            name=hello.node
        )
        former_instance, former_channel, was_up = (
            node.instance,
            node.channel,
            node.state != MediaNode.State.DOWN,
        )
        now = timezone.now()
        node.kind, node.instance, node.host = hello.kind, hello.instance, hello.host
        node.capacity, node.channel = hello.capacity, channel
        if former_instance != hello.instance:
            node.state = MediaNode.State.UP
        elif node.state == MediaNode.State.DOWN:
            # What it was told before it was taken for gone holds on; otherwise the row knows better.
            node.state = hello.state
        node.connected_at = node.heartbeat_at = now
        if former_instance != hello.instance:
            node.load = {}
        node.save()
        if former_instance and former_instance != hello.instance and was_up:
            _announce(signals.node_down, node, instance=former_instance)
        _announce(signals.node_up, node)
    return node, former_channel if former_channel != channel else ""


def heartbeat(name: str, instance: str, channel: str, load: dict[str, Any]) -> bool:
    """Note that the worker lives. False if this link is no longer the worker's own."""
    return bool(
        MediaNode.objects.filter(name=name, instance=instance, channel=channel).update(
            load=load, heartbeat_at=timezone.now()
        )
    )


def unlink(name: str, channel: str) -> bool:
    """The link `channel` closed; the worker may be back in a moment. False if it had another link already."""
    return bool(MediaNode.objects.filter(name=name, channel=channel).update(channel=""))


def mark_down(name: str, instance: str, *, unlinked_only: bool = False) -> bool:
    """Declare that instance gone: True for the one who did it. `unlinked_only` spares one that is back."""
    with transaction.atomic():
        rows = MediaNode.objects.filter(name=name, instance=instance).exclude(state=MediaNode.State.DOWN)
        if unlinked_only:
            rows = rows.filter(channel="")
        if not rows.update(state=MediaNode.State.DOWN, channel=""):
            return False
        _announce(signals.node_down, MediaNode.objects.get(name=name), instance=instance)
    return True


def present(kind: str) -> QuerySet[MediaNode]:
    """Workers of that kind that live, whatever they were told."""
    since = timezone.now() - dt.timedelta(seconds=HEARTBEAT_TIMEOUT)
    return MediaNode.objects.filter(kind=kind, heartbeat_at__gte=since).exclude(state=MediaNode.State.DOWN)


def alive(kind: str) -> QuerySet[MediaNode]:
    """Workers of that kind which can be given work: linked, heard of lately, not draining."""
    return present(kind).filter(state=MediaNode.State.UP).exclude(channel="")


class AllFull(Exception):
    """There are workers, but none can take another room without harm to those it has."""


def least_loaded(
    kind: str, count_assigned: Callable[[], Mapping[str, int]], *, but: Collection[str] = ()
) -> MediaNode | None:
    """The worker to take one more room, given how many each has by name. Call inside a transaction.

    Those named in `but` are passed over.

    None if no worker is there at all; raises AllFull. The rows stay locked until the transaction ends, and
    rooms are counted only then, so two callers at once see each other's choice. What the workers measured
    decides; among those about as busy the one with the fewest rooms, then the fewest people.
    """
    nodes = list(alive(kind).exclude(name__in=but).select_for_update().order_by("name"))
    assigned = count_assigned()
    open_ones = [node for node in nodes if not why_full(node, assigned.get(node.name, 0))]
    if nodes and not open_ones:
        raise AllFull
    return min(open_ones, key=lambda node: _burden(node, assigned.get(node.name, 0)), default=None)


def _burden(node: MediaNode, rooms: int) -> tuple[int, int, float, str]:
    """Less is better. Heartbeats lag by 2 s, so rooms a worker has not told of yet count as typical ones."""
    unseen = max(0, rooms - int(figure(node, "rooms")))
    load = figure(node, "packets_per_s") + LAG_WEIGHT * figure(node, "lag_ms") + ROOM_WEIGHT * unseen
    return round(load / ALIKE), rooms, figure(node, "peers"), node.name


def why_full(node: MediaNode, rooms: int) -> str:
    """Why this worker should get no room beside the `rooms` it has: "rooms", "peers", "lag" or "cpu".

    Empty if it can take one. Being late or busy does not count without rooms: there is nobody to be harmed,
    and on a slow machine people would never meet.
    """
    peers = figure(node, "max_peers")
    if node.capacity and rooms >= node.capacity:
        return "rooms"
    if peers and figure(node, "peers") >= peers:
        return "peers"
    if rooms and figure(node, "lag_ms") > LAG_LIMIT_MS:
        return "lag"
    if rooms and figure(node, "cpu") > CPU_LIMIT:
        return "cpu"
    return ""


def figure(node: MediaNode, key: str) -> float:
    """A number of the worker's last heartbeat; 0 if it told none."""
    value = node.load.get(key, 0) if isinstance(node.load, dict) else 0
    return value if isinstance(value, int | float) and not isinstance(value, bool) else 0


def reap_silent() -> int:
    """Declare workers gone that have not been heard of, whatever became of their link; returns how many."""
    since = timezone.now() - dt.timedelta(seconds=HEARTBEAT_TIMEOUT)
    silent = MediaNode.objects.exclude(state=MediaNode.State.DOWN).filter(heartbeat_at__lt=since)
    return sum(mark_down(name, instance) for name, instance in silent.values_list("name", "instance"))
