"""Every page of a portal with the demo school: where it is, who looks, what is done there first."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from playwright.sync_api import Browser, BrowserContext, Page

from tests.services.stack import PortalStack

Step = Callable[[Page], None]


@dataclass(frozen=True)
class School:
    """A filled portal. `sessions`: person → session key; `paths`: page → path."""

    stack: PortalStack
    sessions: dict[str, str]
    paths: dict[str, str]
    session_cookie: str

    def url(self, path: str) -> str:
        """The address of a page of `paths`, or of a path."""
        return self.stack.url + (path if path.startswith("/") else self.paths[path])

    def context(
        self, browser: Browser, who: str = "", *, language: str = "en", **options: object
    ) -> BrowserContext:
        """A browser window signed in as `who` (nobody: "") in that language; `options` as Playwright's."""
        locale = {"en": "en-GB", "zh-hans": "zh-CN"}[language]
        made = browser.new_context(locale=locale, base_url=self.stack.url, **options)  # type: ignore[arg-type]
        cookies = {"django_language": language}
        if who:
            cookies[self.session_cookie] = self.sessions[who]
        made.add_cookies(
            [{"name": name, "value": value, "url": self.stack.url} for name, value in cookies.items()]
        )
        return made


def fill(stack: PortalStack) -> School:
    """Put the demo school into `stack`, and what it lacks."""
    stack.manage("demo")
    code = "from tests.e2e.school_rows import show; show()"
    told = json.loads(stack.manage("shell", "--no-imports", "-c", code).splitlines()[-1])
    return School(stack, told["sessions"], told["paths"], told["names"]["session_cookie"])


@dataclass(frozen=True)
class Shown:
    """A page: `path` as School.url takes it, `who` looks (nobody: ""), `steps` bring it into its state."""

    name: str
    path: str
    who: str = "lin"
    steps: Step | None = None
    status: int = 200


def open_picker(page: Page) -> None:
    """The booking form with people chosen and suggestions open."""
    page.get_by_role("textbox").first.fill("Physics 101: light as a wave")
    people = page.locator("[data-people] input[role=combobox]")
    for address in ("sara.yilmaz@example.org", "jonas.okafor@example.org"):
        people.fill(address)
        people.press("Enter")
    people.press_sequentially("an", delay=30)
    page.locator("[role=listbox] [role=option]").first.wait_for()
    people.scroll_into_view_if_needed()


def refuse_booking(page: Page) -> None:
    """The booking form with its mistakes shown."""
    page.locator("form.card input[name=title]").fill("Board")
    page.locator("form.card input[name=time]").fill("")
    page.locator("form.card").evaluate("(form) => { form.noValidate = true; }")
    page.locator("form.card .form-actions button").first.click()
    page.locator(".errorlist, [aria-invalid=true]").first.wait_for()


def collide(page: Page) -> None:
    """The minutes' editor after somebody else saved."""
    other = page.context.new_page()
    other.goto(page.url)
    other.locator("textarea[name$=summary]").fill(
        "Two hulls were offered. We take the smaller one; it fits the van."
    )
    other.locator(".minutes-save button").first.click()
    other.wait_for_url("**/minutes/*/")
    other.close()
    page.locator("textarea[name$=summary]").fill("We take the smaller hull. Money is open.")
    page.locator(".minutes-save button").first.click()
    page.locator("main [role=alert]").first.wait_for()


def show_menu(page: Page) -> None:
    """The menu below one's own name, or the sheet of a phone."""
    page.locator(".user-button, [popovertarget=more-menu]").locator("visible=true").first.click()


def make_key(page: Page) -> None:
    """The streams of a meeting just after a key was made."""
    page.locator("#publish .stream-new:not([open]) summary").click()
    page.locator("input[name=publish-name]").fill("Film of the experiment")
    page.locator("#publish .form-actions button").click()
    page.locator(".stream-made").wait_for()


ENTRANCE = (
    Shown("landing", "/", ""),
    Shown("sign-in", "/accounts/login/", ""),
    Shown("sign-up", "/accounts/signup/", ""),
    Shown("password-reset", "/accounts/password/reset/", ""),
    Shown("password-reset-sent", "/accounts/password/reset/done/", ""),
    Shown("password-new", "new-password", ""),
    Shown("password-new-done", "/accounts/password/reset/key/done/", ""),
    Shown("email-sent", "/accounts/confirm-email/", ""),
    Shown("email-confirm", "confirm", ""),
    Shown("inactive", "/accounts/inactive/", ""),
    Shown("link-refused", "/j/cut-off/", "", status=403),
    Shown("meeting-closed", "closed", "", status=410),
    Shown("code-unknown", "/join/?code=bcd-fghj-kmn", "", status=404),
    Shown("404", "/no/such/page/", "", status=404),
)
PORTAL = (
    Shown("dashboard", "/"),
    Shown("meetings", "/meetings/"),
    Shown("meetings-past", "/meetings/?show=past"),
    Shown("meetings-cancelled", "/meetings/?show=cancelled"),
    Shown("booking", "/meetings/new/"),
    Shown("people-picker", "/meetings/new/", steps=open_picker),
    Shown("booking-mistakes", "/meetings/new/", steps=refuse_booking),
    Shown("meeting", "meeting"),
    Shown("meeting-edit", "edit"),
    Shown("meeting-cancel", "cancel"),
    Shown("streams", "streams"),
    Shown("streams-made", "streams", steps=make_key),
    Shown("meeting-held", "held"),
    Shown("meeting-cancelled", "cancelled"),
    Shown("left", "left"),
    Shown("minutes-list", "/minutes/"),
    Shown("minutes", "minutes"),
    Shown("minutes-draft", "draft"),
    Shown("minutes-edit", "minutes-edit"),
    Shown("actions", "/actions/"),
    Shown("actions-done", "/actions/?done=1"),
    Shown("recordings", "/recordings/"),
    Shown("recording", "recording-ready"),
    Shown("recording-composing", "recording-composing"),
    Shown("recording-failed", "recording-failed"),
    Shown("recording-delete", "recording-delete"),
    Shown("settings", "/settings/"),
    Shown("email", "/accounts/email/"),
    Shown("password-change", "/accounts/password/change/"),
    Shown("sign-out", "/accounts/logout/"),
    Shown("menu", "/", steps=show_menu),
    Shown("meeting-invited", "meeting", "sara"),
    Shown("403", "/meetings/new/", "sara", status=403),
)
ADMIN = (
    Shown("dashboard-empty", "/", "admin"),
    Shown("meetings-empty", "/meetings/", "admin"),
    Shown("minutes-empty", "/minutes/", "admin"),
    Shown("actions-empty", "/actions/", "admin"),
    Shown("recordings-empty", "/recordings/", "admin"),
    Shown("mail", "/mail/", "admin"),
    Shown("mail-message", "mail", "admin"),
    Shown("admin", "/admin/", "admin"),
    Shown("admin-people", "/admin/accounts/user/", "admin"),
    Shown("admin-person", "admin-user", "admin"),
    Shown("admin-meetings", "/admin/meetings/meeting/", "admin"),
    Shown("admin-meeting", "admin-meeting", "admin"),
    Shown("admin-sessions", "/admin/meetings/session/", "admin"),
    Shown("admin-recordings", "/admin/meetings/recording/", "admin"),
    Shown("admin-nodes", "/admin/media_gateway/medianode/", "admin"),
    Shown("admin-audit", "/admin/accounts/auditentry/", "admin"),
    Shown("styleguide", "/styleguide/", "admin"),
)
# Changes the minutes, so it comes last.
CHANGING = (Shown("minutes-conflict", "minutes-edit", steps=collide, status=409),)
PAGES = (*ENTRANCE, *PORTAL, *ADMIN, *CHANGING)
# Those looked at in the other theme and the other language too.
MAIN = ("dashboard", "meeting", "booking", "minutes", "streams", "prejoin")
