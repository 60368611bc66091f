"""People in a meeting, without the road there: for tests that are about the room."""

from __future__ import annotations

import json
from dataclasses import dataclass

from playwright.sync_api import Page

from tests.e2e.codes import Person
from tests.e2e.conftest import StartBrowser
from tests.e2e.people import add_people, sign_in
from tests.e2e.room import wait_phase
from tests.services.stack import PortalStack

HOST = "host@school.example"


@dataclass(frozen=True)
class Booked:
    """A meeting that runs now; `path` is its fixed join link."""

    pk: int
    path: str


def book_now(stack: PortalStack, *, title: str = "Physics 101", lobby: bool = False) -> Booked:
    """A meeting of HOST (an account is made when there is none) that starts now."""
    code = f"""
import json
from accounts.models import User
from django.utils import timezone
from meetings.permissions.actor import Actor
from meetings.scheduling.services import book_meeting
host = User.objects.get(email={HOST!r})
meeting = book_meeting(actor=Actor(user=host), title={title!r}, starts_at=timezone.now(), duration_minutes=60,
                       time_zone="Europe/Berlin", attendees=[], lobby_enabled={lobby}, recording_enabled=True)
print(json.dumps([meeting.pk, meeting.join_path]))
"""
    if (
        not stack.manage(
            "shell",
            "--no-imports",
            "-c",
            f"from accounts.models import User; print(User.objects.filter(email={HOST!r}).count())",
        )
        .strip()
        .endswith("1")
    ):
        add_people(stack, (HOST, "Lin Mei", "staff"))
    return Booked(*json.loads(stack.manage("shell", "--no-imports", "-c", code).splitlines()[-1]))


def join(page: Page, url: str, name: str | None = None, *, wait: str = "in") -> None:
    """Through the pre-join page with camera and microphone on; guests give their `name`."""
    page.goto(url)
    wait_phase(page, "prejoin")
    page.locator("#preview[data-state=video]").wait_for(timeout=15_000)
    if name is not None:
        page.locator("#join-name").fill(name)
    page.locator("#join-button").click()
    wait_phase(page, wait)


def party(
    stack: PortalStack, chromium: StartBrowser, *guests: tuple[str, Person], host: Person, lobby: bool = False
) -> tuple[Booked, list[Page]]:
    """The host and `guests` (name, devices), each in a browser of their own, in the room."""
    booked = book_now(stack, lobby=lobby)
    pages: list[Page] = []
    for name, person in (("", host), *guests):
        page = chromium(person).new_context(permissions=["camera", "microphone"]).new_page()
        if not pages:
            sign_in(page, stack, HOST)
        join(page, stack.url + booked.path, name or None)
        pages.append(page)
    return booked, pages
