"""Accounts for the tests of the whole portal."""

from __future__ import annotations

import json

from playwright.sync_api import Page

from tests.services.stack import PortalStack

PASSWORD = "waves and 42 interference"


def add_people(stack: PortalStack, *people: tuple[str, str, str]) -> None:
    """Accounts (e-mail, name, role) with a confirmed address and PASSWORD."""
    code = (
        "import json, sys\n"
        "from accounts.models import User\n"
        "from allauth.account.models import EmailAddress\n"
        f"for email, name, role in json.loads({json.dumps(json.dumps(people))}):\n"
        f"    user = User.objects.create_user(email, {PASSWORD!r}, name=name, role=role,\n"
        "        language='en', time_zone='Asia/Shanghai')\n"
        "    EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)\n"
    )
    stack.manage("shell", "--no-imports", "-c", code)


def sign_in(page: Page, stack: PortalStack, email: str) -> None:
    page.goto(f"{stack.url}/accounts/login/")
    page.get_by_label("Email").or_(page.get_by_label("E-mail")).first.fill(email)
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("main form button[type=submit], main form button:not([type])").first.click()
    page.wait_for_url(f"{stack.url}/**")
    page.locator(".page-title, h1").first.wait_for()
