"""One browser tab in one meeting: what the requests and events of docs/protocol.md section 1 mean.

The consumer holds nothing that cannot be rebuilt: every request asks the services, which ask the database.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from media_gateway.control.consumer import peer_group, room_group
from meetings.live import handlers, media, media_flow, media_handlers
from meetings.live.connection import Handler, RoomConnection
from meetings.live.errors import RoomError
from meetings.live.events import session_group
from meetings.live.guards import present
from meetings.live.models import Participant
from meetings.live.payloads import participant_json, room_state
from meetings.live.presence import people_waiting
from meetings.live.rates import room_bucket
from meetings.permissions.capabilities import Capability
from portal.threads import in_thread


def _state_for(actor: Any) -> tuple[Participant, dict[str, Any]]:
    participant = present(actor)
    return participant, room_state(participant)


def _waiting_for(actor: Any) -> list[dict[str, Any]]:
    return [participant_json(waiting) for waiting in people_waiting(present(actor).session)]


class RoomConsumer(RoomConnection):
    handlers: dict[str, Handler] = {**handlers.HANDLERS, **media_handlers.HANDLERS, **media_flow.HANDLERS}
    slow = {
        "media.connect": "media",
        "media.publish": "media",
        "media.answer": "media",
        "media.restart": "media",
        "media.view": "view",
        "data.send": "data",
        "recording.start": "recording",
        "recording.stop": "recording",
    }
    room_id = ""
    public_id = ""
    generation = 0
    offer_version = 0
    route: media.Target | None = None

    def groups_joined(self) -> list[str]:
        groups = super().groups_joined()
        if self.room_id:
            groups += [
                session_group(self.room_id),
                room_group(self.room_id),
                peer_group(self.room_id, self.public_id),
            ]
        return groups

    # --- coming in ------------------------------------------------------------------------------------
    def speak_for(self, participant: Participant) -> None:
        """From now on this connection is that participant's."""
        self.participant_id = participant.pk
        self.public_id = participant.public_id
        self.actor = replace(self.actor, participant=participant)

    async def enter_room(
        self, plan: media.Plan | None = None
    ) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """RoomState, read after one hears what happens in the room: in this order nothing falls between.

        Beside it what the browser connects its media with, by `plan`; None without, or if that failed.
        """
        assert self.door is not None and self.actor.participant is not None
        self.room_id = str(self.actor.participant.session.room_id)
        groups = (
            session_group(self.room_id),
            room_group(self.room_id),
            peer_group(self.room_id, self.public_id),
        )
        await asyncio.gather(
            self.channel_layer.group_discard(self.door.watch_group, self.channel_name),
            *(self.channel_layer.group_add(group, self.channel_name) for group in groups),
        )
        (participant, state), connected = await asyncio.gather(
            in_thread(_state_for, self.actor), self._media_of(plan)
        )
        self.speak_for(participant)
        self.place = "room"
        self.known = {person["id"] for person in state["participants"]}
        self.room_bucket = room_bucket(self.room_id)
        self.generation = participant.generation
        self.capabilities = frozenset(state["you"]["capabilities"])
        return state, connected

    async def _media_of(self, plan: media.Plan | None) -> dict[str, Any] | None:
        if plan is None:
            return None
        try:
            return await media_handlers.open_media(self, plan)
        except RoomError:
            return None  # who asks by `media.connect` is told why

    # --- from the portal ------------------------------------------------------------------------------
    async def room_event(self, message: dict[str, Any]) -> None:
        """An event as it is, for those who may hear it."""
        if self.place != "room" or (message["only"] and message["only"] not in self.capabilities):
            return
        if message["event"] == "participant.left" and message["data"]["id"] == self.public_id:
            return  # a farewell of its own comes
        if (
            message["event"] == "participant.joined"
            and message["data"]["participant"]["id"] == self.public_id
        ):
            return  # the answer to `join` says so
        await self.event(message["event"], message["data"])
        if message["event"] == "you.updated":
            could_admit = Capability.LOBBY_ADMIT in self.capabilities
            self.capabilities = frozenset(message["data"]["capabilities"])
            if Capability.LOBBY_ADMIT in self.capabilities and not could_admit:
                for waiting in await in_thread(_waiting_for, self.actor):
                    await self.event("lobby.waiting", {"participant": waiting})

    async def room_live(self, message: dict[str, Any]) -> None:
        if self.place in ("door", "lobby"):
            await self.event("live", message["data"])

    async def room_admitted(self, message: dict[str, Any]) -> None:
        if self.place == "lobby":
            state, _ = await self.enter_room()
            await self.event("lobby.admitted", {"state": state})

    async def room_refused(self, message: dict[str, Any]) -> None:
        await self._farewell("lobby.refused", {}, 4403)

    async def room_removed(self, message: dict[str, Any]) -> None:
        await self._farewell("you.removed", {"by": message["by"]}, 4403)

    async def room_ended(self, message: dict[str, Any]) -> None:
        await self._farewell("session.ended", {"reason": message["reason"], "url": message["url"]}, 4410)

    async def room_taken_over(self, message: dict[str, Any]) -> None:
        if self.place != "gone":
            await self.finish(4409)

    async def room_dropped(self, message: dict[str, Any]) -> None:
        """This person was taken for gone: the browser reconnects and joins again by itself."""
        if self.place != "gone":
            await self.finish(4500)

    async def _farewell(self, type: str, data: dict[str, Any], code: int) -> None:
        if self.place in ("lobby", "room"):
            await self.event(type, data)
            await self.finish(code)

    async def room_media_reset(self, message: dict[str, Any]) -> None:
        self.route = None
        if self.place == "room" and message["exclude"] != self.channel_name:
            await self.event("media.reset", {"reason": message["reason"]})

    # --- from the media worker ------------------------------------------------------------------------
    async def gateway_event(self, message: dict[str, Any]) -> None:
        if self.place == "room":
            await media_handlers.pass_on(self, message)
