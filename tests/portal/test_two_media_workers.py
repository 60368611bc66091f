"""Two media workers as real processes: rooms spread, move when one dies, and stay while one is drained."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.services.stack import ROOT, PortalStack, portal_stack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

# The administrator holds three meetings at once; each line is a join code, the last one the key of a session.
PREPARE = """
import datetime as dt
from importlib import import_module
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.utils import timezone
from accounts.models import User
from meetings.scheduling.models import Meeting
host = User.objects.get(email="admin@plenum.local")
for number in range(3):
    print(Meeting.objects.create(organizer=host, title=f"Room {number}", starts_at=timezone.now(),
                                 duration_minutes=60, time_zone="UTC").code)
session = import_module(settings.SESSION_ENGINE).SessionStore()
session[SESSION_KEY] = str(host.pk)
session[BACKEND_SESSION_KEY] = "allauth.account.auth_backends.AuthenticationBackend"
session[HASH_SESSION_KEY] = host.get_session_auth_hash()
session.save()
print(session.session_key)
"""


class Tab:
    """A browser's WebSocket in one meeting."""

    def __init__(self, link: ClientConnection) -> None:
        self.link = link
        self.events: list[dict[str, Any]] = []
        self.last_id = 0

    @classmethod
    async def open(cls, stack: PortalStack, code: str, key: str) -> Tab:
        link = await connect(
            f"ws://127.0.0.1:{stack.port}/ws/room/{code}/",
            origin=stack.url,  # type: ignore[arg-type]
            additional_headers={
                "Cookie": f"plenum_session_{stack.port}={key}",
                "Host": f"localhost:{stack.port}",
            },
            proxy=None,
        )
        tab = cls(link)
        await tab.event("welcome")
        assert (await tab.ask("join", mic=False, camera=False))["status"] == "in"
        return tab

    async def _frame(self) -> dict[str, Any]:
        async with asyncio.timeout(30):
            return json.loads(await self.link.recv())

    async def ask(self, type: str, **data: Any) -> dict[str, Any]:
        self.last_id += 1
        await self.link.send(json.dumps({"id": self.last_id, "type": type, "data": data}))
        while True:
            frame = await self._frame()
            if frame.get("re") == self.last_id:
                assert frame["ok"], frame
                return frame["data"]
            self.events.append(frame)

    async def event(self, type: str) -> dict[str, Any]:
        while True:
            for index, frame in enumerate(self.events):
                if frame["type"] == type:
                    return self.events.pop(index)["data"]
            self.events.append(await self._frame())


@pytest.fixture(scope="module")
def stack() -> Iterator[PortalStack]:
    with portal_stack(media_workers=2) as running:
        yield running


def node_of(stack: PortalStack, title: str) -> str:
    (node,) = stack.column(
        "SELECT node FROM meetings_session s JOIN meetings_meeting m ON m.id = s.meeting_id"
        f" WHERE s.ended_at IS NULL AND m.title = '{title}'"
    )
    return node


def instance_of(stack: PortalStack, node: str) -> str:
    (instance,) = stack.column(f"SELECT instance FROM media_gateway_medianode WHERE name = '{node}'")
    return instance


async def connected(tab: Tab) -> int:
    """Connect media as a browser does, again while the worker is changing; the generation."""
    for _ in range(50):
        try:
            return (await tab.ask("media.connect"))["generation"]
        except AssertionError:
            await asyncio.sleep(0.2)
    raise AssertionError("no media within ten seconds")


async def test_rooms_spread_move_and_are_emptied(stack: PortalStack) -> None:
    *codes, key = stack.manage("shell", "-v", "0", "-c", PREPARE).split()
    first, second = [await Tab.open(stack, code, key) for code in codes[:2]]
    for tab in (first, second):
        assert await connected(tab) == 1
    homes = {title: node_of(stack, title) for title in ("Room 0", "Room 1")}
    assert len(set(homes.values())) == 2, "one room each"

    # One worker is killed: its room is told and lives on, the other's hears nothing of it.
    process = homes["Room 0"][-7:]
    before = instance_of(stack, homes["Room 0"])
    os.kill(stack.processes[process], signal.SIGKILL)
    assert (await first.event("media.reset"))["reason"] == "node_down"
    assert await connected(first) >= 2
    assert node_of(stack, "Room 0") in homes.values()
    await second.ask("ping", t=1)
    assert "media.reset" not in [frame["type"] for frame in second.events]
    stack.wait_for(stack.workers_are_up, "both workers are there again")
    assert instance_of(stack, homes["Room 0"]) != before

    # The other worker is to be upgraded: its room goes on, new ones go elsewhere, it waits until it is empty.
    node = homes["Room 1"]
    pid, before = stack.processes[node[-7:]], instance_of(stack, node)
    draining = await asyncio.create_subprocess_exec(
        *(
            sys.executable,
            str(ROOT / "manage.py"),
            "media_drain",
            node,
            "--restart",
            "--wait",
            "--timeout",
            "90",
        ),
        env=stack.env,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    states = "SELECT state FROM media_gateway_medianode WHERE name = '{}'"
    for _ in range(300):
        if stack.column(states.format(node)) == ["restarting"]:
            break
        await asyncio.sleep(0.1)
    third = await Tab.open(stack, codes[2], key)
    assert await connected(third) == 1
    assert node_of(stack, "Room 2") != node
    await asyncio.sleep(4)
    assert draining.returncode is None and stack.processes[node[-7:]] == pid
    assert (await second.ask("media.connect"))["generation"] == 2, "its room goes on"

    if node_of(stack, "Room 0") == node:
        await first.ask("session.end")
    await second.ask("session.end")
    said, _ = await asyncio.wait_for(draining.communicate(), 100)
    assert draining.returncode == 0 and f"{node} has started anew" in said.decode(), said.decode()
    assert instance_of(stack, node) != before
    stack.wait_for(stack.workers_are_up, "it takes rooms again")
    assert stack.processes[node[-7:]] != pid
    assert "is empty as it was told to be" in stack.log
    await third.ask("session.end")
    assert "Traceback" not in stack.log
