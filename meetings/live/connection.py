"""The envelope of the room protocol (docs/protocol.md 1.1 to 1.4): frames, limits, life of one connection.

What requests and events mean is in `consumer.py`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from channels.consumer import get_handler_name
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from django.utils import translation
from django.utils.translation import gettext as _

from meetings.live import joining, services
from meetings.live.door import Door, language_of, open_door
from meetings.live.errors import RoomError
from meetings.live.protocol import CLOSE_FRAME, SILENCE, STRIKES, BadFrame, Request, read_frame
from meetings.live.rates import Budget
from meetings.live.throttle import scope_ip
from meetings.permissions.actor import Actor
from meetings.permissions.decide import Refused
from portal.threads import in_thread

log = logging.getLogger("plenum.live")

TOUCH_EVERY = 10.0  # seconds between two notes in the database that this connection lives
# Slow requests of one connection that may wait for each other, by their queue.
MAX_WAITING = {"data": 128}
MAX_WAITING_ELSE = 8
# asyncio keeps only weak references to tasks; these outlive their consumer.
_background: set[asyncio.Task[None]] = set()


@dataclass
class Reply:
    """Response data, and the code to close with after it, if any."""

    data: dict[str, Any] = field(default_factory=dict)
    close: int | None = None


Handler = Callable[[Any, dict[str, Any]], Awaitable[Reply]]


class RoomConnection(AsyncWebsocketConsumer):
    """Frames in, responses and events out; `handlers` has one coroutine function a request type."""

    handlers: dict[str, Handler] = {}
    # Requests that may take long, with the queue each waits in; all others are done one after the other.
    slow: dict[str, str] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.door: Door | None = None
        self.participant_id: int | None = None
        self.actor = Actor()
        self.place = "door"  # "door", "lobby", "room" or "gone"
        self.capabilities: frozenset[str] = frozenset()
        self.budget = Budget()
        self.queues: dict[str, asyncio.Lock] = {}
        self.waiting: Counter[str] = Counter()
        self.tasks: set[asyncio.Task[None]] = set()
        self.heard_at = self.touched_at = time.monotonic()

    # --- life -----------------------------------------------------------------------------------------
    async def dispatch(self, message: dict[str, Any]) -> None:
        """A fault in one event must not end the connection unexplained: log it, have the browser return."""
        try:
            await getattr(self, get_handler_name(message))(message)
        except StopConsumer:
            raise
        except Exception:
            log.exception("room connection failed on %s", message.get("type"))
            if message.get("type") == "websocket.disconnect":
                raise StopConsumer() from None
            await self.close(code=4500)

    async def connect(self) -> None:
        translation.activate(language_of(self.scope))
        await self.accept()
        try:
            self.door = await in_thread(open_door, self.scope)
        except RoomError as error:
            await self.respond_error(None, error)
            await self.finish({"meeting_cancelled": 4410, "rate_limited": 4429}.get(error.code, 4404))
            return
        self.actor = self.door.visitor.actor
        await self.channel_layer.group_add(self.door.watch_group, self.channel_name)
        await self.event("welcome", self.door.welcome)
        self._spawn(self._watch_silence())

    async def disconnect(self, code: int) -> None:
        for task in list(self.tasks):
            task.cancel()
        participant_id, self.participant_id = self.participant_id, None
        self.place = "gone"
        for group in self.groups_joined():
            await self.channel_layer.group_discard(group, self.channel_name)
        if participant_id is None:
            return
        if await in_thread(services.mark_disconnected, participant_id, self.channel_name):
            task = asyncio.create_task(_let_go_later(participant_id))
            _background.add(task)
            task.add_done_callback(_background.discard)

    def groups_joined(self) -> list[str]:
        return [self.door.watch_group] if self.door else []

    async def finish(self, code: int) -> None:
        """Close for good: what happens to this connection from now on says nothing of the participant."""
        self.place, self.participant_id = "gone", None
        await self.close(code=code)

    async def _watch_silence(self) -> None:
        while True:
            left = self.heard_at + SILENCE - time.monotonic()
            if left <= 0:
                await self.close(code=4408)
                return
            await asyncio.sleep(left)

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    # --- frames in ------------------------------------------------------------------------------------
    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self.place == "gone":
            return
        self.heard_at = time.monotonic()
        if max(len(text_data or ""), len(bytes_data or b"")) > CLOSE_FRAME:
            await self.close(code=1009)
            return
        try:
            if text_data is None:
                raise BadFrame(RoomError("bad_message", _("Only text messages are understood.")))
            request = read_frame(text_data)
        except BadFrame as bad:
            if await self._within_rate(bad.re):
                await self.respond_error(bad.re, bad.error)
            return
        if not await self._within_rate(request.id, request.type if self.place == "room" else ""):
            return
        await self._touch()
        queue = self.slow.get(request.type)
        if queue is None:
            await self._serve(request)
        elif self.waiting[queue] > MAX_WAITING.get(queue, MAX_WAITING_ELSE):
            await self.respond_error(
                request.id, RoomError("rate_limited", _("Please wait for the earlier requests."))
            )
        else:
            self.waiting[queue] += 1
            self._spawn(self._serve_in(queue, request))

    async def _within_rate(self, re: int | None, kind: str = "") -> bool:
        if self.budget.take(kind):
            return True
        await self.respond_error(re, RoomError("rate_limited", _("Too many messages. Please slow down.")))
        if self.budget.strikes >= STRIKES:
            await self.close(code=4429)
        return False

    async def _touch(self) -> None:
        if self.participant_id is not None and self.heard_at - self.touched_at >= TOUCH_EVERY:
            self.touched_at = self.heard_at
            await in_thread(services.touch, self.participant_id, self.channel_name)

    async def _serve_in(self, queue: str, request: Request) -> None:
        try:
            async with self.queues.setdefault(queue, asyncio.Lock()):
                await self._serve(request)
        finally:
            self.waiting[queue] -= 1

    async def _serve(self, request: Request) -> None:
        """Do one request and answer it, whatever happens. No traceback ever reaches a browser."""
        close: int | None = None
        try:
            handler = self.handlers.get(request.type)
            if handler is None:
                raise RoomError("unknown_type", _("This kind of request is not known."))
            reply = await handler(self, request.data)
            await self.send_json({"re": request.id, "ok": True, "data": reply.data})
            close = reply.close
        except Refused as refused:
            decision = refused.decision
            await self.respond_error(
                request.id, RoomError("forbidden", decision.message, rule=decision.rule, who=decision.who)
            )
        except RoomError as error:
            await self.respond_error(request.id, error)
            # The place is lost for good: the browser should not try again by itself.
            close = {"removed": 4403, "refused": 4403, "ended": 4410, "meeting_cancelled": 4410}.get(
                error.code
            )
        except Exception:
            fault = secrets.token_hex(4)
            log.exception("fault %s in %s", fault, request.type)
            message = _("Something went wrong (%(fault)s). Please try again.") % {"fault": fault}
            await self.respond_error(request.id, RoomError("internal", message))
        if close is not None:
            await self.finish(close)

    # --- frames out -----------------------------------------------------------------------------------
    async def send_json(self, frame: dict[str, Any]) -> None:
        await self.send(text_data=json.dumps(frame, ensure_ascii=False, separators=(",", ":")))

    async def respond_error(self, re: int | None, error: RoomError) -> None:
        await self.send_json({"re": re, "ok": False, "error": error.payload()})

    async def event(self, type: str, data: dict[str, Any]) -> None:
        await self.send_json({"type": type, "data": data})

    @property
    def ip(self) -> str | None:
        return scope_ip(self.scope)


async def _let_go_later(participant_id: int) -> None:
    """The in-process clock of a dropped network; `tasks.reap_participants` is its safety net."""
    await asyncio.sleep(joining.LOST_AFTER + 0.1)
    await in_thread(services.mark_lost, participant_id)
