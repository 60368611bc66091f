"""Files: who may share and fetch them, how large, under which name, and that none can act in a browser."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http.cookie import SimpleCookie
from django.test import Client
from django.urls import reverse

from meetings.chat.files import clean_file_name, sniff_content_type
from meetings.chat.models import ChatMessage, SharedFile
from meetings.live import services
from meetings.live.identity import visitor_of
from meetings.live.models import Participant, Session
from meetings.live.services import JoinRequest
from meetings.permissions.actor import Actor
from tests.meetings.live.conftest import Cast

pytestmark = pytest.mark.django_db(transaction=True)

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 40


@pytest.fixture(autouse=True)
def _files_elsewhere(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path


def browser(cast: Cast, who: str, **options: Any) -> Client:
    client = Client(**options)
    client.cookies = SimpleCookie(cast.cookies[who])
    return client


def put_in(cast: Cast, who: str, **wish: Any) -> Participant:
    """Join as the browser of `who` would, and be let in."""
    client = browser(cast, who)
    users = {user.name: user for user in (cast.host, cast.cohost, cast.student, cast.stranger)}
    visitor = visitor_of(cast.meeting, user=users.get(who), session=client.session)
    participant = services.join_session(visitor, JoinRequest(name=who, **wish), channel=f"specific.{who}")
    if participant.state == "lobby":
        host = Participant.objects.get(role="host")
        services.admit(participant.public_id, actor=Actor(user=cast.host, participant=host))
    return participant


@pytest.fixture
def people(cast: Cast) -> dict[str, Participant]:
    return {who: put_in(cast, who) for who in ("Helen", "Sam", "walk-in")}


def upload(cast: Cast, who: str, content: bytes = b"hello", name: str = "notes.txt", **options: Any) -> Any:
    url = reverse("meetings:file_upload", args=[cast.meeting.code])
    data = {"file": SimpleUploadedFile(name, content, content_type="text/html")}
    return browser(cast, who, **options).post(url, data)


def stored(tmp_path: Path) -> list[Path]:
    return [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("who", ["Uma", "Gina", "walk-in 2"])
def test_who_is_not_in_the_room_shares_nothing(
    cast: Cast, people: dict[str, Participant], tmp_path: Path, who: str
) -> None:
    response = upload(cast, who)
    assert response.status_code == 403 and response.json()["error"]["code"] == "not_joined"
    assert SharedFile.objects.count() == ChatMessage.objects.count() == 0 and stored(tmp_path) == []


def test_who_waits_left_or_was_removed_shares_nothing(
    cast: Cast, people: dict[str, Participant], tmp_path: Path
) -> None:
    client = browser(cast, "Uma")
    services.join_session(
        visitor_of(cast.meeting, user=cast.stranger, session=client.session),
        JoinRequest(),
        channel="specific.uma",
    )
    services.leave_session(actor=Actor(participant=people["Sam"]))
    services.remove_participant(
        people["walk-in"].public_id, actor=Actor(user=cast.host, participant=people["Helen"])
    )
    for who in ("Uma", "Sam", "walk-in"):
        assert upload(cast, who).status_code == 403, who
    assert SharedFile.objects.count() == 0 and stored(tmp_path) == []


def test_nothing_is_shared_without_the_csrf_token(
    cast: Cast, people: dict[str, Participant], tmp_path: Path
) -> None:
    assert upload(cast, "Sam", enforce_csrf_checks=True).status_code == 403
    assert SharedFile.objects.count() == 0 and stored(tmp_path) == []
    client = browser(cast, "Sam", enforce_csrf_checks=True)
    client.get(reverse("meetings:room", args=[cast.meeting.code]))
    token = client.cookies[settings.CSRF_COOKIE_NAME].value
    url = reverse("meetings:file_upload", args=[cast.meeting.code])
    response = client.post(url, {"file": io.BytesIO(b"hello")}, headers={"X-CSRFToken": token})
    assert response.status_code == 201


def test_a_shared_file_is_shown_in_the_chat_and_kept_privately(
    cast: Cast, people: dict[str, Participant], tmp_path: Path
) -> None:
    response = upload(cast, "walk-in", PNG, "../../etc/pla\u202en.png")
    assert response.status_code == 201
    message = response.json()["message"]
    shared = SharedFile.objects.get()
    assert message["file"] == {
        "id": shared.pk,
        "name": "plan.png",
        "size": len(PNG),
        "content_type": "image/png",
        "url": reverse("meetings:file", args=[shared.pk]),
    }
    assert message["participant"] == people["walk-in"].public_id and message["body"] == ""
    path = Path(shared.file.path)
    assert path.read_bytes() == PNG and tmp_path in path.parents and "plan" not in path.name


@pytest.mark.parametrize("declared", [True, False])
def test_a_file_over_the_limit_is_refused_and_not_kept(
    cast: Cast, people: dict[str, Participant], tmp_path: Path, settings: Any, declared: bool
) -> None:
    settings.SHARED_FILE_MAX_BYTES = 100_000
    size = 200_000 if declared else 100_001  # the second hides in the envelope's allowance
    response = upload(cast, "Sam", b"x" * size)
    assert response.status_code == 413 and response.json()["error"]["code"] == "too_large"
    assert SharedFile.objects.count() == 0 and stored(tmp_path) == []
    assert upload(cast, "Sam", b"x" * 100_000).status_code == 201


def test_empty_and_missing_files_are_refused(cast: Cast, people: dict[str, Participant]) -> None:
    assert upload(cast, "Sam", b"").status_code == 400
    url = reverse("meetings:file_upload", args=[cast.meeting.code])
    assert browser(cast, "Sam").post(url, {"file": "text"}).json()["error"]["code"] == "bad_message"
    assert browser(cast, "Sam").get(url).status_code == 405
    assert browser(cast, "Sam").post("/m/xxx-xxxx-xxx/files/").status_code == 404
    assert SharedFile.objects.count() == 0


@pytest.mark.parametrize("who", ["Helen", "Sam", "walk-in"])
def test_who_was_there_may_fetch_it_also_after_the_end(
    cast: Cast, people: dict[str, Participant], who: str
) -> None:
    url = upload(cast, "Sam").json()["message"]["file"]["url"]
    services.end_session(Session.objects.get(), actor=Actor(user=cast.host))
    response = browser(cast, who).get(url)
    assert response.status_code == 200 and b"".join(response.streaming_content) == b"hello"


@pytest.mark.parametrize("who", ["Uma", "Gina", "Carl", "walk-in 2"])
def test_who_was_not_there_does_not_learn_that_it_exists(
    cast: Cast, people: dict[str, Participant], who: str
) -> None:
    url = upload(cast, "Sam").json()["message"]["file"]["url"]
    assert browser(cast, who).get(url).status_code == 404
    assert Client().get(url).status_code == 404
    assert browser(cast, who).get(reverse("meetings:file", args=[999_999])).status_code == 404


def test_who_was_removed_loses_the_files_too(cast: Cast, people: dict[str, Participant]) -> None:
    url = upload(cast, "Sam").json()["message"]["file"]["url"]
    services.remove_participant(
        people["walk-in"].public_id, actor=Actor(user=cast.host, participant=people["Helen"])
    )
    assert browser(cast, "walk-in").get(url).status_code == 404


@pytest.mark.parametrize(
    ("name", "content", "inline", "content_type"),
    [
        ("page.html", b"<script>alert(1)</script>", False, "application/octet-stream"),
        ("drawing.svg", b"<svg xmlns='x' onload='alert(1)'/>", False, "application/octet-stream"),
        ("really.png", b"<html><script>", False, "application/octet-stream"),
        ("photo.txt", PNG, True, "image/png"),
        ("paper.pdf", b"%PDF-1.7", False, "application/pdf"),
    ],
)
def test_nothing_that_was_uploaded_can_act(
    cast: Cast, people: dict[str, Participant], name: str, content: bytes, inline: bool, content_type: str
) -> None:
    url = upload(cast, "Sam", content, name).json()["message"]["file"]["url"]
    response = browser(cast, "Helen").get(url)
    assert response["Content-Type"] == content_type
    assert response["Content-Disposition"].startswith("inline" if inline else "attachment")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert "private" in response["Cache-Control"]
    response.close()


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("notes.txt", "notes.txt"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\plan.docx", "plan.docx"),
        (".htaccess", "htaccess"),
        ("  ..  ", "file"),
        ("", "file"),
        ("a\r\nSet-Cookie: x=1.txt", "aSet-Cookie_ x=1.txt"),
        ("gpj\u202e.exe", "gpj.exe"),
        ("会议 记录.pdf", "会议 记录.pdf"),
        ("x" * 300 + ".pdf", "x" * 146 + ".pdf"),
        ('a"b;c|d.txt', "a_b_c_d.txt"),
    ],
)
def test_names_are_cleaned(name: str, clean: str) -> None:
    assert clean_file_name(name) == clean


def test_the_type_is_seen_not_believed() -> None:
    assert sniff_content_type(io.BytesIO(b"RIFF\x00\x00\x00\x00WEBPVP8 "), "a.html") == "image/webp"
    assert sniff_content_type(io.BytesIO(b"RIFF\x00\x00\x00\x00WAVE"), "a.webp") == "application/octet-stream"
    assert sniff_content_type(io.BytesIO(b"GIF89a"), "x") == "image/gif"
    assert sniff_content_type(io.BytesIO(b"\xff\xd8\xff\xe0"), "x.js") == "image/jpeg"
