"""Workers: media, recording, jobs; and what waits for them."""

from __future__ import annotations

from collections.abc import Iterator

import redis
from django.conf import settings
from django.db import DatabaseError
from django.utils import timezone
from kombu.exceptions import OperationalError

from media_gateway import nodes
from media_gateway.draining import IDLE
from media_gateway.models import MediaNode
from portal.celery import app
from portal.doctor.broker import portal_runs_here
from portal.doctor.report import Finding, fail, ok, warn

LONG_QUEUE = 200


def workers() -> Iterator[Finding]:
    """At least one media and one recording worker holds its control link and sends heartbeats."""
    try:
        known = list(MediaNode.objects.exclude(state=MediaNode.State.DOWN))
        alive = {kind: nodes.alive(kind).count() for kind in MediaNode.Kind}
    except DatabaseError:
        yield fail("Workers", "the database has no table of workers", "manage.py prepare")
        return
    for node in known:
        silent = (timezone.now() - node.heartbeat_at).total_seconds()
        if silent > nodes.HEARTBEAT_TIMEOUT and portal_runs_here():
            yield warn(
                "Workers", f"{node.name} on {node.host} has been silent for {silent:.0f} s", "read its log"
            )
    if sum(alive.values()) == 0 and not portal_runs_here():
        yield warn("Workers", "none runs: they start with the portal", "make run")
        return
    for kind, does in ((MediaNode.Kind.MEDIA, "meet"), (MediaNode.Kind.RECORDER, "record")):
        emptied = sum(node.kind == kind and node.state in IDLE for node in known)
        if alive[kind]:
            yield ok("Workers", f"{alive[kind]} {kind.value} connected")
        elif emptied:
            text = f"every {kind.value} worker is being emptied: nobody can begin to {does}"
            yield fail("Workers", text, "manage.py media_drain NAME --undo, or start another")
        else:
            do = "start one; if it runs, check CONTROL_URL and that MEDIA_SECRET is the same there"
            yield fail("Workers", f"no {kind.value} worker is connected: nobody can {does}", do)


def jobs() -> Iterator[Finding]:
    """For each queue a Celery worker answers, and the queue is short."""
    queues = {"celery": "mails and minutes", "composer": "recordings"}
    try:
        client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=3.0, socket_connect_timeout=3.0)
        try:
            waiting = {queue: client.llen(queue) for queue in queues}
        finally:
            client.close()
        answers = app.control.inspect(timeout=1.5).ping() or {}
    except (redis.RedisError, OperationalError):
        return  # the broker's own check tells
    for queue, work in queues.items():
        workers_of_queue = [name for name in answers if name.split("@")[0] == queue]
        text = f"{queue}: {len(workers_of_queue)} workers answer, {waiting[queue]} jobs wait"
        if not workers_of_queue and portal_runs_here():
            yield fail("Jobs", text, f"{work} stay undone: read the log of the process {queue}")
        elif not workers_of_queue:
            yield warn("Jobs", text, "make run")
        elif waiting[queue] > LONG_QUEUE:
            do = f"start more workers: manage.py portal --only {queue} on another machine"
            yield warn("Jobs", text, do)
        else:
            yield ok("Jobs", text)
