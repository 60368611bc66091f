"""The local mail folder: only for administrators, only its own files, nothing in a mail does anything."""

from __future__ import annotations

import os
import stat

import pytest
from django.conf import settings
from django.core.mail import EmailMessage, EmailMultiAlternatives, get_connection
from django.test import Client

from accounts.models import User
from meetings.invitations import mailfolder
from tests.meetings.scheduling import builders

pytestmark = pytest.mark.django_db
EVIL = "<script>alert(1)</script><form action='https://evil.example'><b>Hi</b>"


@pytest.fixture
def key() -> str:
    mail = EmailMultiAlternatives("Grüße", "Text part\nhttps://example.org/x", to=["Anna <anna@example.org>"])
    mail.attach_alternative(EVIL, "text/html")
    mail.attach_alternative("BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", "text/calendar; method=REQUEST")
    mail.attach("invite.ics", b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", "application/ics")
    get_connection().send_messages([mail])
    (key,) = mailfolder.keys()
    return key


@pytest.fixture
def admin_client(sign_in) -> Client:  # type: ignore[no-untyped-def]
    return sign_in(builders.person("admin"))


def paths(key: str) -> list[str]:
    return ["/mail/", f"/mail/{key}/", f"/mail/{key}/html/", f"/mail/{key}/parts/4/"]


@pytest.mark.parametrize("role", ["staff", "student"])
def test_others_find_nothing(sign_in, key: str, role: str) -> None:  # type: ignore[no-untyped-def]
    client = sign_in(builders.person(role))
    assert [client.get(path).status_code for path in paths(key)] == [404] * 4


def test_strangers_are_asked_to_sign_in(client: Client, key: str) -> None:
    for path in paths(key):
        response = client.get(path)
        assert response.status_code == 302
        assert response["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize(
    "bad", ["x", "..%2f..%2fsecrets", "..", "0" * 32, "../secrets/secret_key", "A" * 32, "\x00"]
)
def test_only_keys_become_paths(admin_client: Client, key: str, bad: str) -> None:
    secret = settings.MAIL_DIR.parent / "secret.eml"
    secret.write_text("Subject: secret\n\nsecret")
    for path in (f"/mail/{bad}/", f"/mail/{bad}/html/", f"/mail/{bad}/parts/0/"):
        assert admin_client.get(path).status_code == 404
    assert mailfolder.read("../secret") is None
    assert mailfolder.read_part("../secret", 0) is None


def test_lists_newest_first(admin_client: Client, key: str) -> None:
    get_connection().send_messages([EmailMessage("Second", "x", to=["b@example.org"])])
    _newest, oldest = mailfolder.keys()
    os.utime(settings.MAIL_DIR / f"{oldest}.eml", ns=(1, 1))
    page = admin_client.get("/mail/").content.decode()
    assert page.index("Second") < page.index("Grüße")
    assert "anna@example.org" in page


def test_shows_text_and_headers_escaped(admin_client: Client, key: str) -> None:
    page = admin_client.get(f"/mail/{key}/?show=text").content.decode()
    assert "Text part" in page
    assert '<a href="https://example.org/x"' in page
    assert "Message-ID" in page
    assert "alert(1)" not in page


def test_html_is_shown_in_a_frame_that_can_do_nothing(admin_client: Client, key: str) -> None:
    page = admin_client.get(f"/mail/{key}/").content.decode()
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in page
    assert "alert(1)" not in page
    framed = admin_client.get(f"/mail/{key}/html/")
    policy = framed["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "sandbox allow-popups allow-popups-to-escape-sandbox" in policy
    assert "frame-ancestors 'self'" in policy
    assert "script-src" not in policy
    assert framed["X-Frame-Options"] == "SAMEORIGIN"
    assert EVIL in framed.content.decode()


def test_parts_are_downloads(admin_client: Client, key: str) -> None:
    stored = mailfolder.read(key)
    assert stored
    assert [part.content_type for part in stored.parts] == ["text/calendar", "application/ics"]
    for part in stored.parts:
        response = admin_client.get(f"/mail/{key}/parts/{part.number}/")
        assert response["Content-Disposition"].startswith("attachment")
        assert b"BEGIN:VCALENDAR" in response.content
    # The HTML part is none, so it cannot be opened as a page of this site.
    for number in (0, 1, 2, 3, 99):
        assert admin_client.get(f"/mail/{key}/parts/{number}/").status_code == 404


def test_an_empty_folder_says_what_to_do(admin_client: Client) -> None:
    assert "SMTP_URL" in admin_client.get("/mail/").content.decode()


def test_files_are_private_and_whole(key: str) -> None:
    (file,) = settings.MAIL_DIR.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(settings.MAIL_DIR.stat().st_mode) == 0o700


def test_a_write_that_fails_leaves_nothing(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(mailfolder.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        get_connection().send_messages([EmailMessage("x", "x", to=["b@example.org"])])
    assert [file.name for file in settings.MAIL_DIR.iterdir()] == [f"{key}.eml"]


def test_a_mail_without_recipient_is_no_mail(admin_client: Client, staff: User) -> None:
    get_connection().send_messages([EmailMessage("x", "x")])
    assert mailfolder.keys() == []
