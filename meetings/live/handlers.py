"""One coroutine a request type: checks the form of the data, calls the service, shapes the response."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from meetings.chat import services as chat
from meetings.chat.payloads import history_json, message_json
from meetings.live import media, protocol, services
from meetings.live.connection import Handler, Reply
from meetings.live.door import visitor_now
from meetings.live.errors import RoomError
from meetings.live.guards import present
from meetings.live.media import SOURCES
from meetings.live.models import Participant, Session
from meetings.live.payloads import now_iso, participant_json, recording_json
from meetings.permissions.actor import Actor
from meetings.scheduling.models import Meeting
from portal.threads import Left, in_background, in_thread

MAX_BODY = 4000


def _join(
    scope: Any, meeting: Meeting, wish: services.JoinRequest, channel: str, with_media: bool
) -> tuple[Participant, Actor, media.Plan | None]:
    visitor = visitor_now(scope, meeting)
    with transaction.atomic():
        participant = services.join_session(visitor, wish, channel=channel)
        is_in = participant.state == Participant.State.IN
        plan = _media_plan(participant) if with_media and is_in else None
    return participant, visitor.actor, plan


def _media_plan(participant: Participant) -> media.Plan | None:
    try:
        with transaction.atomic():
            return media.plan_for(participant)
    except RoomError:
        return None  # no reason not to come in: the browser asks again, and is told why


async def join(consumer: Any, data: dict[str, Any]) -> Reply:
    if consumer.place != "door":
        raise RoomError("already_joined", _("You have joined already."))
    wish = services.JoinRequest(
        name=protocol.text(data, "name", limit=1000) if data.get("name") is not None else None,
        resume=protocol.text(data, "resume", limit=100) if data.get("resume") is not None else "",
        takeover=protocol.flag(data, "takeover", False),
        mic=protocol.flag(data, "mic", False),
        camera=protocol.flag(data, "camera", False),
        screen=protocol.flag(data, "screen") if data.get("screen") is not None else None,
    )
    with_media = protocol.flag(data, "media", False)
    meeting = consumer.door.visitor.meeting
    news = Left()
    try:
        participant, consumer.actor, plan = await news.after(
            _join, consumer.scope, meeting, wish, consumer.channel_name, with_media
        )
        consumer.speak_for(participant)
        if participant.state == Participant.State.IN:
            state, connected = await consumer.enter_room(plan)
            told = {"status": "in", "state": state}
            return Reply({**told, "media": connected} if with_media else told)
    finally:
        # Who comes in is answered first: what others do with the news takes time from this one's picture.
        in_background(news.do())
    consumer.place = "lobby"
    return Reply(
        {"status": "lobby", "participant": participant_json(participant), "resume": participant.resume_key}
    )


async def leave(consumer: Any, data: dict[str, Any]) -> Reply:
    await in_thread(services.leave_session, actor=consumer.actor)
    return Reply(close=1000)


async def ping(consumer: Any, data: dict[str, Any]) -> Reply:
    return Reply({"t": protocol.moment(data, "t"), "server_time": now_iso()})


async def update_me(consumer: Any, data: dict[str, Any]) -> Reply:
    wishes = {name: protocol.flag(data, name) for name in ("mic", "camera", "screen", "hand") if name in data}
    participant = await in_thread(services.set_own_state, actor=consumer.actor, **wishes)
    return Reply({"participant": participant_json(participant)})


def _say(body: str, actor: Actor) -> dict[str, Any]:
    return message_json(chat.send_message(present(actor), body, actor=actor))


async def send_chat(consumer: Any, data: dict[str, Any]) -> Reply:
    body = protocol.text(data, "body", limit=MAX_BODY)
    return Reply({"message": await in_thread(_say, body, consumer.actor)})


def _read_back(before: int, actor: Actor) -> dict[str, Any]:
    return history_json(chat.readable_session(actor), before=before)


async def chat_history(consumer: Any, data: dict[str, Any]) -> Reply:
    return Reply(await in_thread(_read_back, protocol.number(data, "before"), consumer.actor))


async def admit(consumer: Any, data: dict[str, Any]) -> Reply:
    await in_thread(services.admit, protocol.participant_id(data), actor=consumer.actor)
    return Reply()


async def admit_all(consumer: Any, data: dict[str, Any]) -> Reply:
    return Reply({"admitted": await in_thread(services.admit_all, actor=consumer.actor)})


async def refuse(consumer: Any, data: dict[str, Any]) -> Reply:
    await in_thread(services.refuse, protocol.participant_id(data), actor=consumer.actor)
    return Reply()


async def mute(consumer: Any, data: dict[str, Any]) -> Reply:
    source = protocol.choice(data, "source", SOURCES)
    await in_thread(services.mute_participant, protocol.participant_id(data), source, actor=consumer.actor)
    return Reply()


async def mute_all(consumer: Any, data: dict[str, Any]) -> Reply:
    return Reply({"muted": await in_thread(services.mute_all, actor=consumer.actor)})


async def remove(consumer: Any, data: dict[str, Any]) -> Reply:
    await in_thread(services.remove_participant, protocol.participant_id(data), actor=consumer.actor)
    return Reply()


async def promote(consumer: Any, data: dict[str, Any]) -> Reply:
    role = protocol.choice(data, "role", ("cohost", "participant"))
    target = await in_thread(services.promote, protocol.participant_id(data), role, actor=consumer.actor)
    return Reply({"participant": participant_json(target)})


async def lower_hand(consumer: Any, data: dict[str, Any]) -> Reply:
    await in_thread(services.lower_hand, protocol.participant_id(data), actor=consumer.actor)
    return Reply()


def _own_session(actor: Actor) -> tuple[Session, Actor]:
    participant = present(actor)
    return participant.session, Actor(actor.user, actor.invitation, participant, actor.ip)


def _start_recording(actor: Actor) -> dict[str, Any] | None:
    from meetings.recordings.services import start_recording

    session, actor = _own_session(actor)
    return recording_json(start_recording(session, actor=actor))


def _stop_recording(actor: Actor) -> dict[str, Any] | None:
    from meetings.recordings.services import stop_recording

    session, actor = _own_session(actor)
    return recording_json(stop_recording(session, actor=actor))


async def start_recording(consumer: Any, data: dict[str, Any]) -> Reply:
    return Reply({"recording": await in_thread(_start_recording, consumer.actor)})


async def stop_recording(consumer: Any, data: dict[str, Any]) -> Reply:
    return Reply({"recording": await in_thread(_stop_recording, consumer.actor)})


def _end(actor: Actor) -> None:
    session, actor = _own_session(actor)
    services.end_session(session, actor=actor)


async def end(consumer: Any, data: dict[str, Any]) -> Reply:
    await in_thread(_end, consumer.actor)
    return Reply()


HANDLERS: dict[str, Handler] = {
    "join": join,
    "leave": leave,
    "ping": ping,
    "me.update": update_me,
    "chat.send": send_chat,
    "chat.history": chat_history,
    "lobby.admit": admit,
    "lobby.admit_all": admit_all,
    "lobby.refuse": refuse,
    "participant.mute": mute,
    "participant.mute_all": mute_all,
    "participant.remove": remove,
    "participant.promote": promote,
    "participant.lower_hand": lower_hand,
    "recording.start": start_recording,
    "recording.stop": stop_recording,
    "session.end": end,
}
