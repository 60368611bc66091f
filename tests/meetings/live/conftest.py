"""A booked meeting, its people with their browsers, and tabs that are closed at the end."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from asgiref.sync import sync_to_async
from channels.layers import channel_layers
from django.db import connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from meetings.invitations.models import Invitation
from meetings.live import connection
from meetings.live.identity import GUEST_KEY
from meetings.permissions.actor import INVITATIONS_KEY
from meetings.scheduling.models import Meeting
from tests.meetings.live.tabs import FakeWorker, Tab, cookie_of


@pytest.fixture(autouse=True)
def _own_channel_layer() -> Iterator[None]:
    """Queues belong to one event loop, and each test has its own."""
    channel_layers.backends.clear()
    yield
    channel_layers.backends.clear()


@pytest_asyncio.fixture(autouse=True)
async def _no_idle_connections() -> AsyncIterator[None]:
    """The testing communicator keeps Channels from closing its own connection; PostgreSQL minds later."""
    yield
    await sync_to_async(connections.close_all)()


@dataclass
class Cast:
    """The people of the tests.

    `cookie` of someone who is nobody's key: a browser that opened the room page.
    """

    meeting: Meeting
    host: User
    cohost: User
    student: User
    stranger: User
    guest_invitation: Invitation
    cookies: dict[str, str] = field(default_factory=dict)

    def browser(self, name: str) -> str:
        return self.cookies[name]


def make_user(name: str, role: str = "student") -> User:
    return User.objects.create_user(f"{name.lower()}@example.org", "correct horse", name=name, role=role)


def make_meeting(host: User, **fields: Any) -> Meeting:
    start = timezone.now() + dt.timedelta(minutes=5)
    values = {
        "title": "Weekly",
        "starts_at": start,
        "duration_minutes": 30,
        "time_zone": "Europe/Berlin",
        **fields,
    }
    return Meeting.objects.create(organizer=host, **values)


def guest_cookie(guest_id: str) -> str:
    client = Client()
    session = client.session
    session[GUEST_KEY] = guest_id
    session.save()
    return cookie_of(client)


def invitation_cookie(invitation: Invitation) -> str:
    client = Client()
    session = client.session
    session[INVITATIONS_KEY] = {str(invitation.meeting_id): [invitation.pk, invitation.nonce]}
    session.save()
    return cookie_of(client)


def user_cookie(user: User) -> str:
    client = Client()
    client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return cookie_of(client)


@pytest.fixture
def cast(transactional_db: None) -> Cast:
    host, cohost = make_user("Helen", "staff"), make_user("Carl", "staff")
    student, stranger = make_user("Sam"), make_user("Uma")
    meeting = make_meeting(host)
    Invitation.objects.create(meeting=meeting, user=cohost, email=cohost.email, role="cohost")
    Invitation.objects.create(meeting=meeting, user=student, email=student.email)
    guest = Invitation.objects.create(meeting=meeting, email="gina@example.com", name="Gina")
    cookies = {user.name: user_cookie(user) for user in (host, cohost, student, stranger)}
    cookies["Gina"] = invitation_cookie(guest)
    cookies["walk-in"] = guest_cookie("aaaa0000")
    cookies["walk-in 2"] = guest_cookie("bbbb1111")
    return Cast(meeting, host, cohost, student, stranger, guest, cookies)


Opener = Callable[..., Any]


@pytest_asyncio.fixture
async def tab(cast: Cast) -> AsyncIterator[Opener]:
    """`await tab("Helen")` is a connected tab of that person; `join={…}` joins too. All are dropped at the
    end.
    """
    tabs: list[Tab] = []

    async def open_tab(who: str, *, join: dict[str, Any] | None = None, code: str = "") -> Tab:
        opened = Tab(code or cast.meeting.code, cast.cookies.get(who, ""))
        tabs.append(opened)
        await opened.open()
        if join is not None:
            await opened.join(**join)
        return opened

    yield open_tab
    for opened in tabs:
        if not opened.is_closed:
            with contextlib.suppress(Exception):
                await opened.drop()
    for task in list(connection._background):
        task.cancel()
    await asyncio.gather(*connection._background, return_exceptions=True)


@pytest_asyncio.fixture
async def worker(cast: Cast) -> AsyncIterator[FakeWorker]:
    fake = await FakeWorker().start()
    yield fake
    await fake.stop()


@pytest_asyncio.fixture
async def room(tab: Opener, worker: FakeWorker) -> dict[str, Tab]:
    """Helen (host), Sam (invited) and a walk-in guest in the room, the lobby behind them."""
    helen = await tab("Helen", join={})
    people = {"Helen": helen}
    for who, data in (("Sam", {}), ("walk-in", {"name": "Wanda"})):
        person = await tab(who, join=data)
        await helen.ask("lobby.admit", participant=person.me)
        person.state = (await person.event("lobby.admitted"))["state"]
        people[who] = person
    for person in people.values():
        await person.settle()
        person.events.clear()
    return people


@pytest.fixture
def room_path(cast: Cast) -> str:
    return reverse("meetings:room", args=[cast.meeting.code])
