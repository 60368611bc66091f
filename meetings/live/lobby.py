"""Letting people in, or not."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from meetings.live import events, presence
from meetings.live.errors import RoomError
from meetings.live.guards import audit, locked_with
from meetings.live.joining import enter
from meetings.live.models import Participant
from meetings.permissions.actor import Actor
from meetings.permissions.capabilities import Capability


def _waiting(public_id: str, host: Participant) -> Participant:
    participant = Participant.objects.filter(
        session=host.session, public_id=public_id, state=Participant.State.LOBBY
    ).first()
    if participant is None:
        raise RoomError("not_found", _("This person is no longer waiting."))
    participant.session = host.session
    return participant


def _tell_gone(participant: Participant) -> None:
    data = {"id": participant.public_id}
    events.send_to_session(participant.session, "lobby.left", data, only=Capability.LOBBY_ADMIT)


def let_in(participant: Participant, *, actor: Actor) -> None:
    """Put somebody who waits into the room. In a transaction, with the session locked."""
    enter(participant, actor=actor, verb="lobby.admit")
    _tell_gone(participant)
    events.notify(participant, "room.admitted")


def admit(public_id: str, *, actor: Actor) -> Participant:
    """Let one waiting person in. Raises Refused, or RoomError not_found."""
    with transaction.atomic():
        host, actor = locked_with(actor, Capability.LOBBY_ADMIT)
        participant = _waiting(public_id, host)
        let_in(participant, actor=actor)
    return participant


def admit_all(*, actor: Actor) -> int:
    """Let everyone in who waits with their page open; returns how many. Raises Refused."""
    with transaction.atomic():
        host, actor = locked_with(actor, Capability.LOBBY_ADMIT)
        waiting = list(presence.people_waiting(host.session))
        for participant in waiting:
            participant.session = host.session
            let_in(participant, actor=actor)
    return len(waiting)


def refuse(public_id: str, *, actor: Actor) -> None:
    """Turn a waiting person away for this session. Raises Refused, or RoomError not_found."""
    with transaction.atomic():
        host, actor = locked_with(actor, Capability.LOBBY_ADMIT)
        participant = _waiting(public_id, host)
        events.notify(participant, "room.refused")
        participant.state, participant.channel = Participant.State.REFUSED, ""
        participant.save(update_fields=["state", "channel"])
        _tell_gone(participant)
        audit("lobby.refuse", participant, actor=actor)
