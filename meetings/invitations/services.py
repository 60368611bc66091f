"""Who is invited to a meeting. Called by scheduling's services, inside their transaction and after their
checks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from django.utils import timezone

from meetings.invitations.models import Invitation, new_nonce
from meetings.scheduling.drafts import Attendee
from meetings.scheduling.models import Meeting


@dataclass(frozen=True)
class Invited:
    """What a new list of attendees did: `added` (`returned` of them had been removed before), `removed`,
    `changed` (another role) and `kept` (everyone else who stays, those with another role among them)."""

    added: list[Invitation] = field(default_factory=list)
    removed: list[Invitation] = field(default_factory=list)
    changed: list[Invitation] = field(default_factory=list)
    kept: list[Invitation] = field(default_factory=list)
    returned: int = 0

    @property
    def any(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    @classmethod
    def nobody(cls, meeting: Meeting) -> Invited:
        """Nothing changed: everybody is kept."""
        return cls(kept=list(active_invitations(meeting)))


def active_invitations(meeting: Meeting):  # type: ignore[no-untyped-def]
    """Invitations that hold, with their accounts; a queryset."""
    return Invitation.objects.filter(meeting=meeting, revoked_at=None).select_related("user")


def apply_attendees(meeting: Meeting, attendees: Sequence[Attendee]) -> Invited:
    """Makes the invitations of `meeting` be exactly `attendees` (already merged: one an address).

    Somebody removed keeps a revoked row, and every personal link they had stops working at once; invited
    again they get a new link. Does not send anything.
    """
    rows = {row.email: row for row in Invitation.objects.filter(meeting=meeting).select_related("user")}
    wanted = {attendee.email: attendee for attendee in attendees}
    result = Invited()
    new: list[Invitation] = []
    returned = 0
    for email, attendee in wanted.items():
        role = Invitation.Role.COHOST if attendee.cohost else Invitation.Role.PARTICIPANT
        row = rows.get(email)
        if row is None:
            new.append(
                Invitation(meeting=meeting, email=email, name=attendee.name, user=attendee.user, role=role)
            )
        elif row.revoked_at is not None:
            row.revoked_at, row.nonce, row.role = None, new_nonce(), role
            row.name, row.user = attendee.name or row.name, attendee.user
            row.save()
            result.added.append(row)
            returned += 1
        else:
            if (
                row.role != role
                or (attendee.name and row.name != attendee.name)
                or (attendee.user and row.user != attendee.user)
            ):
                role_changed = row.role != role
                row.role, row.name, row.user = role, attendee.name or row.name, attendee.user or row.user
                row.save()
                if role_changed:
                    result.changed.append(row)
            result.kept.append(row)
    for email, row in rows.items():
        if email not in wanted and row.revoked_at is None:
            row.revoked_at, row.nonce = timezone.now(), new_nonce()
            row.save(update_fields=["revoked_at", "nonce"])
            result.removed.append(row)
    Invitation.objects.bulk_create(new)
    result.added.extend(new)
    return Invited(result.added, result.removed, result.changed, result.kept, returned)
