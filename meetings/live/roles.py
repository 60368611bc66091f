"""Roles of people who are in the room already when the organiser changes who is invited as what."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction
from django.db.models import Q

from meetings.invitations.models import Invitation
from meetings.live import events, media, presence
from meetings.live.guards import audit, lock_session
from meetings.live.lobby import let_in
from meetings.live.models import Participant
from meetings.live.payloads import allowed, participant_json
from meetings.permissions.actor import Actor
from meetings.permissions.capabilities import Capability, Role
from meetings.permissions.decide import require
from meetings.scheduling.models import Meeting


def follow_invitations(meeting: Meeting, invitations: Iterable[Invitation], *, actor: Actor) -> int:
    """Give those of `invitations` who are in the running session the role they are invited with from now on.

    Someone in the lobby who needs none any more comes in. Returns how many changed. Raises Refused.
    """
    require(actor, Capability.MEETING_EDIT, meeting)
    running = presence.running_session_of(meeting)
    if running is None:
        return 0
    rows = list(invitations)
    by_invitation = {row.pk: row.role for row in rows}
    by_user = {row.user_id: row.role for row in rows if row.user_id is not None}
    changed = 0
    with transaction.atomic():
        session = lock_session(running.pk)
        here = session.participants.filter(
            Q(invitation__in=by_invitation) | Q(user__in=by_user),
            state__in=(Participant.State.IN, Participant.State.LOBBY),
        ).exclude(role__in=(Participant.Role.HOST, Participant.Role.STREAM))
        for participant in here if session.ended_at is None else ():
            # An account is the better proof: somebody else's link may have been opened on its computer.
            role = by_user.get(participant.user_id or 0) or by_invitation.get(participant.invitation_id or 0)
            if role is None or role == participant.role:
                continue
            participant.session = session
            _give(participant, Role(role), actor=actor)
            changed += 1
    return changed


def _give(participant: Participant, role: Role, *, actor: Actor) -> None:
    former, participant.role = participant.role, role.value
    participant.save(update_fields=["role"])
    audit("participant.role", participant, actor=actor, role=role.value, former=former)
    if participant.state == Participant.State.LOBBY:
        if role is Role.COHOST and participant.channel:
            let_in(participant, actor=actor)
        return
    media.tell_permit(participant)
    told = {"participant": participant_json(participant)}
    events.send_to_session(participant.session, "participant.updated", told)
    rights = {"role": participant.role, "capabilities": allowed(participant)}
    events.send_to_participant(participant, "you.updated", rights)
