"""All templates parse and obey the Content-Security-Policy; the sign-in pages say what they should."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.template.loader import get_template
from django.test import Client, override_settings
from django.urls import path
from PIL import Image

from accounts.models import User
from portal.urls import urlpatterns as portal_urls


def break_down(request: object) -> None:
    raise RuntimeError("a page that breaks")


urlpatterns = [path("broken/", break_down), *portal_urls]


def templates(root: Path) -> list[str]:
    folder = root / "templates"
    return sorted(
        str(file.relative_to(folder)) for file in folder.rglob("*") if file.suffix in (".html", ".txt")
    )


def test_every_template_can_be_parsed(root: Path) -> None:
    names = templates(root)
    assert len(names) > 80
    for name in names:
        get_template(name)


def test_pages_have_no_inline_script_style_or_handler(root: Path) -> None:
    wrong = []
    for name in templates(root):
        if name.endswith(".txt") or "email" in name.split("/")[-2:][0]:
            continue  # mails have inline styles, as mail programs know nothing else
        text = (root / "templates" / name).read_text()
        if re.search(r"\sstyle=|<style|\son[a-z]+=[\"']|javascript:", text):
            wrong.append(name)
        for script in re.findall(r"<script\b[^>]*>", text):
            if "src=" not in script and "json" not in script and "importmap" not in script:
                wrong.append(name)
    assert wrong == []


def test_no_template_comment_leaks(root: Path) -> None:
    """`{# … #}` is a comment on one line only; over two lines it is text on the page."""
    leaking = [
        name
        for name in templates(root)
        for line in (root / "templates" / name).read_text().splitlines()
        if "{#" in line and "#}" not in line
    ]
    assert leaking == []


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("/accounts/login/", "Forgot your password?"),
        ("/accounts/signup/", "Create an account"),
        ("/accounts/password/reset/", "Send the link"),
        ("/accounts/password/reset/done/", "Look into your mailbox"),
        ("/accounts/password/reset/key/1-set-password/", "This link does not work any more"),
        ("/accounts/password/reset/key/done/", "Your password is changed"),
        ("/accounts/confirm-email/", "Confirm your e-mail address"),
        ("/accounts/confirm-email/forged/", "This link does not work any more"),
        ("/accounts/inactive/", "This account is closed"),
    ],
)
def test_pages_before_sign_in(client: Client, db: None, address: str, says: str) -> None:
    answer = client.get(address)
    html = answer.content.decode()
    assert says in html
    assert html.count("<h1") == 1 and "<main" in html and 'class="skip-link"' in html
    assert '<html lang="en"' in html


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("/accounts/email/", "Use another address"),
        ("/accounts/password/change/", "Change your password"),
        ("/accounts/logout/", "You are signed in as Lin Mei"),
        ("/accounts/reauthenticate/", "Is it you?"),
    ],
)
def test_pages_after_sign_in(client: Client, admin: User, address: str, says: str) -> None:
    EmailAddress.objects.create(user=admin, email=admin.email, verified=True, primary=True)
    client.force_login(admin)
    html = client.get(address).content.decode()
    assert says in html
    assert html.count("<h1") == 1


def test_a_wrong_password_keeps_the_address_and_tells_all(client: Client, student: User) -> None:
    html = client.post("/accounts/login/", {"login": "wang@example.org", "password": "no"}).content.decode()
    assert 'value="wang@example.org"' in html
    assert "nonfield" in html


def test_the_language_switch_comes_back_in_chinese(client: Client, db: None) -> None:
    html = client.get("/accounts/login/").content.decode()
    assert "简体中文" in html and "English" in html
    client.post("/i18n/setlang/", {"language": "zh-hans", "next": "/accounts/login/"})
    chinese = client.get("/accounts/login/").content.decode()
    assert '<html lang="zh-hans"' in chinese
    assert "English" in chinese, "languages are named in themselves"


def test_a_missing_page_is_the_portals_own(client: Client, db: None) -> None:
    answer = client.get("/no/such/page/")
    assert answer.status_code == 404
    assert "There is no page at this address." in answer.content.decode()


def test_the_web_manifest_names_icons_that_exist(client: Client, root: Path) -> None:
    answer = client.get("/manifest.webmanifest")
    assert answer["Content-Type"] == "application/manifest+json"
    icons = json.loads(answer.content)["icons"]
    assert {icon["sizes"] for icon in icons} == {"192x192", "512x512"}
    for icon in icons:
        with Image.open(root / icon["src"].lstrip("/")) as image:
            assert f"{image.width}x{image.height}" == icon["sizes"]


def test_an_expired_form_says_nothing_was_saved(db: None) -> None:
    answer = Client(enforce_csrf_checks=True).post("/accounts/login/", {"login": "x"})
    assert answer.status_code == 403
    assert "Nothing was saved" in answer.content.decode()


@override_settings(ROOT_URLCONF="tests.design.test_templates")
def test_a_broken_page_says_what_is_kept(db: None) -> None:
    client = Client(raise_request_exception=False)
    answer = client.get("/broken/")
    assert answer.status_code == 500
    assert "What was saved before is kept." in answer.content.decode()


def test_password_reset_by_mail_from_end_to_end(client: Client, student: User) -> None:
    EmailAddress.objects.create(user=student, email=student.email, verified=True, primary=True)
    client.post("/accounts/password/reset/", {"email": student.email})
    (letter,) = mail.outbox
    assert letter.subject == "Choose a new password"
    link = re.search(r"https?://[^/]+(/accounts/password/reset/key/\S+)", str(letter.body))
    assert link
    page = client.get(link.group(1), follow=True)
    assert "Choose a new password" in page.content.decode()
    form_address = page.request["PATH_INFO"]
    new = {"password1": "another-long-one-7", "password2": "another-long-one-7"}
    done = client.post(form_address, new, follow=True)
    assert "Your password is changed" in done.content.decode()
    student.refresh_from_db()
    assert student.check_password("another-long-one-7")
