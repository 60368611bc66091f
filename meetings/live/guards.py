"""What every service of a running session asks first."""

from __future__ import annotations

from dataclasses import replace

from django.utils.translation import gettext as _

from accounts.audit import record
from meetings.live.errors import RoomError
from meetings.live.models import Participant, Session
from meetings.permissions.actor import Actor
from meetings.permissions.capabilities import Capability
from meetings.permissions.decide import require


def lock_session(session_id: int) -> Session:
    """The session's row, locked until the transaction ends: who is in and out changes one at a time."""
    return Session.objects.select_for_update(of=("self",)).select_related("meeting").get(pk=session_id)


def present(actor: Actor) -> Participant:
    """The actor as the participant they are right now, read afresh.

    Raises RoomError unless they are in the room.
    """
    participant = None
    if actor.participant is not None:
        participant = (
            Participant.objects.select_related("session__meeting", "user", "invitation")
            .filter(pk=actor.participant.pk)
            .first()
        )
    if participant is None:
        raise RoomError("not_joined", _("You have not joined this meeting."))
    if participant.session.ended_at is not None:
        raise RoomError("ended", _("The meeting has ended."))
    if participant.state == Participant.State.REMOVED:
        raise RoomError("removed", _("You were removed from this meeting."))
    if participant.state != Participant.State.IN:
        raise RoomError("not_joined", _("You have not joined this meeting."))
    return participant


def present_with(actor: Actor, capability: Capability) -> tuple[Participant, Actor]:
    """`present`, and allowed to use `capability`; returns the actor with the fresh row. Raises Refused."""
    participant = present(actor)
    actor = replace(actor, participant=participant)
    require(actor, capability, participant.session.meeting)
    return participant, actor


def locked_with(actor: Actor, capability: Capability) -> tuple[Participant, Actor]:
    """`present_with` while nobody else changes who is in the session. In a transaction."""
    if actor.participant is None:
        raise RoomError("not_joined", _("You have not joined this meeting."))
    session = lock_session(actor.participant.session_id)
    participant, actor = present_with(actor, capability)
    participant.session = session
    return participant, actor


def audit(verb: str, target: Participant | Session, *, actor: Actor, **changes: object) -> None:
    """One audit row by `actor`; `changes` are the values after."""
    record(verb, target, user=actor.user, label=actor.label, ip=actor.ip, after=dict(changes))
