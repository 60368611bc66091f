"""Who acts: a signed-in person, an invited one with a personal link, or a participant of a session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.http import HttpRequest

from accounts.network import client_ip
from meetings.permissions.capabilities import Role

if TYPE_CHECKING:
    from accounts.models import User
    from meetings.invitations.models import Invitation
    from meetings.live.models import Participant
    from meetings.scheduling.models import Meeting


@dataclass(frozen=True)
class Actor:
    """`user`, `invitation` and `participant` are what this person has proved, `ip` where they come from."""

    user: User | None = None
    invitation: Invitation | None = None
    participant: Participant | None = None
    ip: str | None = None
    is_system: bool = False

    @property
    def label(self) -> str:
        if self.is_system:
            return "system"
        for source in (self.user, self.participant, self.invitation):
            if source is not None:
                return str(source)
        return "stranger"

    def role_in(self, meeting: Meeting) -> Role:
        """The role in `meeting`. A refused or removed participant is an outsider."""
        from meetings.invitations.models import Invitation
        from meetings.live.models import Participant

        if self.user is not None and self.user.pk == meeting.organizer_id:
            return Role.HOST
        participant = self.participant
        if participant is not None and participant.session.meeting_id == meeting.pk:
            if participant.state in (
                Participant.State.REMOVED,
                Participant.State.REFUSED,
                Participant.State.LOBBY,
            ):
                return Role.OUTSIDER
            return Role(participant.role)
        if (
            self.invitation is not None
            and self.invitation.meeting_id == meeting.pk
            and not self.invitation.revoked_at
        ):
            return Role(self.invitation.role)
        if self.user is not None:
            invitation = Invitation.objects.filter(meeting=meeting, user=self.user, revoked_at=None).first()
            if invitation:
                return Role(invitation.role)
            # Someone who came by the fixed link with an account, and was let in, may look back.
            past = (
                Participant.objects.filter(session__meeting=meeting, user=self.user)
                .exclude(joined_at=None)
                .exclude(state=Participant.State.REMOVED)
                .order_by("-pk")
                .first()
            )
            if past:
                return Role(past.role)
            if self.user.role == "admin":
                return Role.ADMIN
        return Role.OUTSIDER


SYSTEM = Actor(is_system=True)
INVITATIONS_KEY = "invitations"  # session key: {meeting id: [invitation id, nonce]}


def invitation_from_session(session: object, meeting: Meeting) -> Invitation | None:
    """The invitation this browser proved by a personal link, while it is still valid."""
    from meetings.invitations.models import Invitation

    proof = session.get(INVITATIONS_KEY, {}).get(str(meeting.pk))  # type: ignore[attr-defined]
    if not proof:
        return None
    return Invitation.objects.filter(pk=proof[0], nonce=proof[1], meeting=meeting, revoked_at=None).first()


def actor_of(request: HttpRequest, meeting: Meeting | None = None) -> Actor:
    """Who sent this request, with the personal link they opened for `meeting`, if any."""
    user = request.user if request.user.is_authenticated else None
    invitation = invitation_from_session(request.session, meeting) if meeting is not None else None
    return Actor(user=user, invitation=invitation, ip=client_ip(request))
