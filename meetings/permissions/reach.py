"""The capability table as a query: which meetings may this person use a capability in?

`decide` answers for one meeting; lists would need one decision a row. Both follow `Actor.role_in`, and a test
compares them over all roles.
"""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery

from accounts.models import User
from meetings.invitations.models import Invitation
from meetings.live.models import Participant
from meetings.permissions.capabilities import TABLE, Capability, Role
from meetings.scheduling.models import Meeting


def meetings_allowing(user: User, capability: Capability) -> QuerySet[Meeting]:
    """Every meeting in which `user`, signed in, has `capability` through his or her own part in it.

    Leaves out what administrators may do everywhere: lists show one's own meetings.
    """
    roles = TABLE.get(capability, frozenset())
    invited = Invitation.objects.filter(meeting=OuterRef("pk"), user=user, revoked_at=None).order_by(
        "name", "email"
    )
    was_in = (
        Participant.objects.filter(session__meeting=OuterRef("pk"), user=user)
        .exclude(joined_at=None)
        .exclude(state=Participant.State.REMOVED)
        .order_by("-pk")
    )
    meetings = Meeting.objects.annotate(
        reach_invited=Subquery(invited.values("role")[:1]),
        reach_was_in=Subquery(was_in.values("role")[:1]),
    )
    allowed = Q(pk=None)
    if Role.HOST in roles:
        allowed |= Q(organizer=user)
    names = [role.value for role in roles]
    # The organiser is host whatever else stands in the invitations; an invitation wins over an earlier visit.
    allowed |= ~Q(organizer=user) & Q(reach_invited__in=names)
    allowed |= ~Q(organizer=user) & Q(reach_invited=None) & Q(reach_was_in__in=names)
    return meetings.filter(allowed)


def may_reach(user: User, capability: Capability, path: str = "meeting") -> Exists:
    """The same as a condition on rows whose foreign key `path` leads to a meeting."""
    return Exists(meetings_allowing(user, capability).filter(pk=OuterRef(path)))
