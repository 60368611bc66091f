"""Chat in the room: who hears it, how long it may be, and how one reads back."""

from __future__ import annotations

from typing import Any

import pytest

from meetings.chat import services
from meetings.chat.models import ChatMessage
from meetings.live.errors import RoomError
from meetings.live.models import Participant
from meetings.permissions.actor import Actor
from tests.meetings.live.conftest import Cast
from tests.meetings.live.tabs import Refusal, Tab, db

pytestmark = pytest.mark.django_db(transaction=True)


async def test_people_outside_the_room_neither_write_nor_read(
    cast: Cast, tab: Any, room: dict[str, Tab]
) -> None:
    await room["Helen"].ask("chat.send", body="internal")
    waiting, looking = await tab("Uma", join={}), await tab("Gina")
    for outsider in (waiting, looking):
        for type, data in (("chat.send", {"body": "hi"}), ("chat.history", {"before": 10_000})):
            with pytest.raises(Refusal, match="not_joined"):
                await outsider.ask(type, **data)
        assert not [frame for frame in await outsider.settle() if frame["type"] == "chat.message"]
    assert await db(ChatMessage.objects.count) == 1


async def test_a_message_reaches_everyone_in_the_room(cast: Cast, room: dict[str, Tab]) -> None:
    body = "Zeile 1\r\nZeile 2 <b>会议</b> 🎉"
    sent = (await room["Sam"].ask("chat.send", body=f"  {body}\n"))["message"]
    assert sent["body"] == body.replace("\r\n", "\n") and sent["name"] == "Sam" and sent["file"] is None
    for one in room.values():
        assert (await one.event("chat.message"))["message"] == sent


@pytest.mark.parametrize(("length", "code"), [(4000, ""), (4001, "too_large")])
async def test_messages_have_a_limit(cast: Cast, room: dict[str, Tab], length: int, code: str) -> None:
    body = "会" * length
    if not code:
        assert (await room["Sam"].ask("chat.send", body=body))["message"]["body"] == body
        return
    with pytest.raises(Refusal, match=code):
        await room["Sam"].ask("chat.send", body=body)
    assert await db(ChatMessage.objects.count) == 0


async def test_history_is_read_back_in_pages_of_fifty(cast: Cast, tab: Any, room: dict[str, Tab]) -> None:
    author = await db(Participant.objects.get, public_id=room["Sam"].me)

    def write() -> None:
        for number in range(120):
            ChatMessage.objects.create(session=author.session, participant=author, body=str(number))

    await db(write)
    back = await tab("Sam")
    await back.join(takeover=True)
    chat = back.state["chat"]
    assert [message["body"] for message in chat["messages"]] == [str(number) for number in range(70, 120)]
    assert chat["has_more"] is True
    older = await back.ask("chat.history", before=chat["messages"][0]["id"])
    assert [message["body"] for message in older["messages"]] == [str(number) for number in range(20, 70)]
    oldest = await back.ask("chat.history", before=older["messages"][0]["id"])
    assert len(oldest["messages"]) == 20 and oldest["has_more"] is False
    assert await back.ask("chat.history", before=oldest["messages"][0]["id"]) == {
        "messages": [],
        "has_more": False,
    }


async def test_nobody_speaks_in_the_name_of_another(cast: Cast, room: dict[str, Tab]) -> None:
    sam = await db(Participant.objects.get, public_id=room["Sam"].me)
    helen = await db(Participant.objects.get, public_id=room["Helen"].me)
    with pytest.raises(RoomError, match="forbidden"):
        await db(services.send_message, helen, "I resign", actor=Actor(participant=sam))
    assert await db(ChatMessage.objects.count) == 0


async def test_after_the_end_nothing_is_written(cast: Cast, room: dict[str, Tab]) -> None:
    sam = await db(Participant.objects.get, public_id=room["Sam"].me)
    await room["Helen"].ask("session.end")
    with pytest.raises(RoomError, match="ended"):
        await db(services.send_message, sam, "one more thing", actor=Actor(participant=sam))
    assert await db(ChatMessage.objects.count) == 0
