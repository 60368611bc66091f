"""Addresses and names as they come from outside."""

from __future__ import annotations

from typing import Any

import pytest

from meetings.live.errors import RoomError
from meetings.live.identity import clean_name
from meetings.live.throttle import scope_ip


@pytest.mark.parametrize(
    ("trusted", "forwarded", "client", "expected"),
    [
        (False, "203.0.113.9", ("192.0.2.1", 5), "192.0.2.1"),
        (True, "198.51.100.1, 203.0.113.9", ("127.0.0.1", 5), "203.0.113.9"),
        (True, "", ("192.0.2.1", 5), "192.0.2.1"),
        (True, "unknown", ("192.0.2.1", 5), None),
        (False, "", ("fe80::1%eth0", 5), "fe80::1"),
        (False, "", None, None),
        (False, "", ("/run/portal.sock", 0), None),
    ],
)
def test_the_address_is_one_or_none(
    settings: Any, trusted: bool, forwarded: str, client: Any, expected: str | None
) -> None:
    settings.ENV = {**settings.ENV, "TRUST_PROXY": trusted}
    headers = [(b"x-forwarded-for", forwarded.encode())] if forwarded else []
    assert scope_ip({"client": client, "headers": headers}) == expected


@pytest.mark.parametrize("name", ["李梅", "Zoë O\u2019Neil-Łuk", "محمد", "👩\u200d🏫 Ms. K", "Al", "x" * 80])
def test_names_of_all_scripts_are_fine(name: str) -> None:
    assert clean_name(f"  {name} ") == name


@pytest.mark.parametrize(
    "name", ["", " ", "x" * 81, "a\tb", "a\x7fb", "\u202eabc", "\u2066x", "\ue000", 5, None, "\u200b"]
)
def test_other_names_are_not(name: Any) -> None:
    with pytest.raises(RoomError, match="bad_name"):
        clean_name(name)
