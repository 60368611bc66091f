"""The demo fills every page and can be run again."""

from __future__ import annotations

import datetime as dt
import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.models import ClassGroup, Department, User
from meetings.invitations.models import OutboxMail
from meetings.live.models import Session
from meetings.minutes.models import ActionItem, Minutes
from meetings.recordings.models import Recording
from meetings.scheduling.models import Meeting
from portal.demo.film import film
from portal.demo.people import address, demo_password, password_file
from tests.portal.conftest import Environment

pytestmark = pytest.mark.django_db


@pytest.fixture
def data_dir(settings: Settings, tmp_path: Path) -> Path:
    settings.DATA_DIR = tmp_path
    settings.MEDIA_ROOT, settings.RECORDINGS_DIR = tmp_path / "files", tmp_path / "recordings"
    settings.MAIL_DIR = tmp_path / "mail"
    return tmp_path


def run_demo(*arguments: str) -> str:
    output = io.StringIO()
    call_command("demo", *arguments, stdout=output)
    return output.getvalue()


def counts() -> list[int]:
    models = (User, Department, ClassGroup, Meeting, Session, Minutes, ActionItem, Recording, OutboxMail)
    return [model.objects.count() for model in models]


def test_no_list_is_empty_for_staff_nor_students(data_dir: Path, client: Client) -> None:
    output = run_demo("--no-recording")
    assert demo_password() in output
    assert str(password_file()) in output
    lin, sara = (User.objects.get(email=address(login)) for login in ("lin.mei", "sara.yilmaz"))
    assert lin.check_password(demo_password())
    now = timezone.now()
    for person in (lin, sara):
        theirs = Meeting.objects.filter(invitations__user=person) | Meeting.objects.filter(organizer=person)
        assert theirs.filter(starts_at__gt=now).exists()
        assert theirs.filter(ends_at__lt=now).exists()
        assert ActionItem.objects.filter(owner=person, done_at=None).exists()
    assert {minutes.state for minutes in Minutes.objects.all()} == {"draft", "approved"}
    assert Meeting.objects.filter(status=Meeting.Status.CANCELLED).exists()
    client.force_login(lin)
    for name in ("dashboard", "meeting_list", "minutes_list", "action_list", "recording_list"):
        assert client.get(reverse(f"meetings:{name}")).status_code == 200
    text = client.get(reverse("meetings:meeting_list")).content.decode()
    assert "Physics 101" in text


def test_a_second_run_adds_nothing(data_dir: Path) -> None:
    run_demo("--no-recording")
    before = counts()
    assert run_demo("--no-recording").startswith("0 people, 0 past meetings, 0 to come and 0 recordings")
    assert counts() == before


def test_what_is_over_by_now_is_booked_anew(data_dir: Path) -> None:
    run_demo("--no-recording")
    upcoming = Meeting.objects.filter(title="Physics 101: energy and work")
    old = upcoming.get()
    old.starts_at -= dt.timedelta(days=3)
    old.save()
    run_demo("--no-recording")
    assert upcoming.count() == 2


def test_it_sends_no_mails_to_a_real_server(data_dir: Path, environment: Environment) -> None:
    environment(SMTP_URL="smtp://mail")
    with pytest.raises(CommandError, match="SMTP_URL is set"):
        call_command("demo")
    assert counts() == [0] * 9


@pytest.mark.slow
def test_the_recording_can_be_watched(data_dir: Path) -> None:
    import av

    run_demo("--no-recording")
    session = Session.objects.filter(minutes__state="approved").order_by("started_at").first()
    assert session
    recording = film(session)
    assert recording.state == Recording.State.READY, recording.error
    assert recording.poster_path.stat().st_size > 1000
    with av.open(str(recording.video_path)) as file:
        assert sorted(stream.type for stream in file.streams) == ["audio", "video"]
        assert file.duration is not None
        assert abs(file.duration / 1e6 - 12) < 0.5
        frames = [frame.to_ndarray(format="gray") for frame in file.decode(video=0)]
    assert len(frames) > 250
    assert any((a != b).mean() > 0.001 for a, b in zip(frames[50:60], frames[55:65], strict=True)), "it moves"
