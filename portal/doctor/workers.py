"""Workers: media, recording, jobs; and what waits for them."""

from __future__ import annotations

from collections.abc import Iterator

import redis
from django.conf import settings
from django.db import DatabaseError
from django.utils import timezone

from media_gateway import nodes
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
        if alive[kind]:
            yield ok("Workers", f"{alive[kind]} {kind.value} connected")
        else:
            do = "start one; if it runs, check CONTROL_URL and that MEDIA_SECRET is the same there"
            yield fail("Workers", f"no {kind.value} worker is connected: nobody can {does}", do)


def jobs() -> Iterator[Finding]:
    """A Celery worker answers, and the queue is short."""
    try:
        client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=3.0, socket_connect_timeout=3.0)
        try:
            waiting = client.llen("celery")
        finally:
            client.close()
    except redis.RedisError:
        return  # the broker's own check tells
    answers = app.control.inspect(timeout=1.5).ping() or {}
    text = f"{len(answers)} Celery workers answer, {waiting} jobs wait"
    if not answers:
        if portal_runs_here():
            yield fail("Jobs", text, "mails and recordings stay undone: read the log of the process celery")
        else:
            yield warn("Jobs", text, "make run")
    elif waiting > LONG_QUEUE:
        yield warn("Jobs", text, "start more workers: manage.py portal --only celery on another machine")
    else:
        yield ok("Jobs", text)
