"""Who sees what in the navigation, and which entry is the present one."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import Client

from accounts.models import User
from portal import nav


def request_for(view_name: str) -> SimpleNamespace:
    return SimpleNamespace(resolver_match=SimpleNamespace(view_name=view_name))


def test_strangers_see_no_navigation() -> None:
    assert nav.items_for(None, AnonymousUser()) == []
    assert nav.items_for(None, None) == []


def test_only_admins_see_mail_and_administration(admin: User, student: User) -> None:
    def keys(user: User) -> list[str]:
        return [item.key for item in nav.items_for(None, user)]

    assert keys(admin) == [item.key for item in nav.ITEMS], "every entry leads to a page that exists"
    assert keys(student) == ["today", "meetings", "minutes", "actions", "recordings", "settings"]


@pytest.mark.parametrize(
    ("view_name", "key"),
    [
        ("meetings:dashboard", "today"),
        ("meetings:meeting_edit", "meetings"),
        ("meetings:minutes_edit", "minutes"),
        ("meetings:action_list", "actions"),
        ("meetings:recording", "recordings"),
        ("accounts:settings", "settings"),
        ("account_email", "settings"),
        ("healthz", ""),
    ],
)
def test_the_view_name_decides_the_present_entry(view_name: str, key: str) -> None:
    assert nav.active_key(request_for(view_name)) == key  # type: ignore[arg-type]


def test_the_pages_own_word_wins_and_counts_are_shown(student: User) -> None:
    items = nav.items_for(request_for("meetings:x"), student, key="minutes", counts={"actions": 4})  # type: ignore[arg-type]
    assert [item.key for item in items if item.active] == ["minutes"]
    assert {item.key: item.count for item in items if item.count} == {"actions": 4}


def test_the_shell_marks_one_entry_and_offers_sign_out(client: Client, admin: User) -> None:
    client.force_login(admin)
    html = client.get("/styleguide/").content.decode()
    # Once in the side bar; the phone's bar keeps administration in its sheet.
    assert html.count('aria-current="page">\n') + html.count('aria-current="page"><svg') >= 2
    assert html.count('action="/accounts/logout/"') == 2
    assert 'data-time-zone="Asia/Shanghai"' in html


def test_a_stranger_gets_sign_in_with_the_way_back(client: Client, db: None) -> None:
    html = client.get("/accounts/login/?next=/m/abc/").content.decode()
    assert 'name="next" value="/m/abc/"' in html
    assert "side-bar" not in html and 'id="user-menu"' not in html
