"""`decide` answers whether someone may do something, and says why not; `require` raises the answer."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.exceptions import PermissionDenied
from django.utils.translation import gettext as _

from meetings.permissions.actor import Actor
from meetings.permissions.capabilities import HOSTS_DECIDE, TABLE, WHO_DECIDES, Capability, Role
from meetings.scheduling.models import Meeting


@dataclass(frozen=True)
class Decision:
    """`rule` names what refused ("chat.send", "meeting.recording_enabled"); `who` says who can change it."""

    allowed: bool
    rule: str
    message: str = ""
    who: str = ""

    def __bool__(self) -> bool:
        return self.allowed


class Refused(PermissionDenied):
    """A refusal with its reason; pages show it with status 403, the room protocol as `forbidden`."""

    def __init__(self, decision: Decision) -> None:
        super().__init__(" ".join(part for part in (decision.message, decision.who) if part))
        self.decision = decision


def decide(actor: Actor, capability: Capability, meeting: Meeting) -> Decision:
    """May `actor` use `capability` in `meeting`? Never raises; unknown means no."""
    if actor.is_system:
        return Decision(True, capability)
    role = actor.role_in(meeting)
    roles = TABLE.get(capability, frozenset())
    # An administrator who is also invited keeps what administrators may do.
    if role not in roles and not (Role.ADMIN in roles and _is_admin(actor)):
        who = str(WHO_DECIDES.get(capability, HOSTS_DECIDE))
        message = (
            _("You have no part in this meeting.")
            if role is Role.OUTSIDER
            else _("Your role does not allow this.")
        )
        return Decision(False, capability, message, who)
    if capability is Capability.RECORDING_CONTROL and not meeting.recording_enabled:
        return Decision(
            False,
            "meeting.recording_enabled",
            _("Recording is switched off for this meeting."),
            _("The organiser can switch it on in the meeting's settings."),
        )
    return Decision(True, capability)


def _is_admin(actor: Actor) -> bool:
    return actor.user is not None and actor.user.is_active and actor.user.role == actor.user.Role.ADMIN


def require(actor: Actor, capability: Capability, meeting: Meeting) -> None:
    """Raises Refused unless `decide` allows it."""
    decision = decide(actor, capability, meeting)
    if not decision:
        raise Refused(decision)
