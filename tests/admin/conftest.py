from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.core.files.base import ContentFile
from django.utils import timezone

from accounts.audit import record
from accounts.models import ClassGroup, ClassMembership, Department
from media_gateway.models import MediaNode
from meetings.chat.models import ChatMessage, SharedFile
from meetings.invitations.models import OutboxMail
from meetings.live.models import MediaIncident
from meetings.minutes.models import ActionItem, AgendaItem, Decision, Minutes, MinutesNote
from meetings.streams.models import StreamConnection, StreamKey
from tests.meetings.minutes import world


def fill(number: int) -> SimpleNamespace:
    """One row of everything there is, all connected; `number` keeps them apart."""
    department = Department.objects.create(name=f"Physics {number}")
    mei = world.person("Lin Mei", department=department)
    sara = world.person("Sara Yilmaz", role="student", department=department)
    group = ClassGroup.objects.create(name=f"7a {number}", department=department)
    ClassMembership.objects.create(class_group=group, user=mei, role="teacher")
    ClassMembership.objects.create(class_group=group, user=sara)
    meeting = world.meeting_of(mei, f"Physics {number}")
    world.invite(meeting, sara)
    AgendaItem.objects.create(meeting=meeting, title="Waves")
    session = world.session_of(meeting)
    host = world.came(session, mei, role="host")
    guest = world.came(session, sara)
    MediaIncident.objects.create(
        session=session, publisher=host, subscriber=guest, source="camera", hop="downlink",
        actions=["keyframe", "restart"], node="media-a",
    )  # fmt: skip
    key = StreamKey.objects.create(
        meeting=meeting, name="Hall", direction="publish", token_hash=f"{number:064}", hint="abcd",
        created_by=mei, expires_at=timezone.now(),
    )  # fmt: skip
    StreamConnection.objects.create(key=key, session=session, peer="s1", node="media-a", end_reason="deleted")
    file = SharedFile.objects.create(
        session=session,
        participant=host,
        name="a.pdf",
        size=1,
        content_type="x/y",
        file=ContentFile(b"x", name="a"),
    )
    ChatMessage.objects.create(session=session, participant=host, body="Hello", file=file)
    recording = world.recorded(session, state="failed", error="ValueError: no\ntraceback", started_by=host)
    minutes = Minutes.objects.create(session=session, approved_by=mei)
    MinutesNote.objects.create(minutes=minutes, title="Waves")
    Decision.objects.create(minutes=minutes, text="Exam on Friday")
    ActionItem.objects.create(minutes=minutes, text="Book the hall", owner=sara, owner_name="Sara")
    mail = OutboxMail.objects.create(
        key=f"k{number}", kind="minutes", meeting=meeting, to_email=sara.email, subject="Minutes", text="t",
        html="h",
        message_id=f"<{number}@x>", state="failed", last_error="550 no such user",
    )  # fmt: skip
    MediaNode.objects.create(
        name=f"media-{number}", kind="media", host="alpha", instance="i", heartbeat_at=timezone.now()
    )
    record("meeting.book", meeting, user=mei, ip="192.0.2.1", after={"title": meeting.title})
    return SimpleNamespace(
        mei=mei, sara=sara, department=department, meeting=meeting, session=session, recording=recording,
        minutes=minutes, mail=mail,
    )  # fmt: skip


@pytest.fixture
def root(db):
    return world.person("Root", role="admin")


@pytest.fixture
def office(root):
    """The administrator's browser."""
    return world.browser(root)


@pytest.fixture
def filled(root):
    return fill(1)
