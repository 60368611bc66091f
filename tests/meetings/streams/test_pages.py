"""The page of a meeting's streams: who sees it, what it shows, what its forms do."""

from __future__ import annotations

import datetime as dt
import re
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from meetings.streams.models import StreamConnection, StreamKey
from meetings.streams.tokens import find_key
from tests.meetings.minutes import world
from tests.meetings.streams.conftest import key_of
from tests.portal.conftest import compiled  # noqa: F401

pytestmark = pytest.mark.django_db
FORM = {
    "direction": "publish",
    "publish-name": "Hall",
    "publish-source": "screen",
    "publish-lifetime": "week",
}


@pytest.fixture
def url(school: SimpleNamespace) -> str:
    return reverse("meetings:streams", args=[school.meeting.pk])


def revoke_url(key: StreamKey) -> str:
    return reverse("meetings:stream_key_revoke", args=[key.meeting_id, key.pk])


@pytest.mark.parametrize("who", ["sara", "tom", None, "admin"])
def test_refusals_change_nothing(school: SimpleNamespace, url: str, who: str | None) -> None:
    key = key_of(school).key
    user = world.person("Ada", role="admin") if who == "admin" else getattr(school, who) if who else None
    browser = world.browser(user)
    wanted = {"sara": 403, "admin": 403, "tom": 404, None: 302}[who]
    response = browser.get(url)
    assert response.status_code == wanted
    if wanted == 403:
        assert "co-host" in response.content.decode()
    for path in (url, revoke_url(key)):
        assert browser.post(path, FORM).status_code == (404 if who is None else wanted)
    key.refresh_from_db()
    assert key.revoked_at is None and StreamKey.objects.count() == 1


def test_only_hosts_are_shown_the_way_there(school: SimpleNamespace, url: str) -> None:
    pages = {
        name: world.browser(getattr(school, name)).get(school.meeting.get_absolute_url())
        for name in ("mei", "jonas", "sara")
    }
    assert [f'href="{url}#publish"' in pages[name].content.decode() for name in pages] == [True, True, False]


def test_a_key_is_made_and_its_token_shown_once(school: SimpleNamespace, url: str) -> None:
    browser = world.browser(school.jonas)
    response = browser.post(url, FORM)
    assert response.status_code == 201
    assert "no-store" in response["Cache-Control"]
    page = response.content.decode()
    (token,) = set(re.findall(r"plenum_in_[\w-]+", page))
    key = find_key(token)
    assert key is not None
    assert (key.name, key.source, key.created_by) == ("Hall", "screen", school.jonas)
    assert f"/whip/{school.meeting.code}/" in page
    again = browser.get(url).content.decode()
    assert token not in again and f"token ends with {key.hint}" in again


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("publish-name", ""),
        ("publish-name", "x" * 81),
        ("publish-source", "mic"),
        ("publish-lifetime", "ever"),
        ("publish-name", "a\u202eb"),
    ],
)
def test_mistakes_are_told_at_their_field(school: SimpleNamespace, url: str, field: str, value: str) -> None:
    response = world.browser(school.mei).post(url, {**FORM, field: value})
    assert response.status_code == 422
    assert 'aria-invalid="true"' in response.content.decode()
    assert not StreamKey.objects.exists()


def test_an_unknown_direction_makes_nothing(school: SimpleNamespace, url: str) -> None:
    assert world.browser(school.mei).post(url, {**FORM, "direction": "both"}).status_code == 200
    assert not StreamKey.objects.exists()


def test_what_the_list_says(school: SimpleNamespace, url: str) -> None:
    now = timezone.now()
    used, old, gone, _fresh = (key_of(school, name=name).key for name in ("Used", "Old", "Gone", "Fresh"))
    StreamKey.objects.filter(pk=old.pk).update(expires_at=now)
    StreamKey.objects.filter(pk=gone.pk).update(revoked_at=now)
    StreamKey.objects.filter(pk=used.pk).update(last_used_at=now - dt.timedelta(hours=1))
    session = world.session_of(school.meeting, ended=False)
    StreamConnection.objects.create(key=used, session=session, peer="s1", opened_at=now)
    StreamConnection.objects.create(key=used, session=session, peer="s2", opened_at=now, ended_at=now)
    page = world.browser(school.mei).get(url).content.decode()
    rows = {
        name: row
        for row in page.split('<li class="list-row">')
        for name in ("Used", "Old", "Gone", "Fresh")
        if f">{name}<" in row
    }
    assert list(rows) == ["Fresh", "Used", "Gone", "Old"], (
        "those that can be used first, the newest at the top"
    )
    assert "Sending now" in rows["Used"] and "last used" in rows["Used"]
    assert "never used" in rows["Fresh"] and "Sending now" not in rows["Fresh"]
    assert "Expired" in rows["Old"] and "Revoked" in rows["Gone"]
    assert ["data-dialog=" in rows[name] for name in rows] == [True, True, False, False]


def test_revoking(school: SimpleNamespace, url: str) -> None:
    key, other = key_of(school).key, key_of(school, meeting=world.meeting_of(school.mei)).key
    browser = world.browser(school.mei)
    assert browser.get(revoke_url(key)).status_code == 405
    wrong = reverse("meetings:stream_key_revoke", args=[school.meeting.pk, other.pk])
    assert browser.post(wrong).status_code == 404
    response = browser.post(revoke_url(key), follow=True)
    assert response.redirect_chain == [(url, 302)]
    assert "is revoked" in response.content.decode()
    key.refresh_from_db(), other.refresh_from_db()
    assert key.revoked_at is not None and other.revoked_at is None


def test_a_cancelled_meeting_has_no_form(school: SimpleNamespace, url: str) -> None:
    school.meeting.status = "cancelled"
    school.meeting.save()
    browser = world.browser(school.mei)
    assert "publish-name" not in browser.get(url).content.decode()
    assert browser.post(url, FORM).status_code == 422
    assert not StreamKey.objects.exists()


def test_the_page_costs_the_same_for_many_keys(school: SimpleNamespace, url: str) -> None:
    browser = world.browser(school.mei)

    def cost() -> int:
        with CaptureQueriesContext(database) as captured:
            assert browser.get(url).status_code == 200
        return len(captured)

    key_of(school)
    cost()
    few = cost()
    for number in range(15):
        key_of(school, name=f"Key {number}", meeting=school.meeting)
    assert cost() == few


@pytest.mark.usefixtures("compiled")
def test_chinese(school: SimpleNamespace, url: str, settings: Any) -> None:
    browser = world.browser(school.mei)
    browser.cookies[settings.LANGUAGE_COOKIE_NAME] = "zh-hans"
    key_of(school)
    page = browser.get(url).content.decode()
    assert '<html lang="zh-hans"' in page and "推流接入" in page
