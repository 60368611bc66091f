"""The registry of workers: rows that follow the control links. Sync functions; signals go out on commit."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from media_gateway import signals
from media_gateway.models import MediaNode

HEARTBEAT_TIMEOUT = 8.0  # seconds of silence after which a worker (which speaks every 2 s) counts as gone


@dataclass(frozen=True)
class Hello:
    """How a worker introduces itself; `rooms` are those it still holds."""

    kind: str
    node: str
    instance: str
    host: str
    capacity: int
    rooms: tuple[str, ...] = ()


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
        # A worker that an administrator is draining stays so through a reconnect of the same instance.
        if not (node.state == MediaNode.State.DRAINING and former_instance == hello.instance):
            node.state = MediaNode.State.UP
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


def alive(kind: str) -> QuerySet[MediaNode]:
    """Workers of that kind which can be given work: linked, heard of lately, not draining."""
    since = timezone.now() - dt.timedelta(seconds=HEARTBEAT_TIMEOUT)
    return MediaNode.objects.filter(kind=kind, state=MediaNode.State.UP, heartbeat_at__gte=since).exclude(
        channel=""
    )


def least_loaded(kind: str, count_assigned: Callable[[], Mapping[str, int]]) -> MediaNode | None:
    """The worker to take one more room, given how many each has by name. Call inside a transaction.

    The rows stay locked until it ends, and are counted only then, so two callers at once see each other's
    choice. Rooms as assigned count first, since heartbeats lag by 2 s; then the peers each worker told.
    """
    nodes = list(alive(kind).select_for_update().order_by("name"))
    assigned = count_assigned()
    nodes = [
        node for node in nodes if not node.capacity or assigned.get(node.name, 0) < node.capacity
    ] or nodes
    return min(nodes, key=lambda node: (assigned.get(node.name, 0), _peers(node), node.name), default=None)


def _peers(node: MediaNode) -> int:
    peers = node.load.get("peers", 0) if isinstance(node.load, dict) else 0
    return peers if isinstance(peers, int) else 0


def reap_silent() -> int:
    """Declare workers gone that have not been heard of, whatever became of their link; returns how many."""
    since = timezone.now() - dt.timedelta(seconds=HEARTBEAT_TIMEOUT)
    silent = MediaNode.objects.exclude(state=MediaNode.State.DOWN).filter(heartbeat_at__lt=since)
    return sum(mark_down(name, instance) for name, instance in silent.values_list("name", "instance"))
