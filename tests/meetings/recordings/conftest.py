from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.utils import timezone

from media_gateway import client
from media_gateway.client import GatewayError
from media_gateway.models import MediaNode
from tests.meetings.minutes import world


class Workers:
    """Answers for all workers; `faults` maps an operation to the error code it fails with."""

    def __init__(self):
        self.calls = []
        self.faults = {}
        self.during = {}

    def sync_request(self, node, op, *, room=None, peer=None, data=None, timeout=5.0):
        self.calls.append((node, op, room, data))
        if op in self.during:
            self.during[op]()
        if op in self.faults:
            raise GatewayError(self.faults[op], "by the test")
        if op == "recording.start":
            return {"address": ["127.0.0.1", 4242], "token": "00112233aabbccdd"}
        return {"tracks": 2, "bytes": 1, "packets": 1}

    def tell(self, node, op, *, room=None, peer=None, data=None):
        self.calls.append((node, op, room, data))
        return True

    @property
    def asked(self):
        return [(node, op) for node, op, _room, _data in self.calls]


@pytest.fixture
def workers(monkeypatch):
    fake = Workers()
    monkeypatch.setattr(client, "sync_request", fake.sync_request)
    monkeypatch.setattr(client, "tell", fake.tell)
    return fake


@pytest.fixture
def nodes(db):
    """A media worker and a recorder on one machine, and an idle recorder on another one."""

    def node(name, kind, host, rooms=0):
        return MediaNode.objects.create(
            name=name,
            kind=kind,
            host=host,
            instance="i1",
            channel=f"chan.{name}",
            heartbeat_at=timezone.now(),
            load={"rooms": rooms},
        )

    return SimpleNamespace(
        media=node("media-1", "media", "alpha"),
        recorder=node("recorder-1", "recorder", "alpha", rooms=3),
        elsewhere=node("recorder-2", "recorder", "beta"),
    )


@pytest.fixture
def events(monkeypatch):
    """What was sent to the room: (type, data)."""
    sent = []
    monkeypatch.setattr(
        "meetings.recordings.services.send_to_session",
        lambda session, kind, data, **_options: sent.append((kind, data)),
    )
    return sent


@pytest.fixture
def running(db, settings, tmp_path):
    """A running session: host Mei, co-host Jonas, student Sara; Tom is a stranger."""
    settings.RECORDINGS_DIR = tmp_path / "recordings"
    mei, jonas, sara, tom = (
        world.person(name) for name in ("Lin Mei", "Jonas Okafor", "Sara Yilmaz", "Tom Bauer")
    )
    meeting = world.meeting_of(mei)
    world.invite(meeting, jonas, role="cohost")
    world.invite(meeting, sara)
    ada = world.invite(meeting, "ada@elsewhere.example", name="Ada Lovelace")
    session = world.session_of(meeting, ended=False, node="media-1", node_instance="i1")
    people = {
        "mei": world.came(session, mei, role="host", stays=[(0, None)], state="in"),
        "jonas": world.came(session, jonas, role="cohost", stays=[(0, None)], state="in"),
        "sara": world.came(session, sara, stays=[(0, None)], state="in"),
    }
    return SimpleNamespace(
        mei=mei, jonas=jonas, sara=sara, tom=tom, ada=ada, meeting=meeting, session=session, people=people
    )


@pytest.fixture
def jobs(monkeypatch):
    """Celery jobs that were started, not run: (task name, args, countdown)."""
    started = []

    def start_job(task, *args, countdown=None):
        started.append((task.name.rpartition(".")[2], args, countdown))
        return True

    for module in ("services", "composition", "tasks", "receivers"):
        monkeypatch.setattr(f"meetings.recordings.{module}.start_job", start_job)
    return started
