"""Media workers, recorders and the queues of jobs."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
import redis
from django.utils import timezone
from pytest_django import Settings

from media_gateway.models import MediaNode
from portal.doctor import workers
from portal.doctor.report import State
from tests.portal.doctor.conftest import runs_here


@pytest.mark.django_db
def test_workers_that_are_connected_are_counted(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs_here(data_dir, monkeypatch)
    for kind in MediaNode.Kind:
        MediaNode.objects.create(name=f"{kind}-1", kind=kind, instance="i", host="h", channel="c")
    assert [finding.says for finding in workers.workers()] == ["1 media connected", "1 recorder connected"]


@pytest.mark.django_db
def test_a_silent_worker_counts_as_gone(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs_here(data_dir, monkeypatch)
    long_ago = timezone.now() - dt.timedelta(minutes=1)
    MediaNode.objects.create(
        name="media-1", kind="media", instance="i", host="h", channel="c", heartbeat_at=long_ago
    )
    states = [finding.state for finding in workers.workers()]
    assert states == [State.WARN, State.FAIL, State.FAIL]


@pytest.mark.django_db
@pytest.mark.parametrize("state", ["draining", "restarting"])
def test_workers_that_are_all_being_emptied_are_told_apart(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    monkeypatch.setattr(workers, "portal_runs_here", lambda: True)
    for kind in MediaNode.Kind:
        MediaNode.objects.create(
            name=f"{kind}-1",
            kind=kind,
            instance="i",
            host="h",
            channel="c",
            state=state if kind == "media" else "up",
        )
    found = list(workers.workers())
    assert [finding.state for finding in found] == ["fail", "ok"]
    assert "being emptied" in found[0].says and "--undo" in found[0].do


def test_queues_without_workers_are_told(
    redis_server: str, settings: Settings, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REDIS_URL = redis_server
    monkeypatch.setattr(workers.app.conf, "broker_url", redis_server)
    assert [finding.state for finding in workers.jobs()] == [State.WARN, State.WARN]
    runs_here(data_dir, monkeypatch)
    says = [finding.says for finding in workers.jobs() if finding.state is State.FAIL]
    assert says == ["celery: 0 workers answer, 0 jobs wait", "composer: 0 workers answer, 0 jobs wait"]


@pytest.mark.parametrize(("waiting", "state"), [(0, State.OK), (workers.LONG_QUEUE + 1, State.WARN)])
def test_a_long_queue_is_told(
    redis_server: str, settings: Settings, monkeypatch: pytest.MonkeyPatch, waiting: int, state: State
) -> None:
    settings.REDIS_URL = redis_server

    class Inspect:
        def ping(self) -> dict:
            return {"celery@a": {"ok": "pong"}, "composer@a": {"ok": "pong"}, "composer@b": {"ok": "pong"}}

    monkeypatch.setattr(workers.app.control, "inspect", lambda timeout: Inspect())
    with redis.Redis.from_url(redis_server) as client:
        client.delete("celery")
        if waiting:
            client.rpush("celery", *range(waiting))
        try:
            assert next(workers.jobs()).state is state
        finally:
            client.delete("celery")
