"""What hosts and co-hosts do about others in the room."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from meetings.live import events, incidents, media, presence
from meetings.live.errors import RoomError
from meetings.live.guards import audit, locked_with
from meetings.live.joining import go_out
from meetings.live.models import Participant
from meetings.live.payloads import allowed, participant_json
from meetings.permissions.actor import Actor
from meetings.permissions.capabilities import Capability
from meetings.permissions.decide import Decision, Refused

# Which sources fall silent together; a shared screen has its sound with it.
_TOGETHER = {
    "mic": ["mic"],
    "camera": ["camera"],
    "screen": ["screen", "screen_audio"],
    "screen_audio": ["screen_audio"],
}


def _target(public_id: str, moderator: Participant, capability: Capability) -> Participant:
    """The person in the room this is about.

    Nobody moderates the host but the host. Raises Refused, RoomError.
    """
    target = presence.people_in(moderator.session).filter(public_id=public_id).first()
    if target is None:
        raise RoomError("not_found", _("This person is no longer in the room."))
    if target.role == Participant.Role.HOST and target.pk != moderator.pk:
        message, who = (
            _("This cannot be done to the host."),
            _("Only the host can decide this for themselves."),
        )
        raise Refused(Decision(False, f"{capability.value}.host", message, who))
    target.session = moderator.session
    return target


def _announce(participant: Participant) -> None:
    events.send_to_session(
        participant.session, "participant.updated", {"participant": participant_json(participant)}
    )


def _silence(target: Participant, source: str, by: Participant) -> bool:
    """Switch one source of the target off, in the database and in the media. False if it was off already."""
    media.tell_pause(target, _TOGETHER[source], paused=True)
    incidents.end_of_sources(target, _TOGETHER[source])
    if source == "screen_audio":
        # No state of its own: it lasts until the screen is shared anew or the media reconnects.
        was_on = target.screen
    else:
        was_on = getattr(target, source)
        setattr(target, source, False)
        target.save(update_fields=[source])
    if was_on:
        events.send_to_participant(target, "you.muted", {"source": source, "by": by.name})
        _announce(target)
    return was_on


def mute_participant(public_id: str, source: str, *, actor: Actor) -> None:
    """Switch off someone's mic, camera, screen or screen_audio; they may switch it on again themselves."""
    with transaction.atomic():
        moderator, actor = locked_with(actor, Capability.PARTICIPANT_MUTE)
        target = _target(public_id, moderator, Capability.PARTICIPANT_MUTE)
        _silence(target, source, moderator)
        audit("participant.mute", target, actor=actor, source=source)


def mute_all(*, actor: Actor) -> int:
    """Switch off every microphone but the actor's own and the host's; returns how many were on.

    Streams stay on: a host let them in to be heard, and nobody sits there to switch them on again.
    """
    with transaction.atomic():
        moderator, actor = locked_with(actor, Capability.PARTICIPANT_MUTE)
        others = (
            presence.attendees_in(moderator.session)
            .exclude(pk=moderator.pk)
            .exclude(role=Participant.Role.HOST)
        )
        muted = 0
        for target in others:
            target.session = moderator.session
            muted += _silence(target, "mic", moderator)
        audit("participant.mute_all", moderator.session, actor=actor, muted=muted)
    return muted


def remove_participant(public_id: str, *, actor: Actor) -> None:
    """Send someone out; they cannot come back in this session."""
    with transaction.atomic():
        moderator, actor = locked_with(actor, Capability.PARTICIPANT_REMOVE)
        target = _target(public_id, moderator, Capability.PARTICIPANT_REMOVE)
        if target.pk == moderator.pk:
            raise RoomError("conflict", _("To go yourself, leave the meeting."))
        events.notify(target, "room.removed", by=moderator.name)
        go_out(target, Participant.State.REMOVED, "removed", at=timezone.now())
        audit("participant.remove", target, actor=actor)


def promote(public_id: str, role: str, *, actor: Actor) -> Participant:
    """Make someone co-host, or take that back; `role` is "cohost" or "participant"."""
    with transaction.atomic():
        moderator, actor = locked_with(actor, Capability.PARTICIPANT_PROMOTE)
        target = _target(public_id, moderator, Capability.PARTICIPANT_PROMOTE)
        if target.pk == moderator.pk:
            raise RoomError("conflict", _("The host stays host."))
        if target.is_stream:
            raise RoomError("conflict", _("A stream has no rights to be given."))
        if target.role != role:
            former, target.role = target.role, role
            target.save(update_fields=["role"])
            media.tell_permit(target)
            _announce(target)
            events.send_to_participant(target, "you.updated", {"role": role, "capabilities": allowed(target)})
            audit("participant.promote", target, actor=actor, role=role, former=former)
    return target


def lower_hand(public_id: str, *, actor: Actor) -> None:
    """Take down someone's raised hand, usually since they were heard."""
    with transaction.atomic():
        moderator, actor = locked_with(actor, Capability.HAND_LOWER)
        target = presence.people_in(moderator.session).filter(public_id=public_id).first()
        if target is None:
            raise RoomError("not_found", _("This person is no longer in the room."))
        if target.hand_at is not None:
            target.session, target.hand_at = moderator.session, None
            target.save(update_fields=["hand_at"])
            _announce(target)
            audit("hand.lower", target, actor=actor)
