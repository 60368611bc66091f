"""Coming in: who waits, who enters, who is refused, and what stays unchanged then."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import AuditEntry
from meetings.live.joining import announce_live
from meetings.live.models import Attendance, Participant, Session
from meetings.permissions.actor import Actor
from meetings.recordings.models import Recording
from meetings.scheduling.models import Meeting
from meetings.scheduling.services import cancel_meeting
from tests.meetings.live.conftest import Cast
from tests.meetings.live.tabs import Refusal, Tab, db

pytestmark = pytest.mark.django_db(transaction=True)


def count_rows() -> tuple[int, int]:
    return Session.objects.count(), Participant.objects.count()


async def test_an_unknown_code_closes_with_4404_and_leaves_nothing(cast: Cast) -> None:
    stranger = Tab("xxx-xxxx-xxx", cast.cookies["Uma"])
    await stranger.socket.connect()
    refusal = await stranger.response()
    assert refusal["re"] is None and refusal["error"]["code"] == "not_found"
    assert await stranger.close_code() == 4404
    assert await db(count_rows) == (0, 0)


async def test_guessing_codes_is_stopped_for_strangers_but_not_for_known_people(cast: Cast, tab: Any) -> None:
    for _ in range(30):
        guess = Tab("xxx-xxxx-xxx")
        await guess.socket.connect()
        assert await guess.close_code() == 4404
    blocked = Tab(cast.meeting.code)
    await blocked.socket.connect()
    assert (await blocked.response())["error"]["code"] == "rate_limited"
    assert await blocked.close_code() == 4429
    await tab("Sam")


async def test_a_cancelled_meeting_closes_with_4410(cast: Cast) -> None:
    await db(Meeting.objects.filter(pk=cast.meeting.pk).update, status="cancelled")
    late = Tab(cast.meeting.code, cast.cookies["Helen"])
    await late.socket.connect()
    assert (await late.response())["error"]["code"] == "meeting_cancelled"
    assert await late.close_code() == 4410


async def test_a_meeting_cancelled_after_the_page_was_opened_cannot_be_joined(cast: Cast, tab: Any) -> None:
    helen = await tab("Helen")
    await db(Meeting.objects.filter(pk=cast.meeting.pk).update, status="cancelled")
    with pytest.raises(Refusal, match="meeting_cancelled"):
        await helen.join()
    assert await helen.close_code() == 4410
    assert await db(count_rows) == (0, 0)


async def test_welcome_tells_who_one_is_and_whether_one_will_wait(cast: Cast) -> None:
    expected = {
        "Helen": ("Helen", True, "host", False),
        "Carl": ("Carl", True, "cohost", False),
        "Sam": ("Sam", True, "participant", True),
        "Gina": ("Gina", True, "participant", True),
        "Uma": ("Uma", True, "guest", True),
        "walk-in": ("", False, "guest", True),
    }
    for who, (name, known, role, lobby) in expected.items():
        tab = Tab(cast.meeting.code, cast.cookies[who])
        welcome = await tab.open()
        assert welcome["you"] == {"name": name, "known": known, "role": role, "lobby": lobby}, who
        assert (
            welcome["live"] == {"count": 0, "started_at": None, "recording": False}
            and welcome["protocol"] == 1
        )
        await tab.drop()


async def test_the_host_opens_the_session_and_is_recorded_as_present(cast: Cast, tab: Any) -> None:
    helen = await tab("Helen")
    reply = await helen.join(mic=False)
    assert reply["status"] == "in"
    me = helen.state["participants"][0]
    assert (me["name"], me["role"], me["guest"], me["mic"], me["camera"]) == (
        "Helen",
        "host",
        False,
        False,
        True,
    )
    assert me["connected"] is True
    assert "participant.remove" in helen.state["you"]["capabilities"]
    session = await db(Session.objects.get)
    assert session.opened_at is not None and session.opened_at == session.started_at
    stay = await db(Attendance.objects.get)
    assert stay.left_at is None
    verbs = await db(lambda: list(AuditEntry.objects.order_by("pk").values_list("verb", "actor_label")))
    assert verbs == [("session.start", "Helen"), ("participant.join", "Helen")]


@pytest.mark.parametrize("who", ["Sam", "Gina", "Uma", "walk-in"])
async def test_with_a_lobby_everyone_but_hosts_waits_even_before_the_host(
    cast: Cast, tab: Any, who: str
) -> None:
    person = await tab(who)
    reply = await person.join(name="Wanda")
    assert reply["status"] == "lobby" and reply["resume"]
    session = await db(Session.objects.get)
    assert session.opened_at is None
    assert await db(Attendance.objects.count) == 0
    for forbidden in ("chat.send", "media.connect", "session.end", "lobby.admit_all"):
        with pytest.raises(Refusal) as refusal:
            await person.ask(forbidden, body="hi")
        assert refusal.value.code == "not_joined", forbidden


async def test_without_a_lobby_anyone_with_the_link_enters_and_opens_the_session(
    cast: Cast, tab: Any
) -> None:
    await db(Meeting.objects.filter(pk=cast.meeting.pk).update, lobby_enabled=False)
    guest = await tab("walk-in")
    reply = await guest.join(name="Wanda")
    assert reply["status"] == "in"
    assert reply["state"]["participants"][0]["guest"] is True
    assert "participant.mute" not in reply["state"]["you"]["capabilities"]


@pytest.mark.parametrize(
    "name", ["", "   ", "x" * 81, "a\x00b", "a\nb", "\u202egnp.exe", "\u200d\u200d", None, 7, ["x"]]
)
async def test_a_guest_needs_a_name_that_can_be_shown(cast: Cast, tab: Any, name: Any) -> None:
    guest = await tab("walk-in")
    with pytest.raises(Refusal) as refusal:
        await guest.join(name=name)
    assert refusal.value.code in ("bad_name", "bad_message")
    assert await db(Participant.objects.count) == 0


async def test_people_with_an_account_keep_their_own_name(cast: Cast, tab: Any) -> None:
    sam = await tab("Sam")
    reply = await sam.join(name="Helen")
    assert reply["participant"]["name"] == "Sam"


async def test_a_second_tab_is_refused_until_it_takes_over(cast: Cast, tab: Any) -> None:
    first = await tab("Helen", join={})
    second = await tab("Helen")
    with pytest.raises(Refusal, match="already_joined"):
        await second.join()
    assert (await first.ask("ping", t=5))["t"] == 5
    reply = await second.join(takeover=True)
    assert reply["state"]["you"]["id"] == first.me
    assert await first.close_code() == 4409
    assert await db(Participant.objects.count) == 1
    assert await db(Attendance.objects.filter(left_at=None).count) == 1
    # The first tab's end says nothing of the person.
    await first.drop()
    participant = await db(Participant.objects.get)
    assert participant.channel and participant.state == "in"


async def test_joining_twice_on_one_connection_is_refused(cast: Cast, tab: Any) -> None:
    helen = await tab("Helen", join={})
    with pytest.raises(Refusal, match="already_joined"):
        await helen.ask("join", mic=True, camera=True)


async def test_the_personal_link_and_the_account_are_one_person(cast: Cast, tab: Any) -> None:
    from meetings.invitations.models import Invitation
    from tests.meetings.live.conftest import invitation_cookie

    own = await db(Invitation.objects.get, user=cast.student)
    cast.cookies["Sam by link"] = await db(invitation_cookie, own)
    await tab("Sam", join={})
    by_link = await tab("Sam by link")
    with pytest.raises(Refusal, match="already_joined"):
        await by_link.join()


async def test_the_organisers_own_personal_link_gives_no_host_rights(cast: Cast, tab: Any) -> None:
    from meetings.invitations.models import Invitation
    from tests.meetings.live.conftest import invitation_cookie

    own = await db(Invitation.objects.create, meeting=cast.meeting, user=cast.host, email=cast.host.email)
    cast.cookies["link"] = await db(invitation_cookie, own)
    await tab("Helen", join={})
    by_link = await tab("link")
    assert (await by_link.join(name="Helen"))["status"] == "lobby"


async def test_a_revoked_invitation_is_a_guest_like_any_other(cast: Cast, tab: Any) -> None:
    from django.utils import timezone

    from meetings.invitations.models import Invitation

    await db(Invitation.objects.filter(pk=cast.guest_invitation.pk).update, revoked_at=timezone.now())
    gina = Tab(cast.meeting.code, cast.cookies["Gina"])
    welcome = await gina.open()
    assert welcome["you"]["role"] == "guest" and not welcome["you"]["known"]
    await gina.drop()


async def test_watchers_see_the_room_fill_and_empty(cast: Cast, tab: Any) -> None:
    watcher = await tab("Uma")
    helen = await tab("Helen", join={})
    assert (await watcher.event("live"))["count"] == 1
    await helen.ask("leave")
    assert await helen.close_code() == 1000
    assert (await watcher.event("live"))["count"] == 0


async def test_messages_are_in_the_language_of_the_person(cast: Cast, settings: Any) -> None:
    tab = Tab(cast.meeting.code, cast.cookies["walk-in"], language="zh-CN,zh;q=0.9")
    await tab.open()
    with pytest.raises(Refusal) as refusal:
        await tab.ask("chat.send", body="x")
    # Without a translation yet it is the source text; either way no traceback and no code in its place.
    assert refusal.value.code == "not_joined" and refusal.value.error["message"]
    await tab.drop()


async def test_what_was_taken_back_after_the_page_was_opened_counts_at_joining(cast: Cast, tab: Any) -> None:
    from django.utils import timezone

    from accounts.models import User
    from meetings.invitations.models import Invitation

    carl, gina = await tab("Carl"), await tab("Gina")
    await db(User.objects.filter(pk=cast.cohost.pk).update, is_active=False)
    await db(Invitation.objects.filter(pk=cast.guest_invitation.pk).update, revoked_at=timezone.now())
    for person, name in ((carl, "Karl"), (gina, "Gina")):
        reply = await person.join(name=name)
        assert reply["status"] == "lobby" and reply["participant"]["role"] == "guest"


async def test_who_waits_in_the_lobby_is_told_when_the_meeting_is_cancelled(cast: Cast, tab: Any) -> None:
    waiting = await tab("Sam")
    assert (await waiting.join())["status"] == "lobby"
    await db(cancel_meeting, cast.meeting, actor=Actor(user=cast.host))
    assert (await waiting.event("session.ended"))["reason"] == "cancelled"
    assert await waiting.close_code() == 4410
    assert await db(Session.objects.count) == 0


async def test_who_stands_at_the_door_is_told_that_it_is_being_recorded(cast: Cast, tab: Any) -> None:
    helen = await tab("Helen", join={})
    early = await tab("stranger")
    session = await db(Session.objects.select_related("meeting").get)
    recording = await db(Recording.objects.create, session=session)
    await db(announce_live, session)
    assert (await early.event("live"))["recording"] is True
    late = Tab(cast.meeting.code, cast.cookies["Sam"])
    assert (await late.open())["live"]["recording"] is True
    await late.drop()
    await db(Recording.objects.filter(pk=recording.pk).update, state="composing")
    await db(announce_live, session)
    assert (await early.event("live"))["recording"] is False
    assert not [frame for frame in await helen.settle() if frame["type"] == "live"]
