"""The room page and the page afterwards."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.http.cookie import SimpleCookie
from django.test import Client
from django.urls import reverse

from meetings.live.identity import GUEST_KEY
from meetings.live.models import Participant, Session
from meetings.scheduling.models import Meeting
from tests.meetings.live.conftest import Cast

pytestmark = pytest.mark.django_db(transaction=True)


def config_of(response: Any) -> dict[str, Any]:
    found = re.search(
        r'<script id="room-config" type="application/json">(.*?)</script>', response.content.decode()
    )
    assert found
    return json.loads(found[1])


def browser(cast: Cast, who: str) -> Client:
    client = Client()
    client.cookies = SimpleCookie(cast.cookies[who])
    return client


def test_unknown_codes_are_not_found_and_guessing_is_slowed(cast: Cast, room_path: str) -> None:
    client = Client()
    for _ in range(30):
        assert client.get("/m/xxx-xxxx-xxx/").status_code == 404
    for path in ("/m/xxx-xxxx-xxx/", room_path, reverse("meetings:room_left", args=[cast.meeting.code])):
        blocked = client.get(path)
        assert blocked.status_code == 429 and blocked["Retry-After"]
    assert browser(cast, "Sam").get(room_path).status_code == 200


@pytest.mark.parametrize("code", ["%00", "a" * 200, "..", "' OR 1=1"])
def test_odd_codes_are_not_found(cast: Cast, code: str) -> None:
    assert Client().get(f"/m/{code}/").status_code == 404


def test_a_code_in_capitals_leads_to_the_meeting(cast: Cast, room_path: str) -> None:
    response = Client().get(f"/m/{cast.meeting.code.upper()}/")
    assert response.status_code == 302 and response["Location"] == room_path


def test_a_cancelled_meeting_is_gone(cast: Cast, room_path: str) -> None:
    Meeting.objects.filter(pk=cast.meeting.pk).update(status="cancelled")
    response = browser(cast, "Helen").get(room_path)
    assert response.status_code == 410 and "room-config" not in response.content.decode()


def test_the_page_makes_nobody_present(cast: Cast, room_path: str) -> None:
    for who in ("Helen", "Sam", "Gina", "walk-in"):
        assert browser(cast, who).get(room_path).status_code == 200
    assert Session.objects.count() == Participant.objects.count() == 0


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        (
            "Helen",
            {"needs_name": False, "display_name": "Helen", "role": "host", "is_host": True, "lobby": False},
        ),
        (
            "Carl",
            {"needs_name": False, "display_name": "Carl", "role": "cohost", "is_host": False, "lobby": False},
        ),
        ("Gina", {"needs_name": False, "display_name": "Gina", "role": "participant", "lobby": True}),
        ("walk-in", {"needs_name": True, "display_name": "", "role": "guest", "lobby": True}),
    ],
)
def test_the_script_is_told_who_one_is(
    cast: Cast, room_path: str, who: str, expected: dict[str, Any]
) -> None:
    response = browser(cast, who).get(room_path)
    config = config_of(response)
    assert {key: config[key] for key in expected} == expected
    assert config["ws_path"] == f"/ws/room/{cast.meeting.code}/" and config["live"] == {
        "count": 0,
        "started_at": None,
        "recording": False,
    }
    assert config["upload_url"] == f"{room_path}files/" and config["left_url"] == f"{room_path}left/"
    assert "no-store" in response["Cache-Control"] or "no-cache" in response["Cache-Control"]


def test_only_people_who_are_nobody_yet_get_a_guest_id_and_keep_it(cast: Cast, room_path: str) -> None:
    client = Client()
    client.get(room_path)
    first = client.session[GUEST_KEY]
    client.get(room_path)
    assert client.session[GUEST_KEY] == first and len(first) == 16
    signed_in = Client()
    signed_in.force_login(cast.student, backend="allauth.account.auth_backends.AuthenticationBackend")
    signed_in.get(room_path)
    assert GUEST_KEY not in signed_in.session


def test_a_title_cannot_break_out_of_the_page(cast: Cast, room_path: str) -> None:
    title = "</script><script>alert(1)</script>"
    Meeting.objects.filter(pk=cast.meeting.pk).update(title=title)
    response = browser(cast, "walk-in").get(room_path)
    assert "<script>alert(1)" not in response.content.decode()
    assert config_of(response)["title"] == title
    left = browser(cast, "walk-in").get(reverse("meetings:room_left", args=[cast.meeting.code]))
    assert left.status_code == 200 and "<script>alert(1)" not in left.content.decode()


def test_the_page_afterwards_shows_the_minutes_to_those_who_may_see_them(cast: Cast) -> None:
    from django.utils import timezone

    from meetings.minutes.models import Minutes

    path = reverse("meetings:room_left", args=[cast.meeting.code])
    session = Session.objects.create(meeting=cast.meeting, opened_at=timezone.now(), ended_at=timezone.now())
    minutes = Minutes.objects.create(session=session)
    link = reverse("meetings:minutes_detail", args=[minutes.pk])
    assert link in browser(cast, "Sam").get(path).content.decode()
    assert link in browser(cast, "Gina").get(path).content.decode()
    for stranger in ("Uma", "walk-in"):
        page = browser(cast, stranger).get(path).content.decode()
        assert link not in page and cast.meeting.join_path in page
