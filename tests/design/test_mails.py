"""E-mails of the account pages: a text part as good as the HTML, nothing loaded from outside, no holes."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.template.loader import render_to_string

LINK = "http://localhost:8000/accounts/x/?a=1&b=2"
CONTEXT = {
    "user": "Lin Mei",
    "email": "mei@example.org",
    "activate_url": LINK,
    "password_reset_url": LINK,
    "signup_url": LINK,
    "public_url": "http://localhost:8000",
    "timestamp": datetime(2026, 11, 23, 2, 0, tzinfo=UTC),
    "ip": "192.0.2.7",
    "user_agent": "Firefox <150>",
    "from_email": "old@example.org",
    "to_email": "new@example.org",
    "deleted_email": "old@example.org",
}
FOLDER = Path(__file__).resolve().parent.parent.parent / "templates/account/email"
PREFIXES = sorted(file.name.removesuffix("_subject.txt") for file in FOLDER.glob("*_subject.txt"))
WITH_LINK = [
    "account_already_exists",
    "email_confirmation",
    "email_confirmation_signup",
    "password_reset_key",
    "unknown_account",
]
WITH_CODE = ["login_code", "password_reset_code"]


def parts(prefix: str, **more: str) -> tuple[str, str, str]:
    context = CONTEXT | more
    subject, text, html = (
        render_to_string(f"account/email/{prefix}_{end}", context)
        for end in ("subject.txt", "message.txt", "message.html")
    )
    return subject, text, html


def words(html: str) -> str:
    """What a reader sees of an HTML mail."""
    body = re.sub(r"<title>.*?</title>|<[^>]+>", " ", html[html.index("<body") :])
    return " ".join(body.replace("&nbsp;", " ").split())


@pytest.mark.parametrize("prefix", PREFIXES)
def test_both_parts_say_the_same(prefix: str) -> None:
    subject, text, html = parts(prefix, code="K7WQ" if prefix in WITH_CODE else "")
    assert subject.strip() and len(subject.strip().splitlines()) == 1
    seen = words(html)
    for line in text.split("\n--\n")[0].splitlines():
        for piece in line.split(": ", 1):
            piece = piece.strip().removesuffix(":")
            if not piece.startswith("http"):
                assert piece.replace("<", "&lt;").replace(">", "&gt;") in seen, (
                    f"{piece!r} is only in the text part"
                )
    assert "\n\n\n" not in text.strip() and not re.search(r"[ \t]\n", text)


@pytest.mark.parametrize("prefix", WITH_LINK)
def test_links_are_whole_in_both_parts(prefix: str) -> None:
    _, text, html = parts(prefix)
    assert re.search(rf"^{re.escape(LINK)}$", text, re.MULTILINE), "a line of its own, not escaped"
    assert f'href="{LINK.replace("&", "&amp;")}"' in html


@pytest.mark.parametrize("prefix", [*WITH_CODE, "email_confirmation"])
def test_codes_are_in_both_parts(prefix: str) -> None:
    _, text, html = parts(prefix, code="K7WQ")
    assert re.search(r"^K7WQ$", text, re.MULTILINE)
    assert ">K7WQ</span>" in html


@pytest.mark.parametrize("prefix", PREFIXES)
def test_nothing_is_loaded_from_outside(prefix: str) -> None:
    html = parts(prefix)[2]
    assert not re.search(r"<(img|link|script|iframe)|url\(|@import", html)
    assert "max-width:600px" in html


def test_a_change_tells_when_where_and_what_to_do() -> None:
    _, text, html = parts("password_changed")
    assert "Internet address: 192.0.2.7" in text and "Browser: Firefox <150>" in text
    assert "Firefox &lt;150&gt;" in html
    assert re.search(r"^When: 23 Nov 2026, \d\d:00 \S+$", text, re.MULTILINE)
    assert "Was it not you?" in text
