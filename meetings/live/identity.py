"""Who stands at the door: what a browser has proved, as one person of one meeting."""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from accounts.models import User
from meetings.invitations.models import Invitation
from meetings.live.errors import RoomError
from meetings.permissions.actor import Actor, invitation_from_session
from meetings.permissions.capabilities import TABLE, Capability, Role
from meetings.scheduling.models import Meeting

GUEST_KEY = "guest_id"  # session key: a random id by which a browser without account stays the same guest
MAX_NAME = 80
# Unicode categories that no name needs: controls, surrogates, private use, line and paragraph separators.
_BAD_CATEGORIES = frozenset({"Cc", "Cs", "Co", "Zl", "Zp"})
# They turn the direction of the text around them, and with it what others read as the name.
_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True)
class Visitor:
    """A person at the door of `meeting`.

    `identity` is one for all their tabs and devices, "" for a fresh guest.
    """

    meeting: Meeting
    user: User | None
    invitation: Invitation | None
    guest_id: str
    ip: str | None = None

    @property
    def actor(self) -> Actor:
        return Actor(user=self.user, invitation=self.invitation, ip=self.ip)

    @property
    def person(self) -> User | None:
        """The account this is about: the one signed in, or that of the invited person whose link it was."""
        if self.user is not None:
            return self.user
        invited = self.invitation.user if self.invitation is not None else None
        # A mail link must never speak with the organiser's rights: that takes signing in.
        return invited if invited is not None and invited.pk != self.meeting.organizer_id else None

    @property
    def identity(self) -> str:
        if self.person is not None:
            return f"user:{self.person.pk}"
        if self.invitation is not None:
            return f"invitation:{self.invitation.pk}"
        return f"guest:{self.guest_id}" if self.guest_id else ""

    @property
    def role(self) -> Role:
        """The role they come in with: earlier sessions do not count, and who was not invited is a guest."""
        if self.user is not None and self.user.pk == self.meeting.organizer_id:
            return Role.HOST
        return Role(self.invitation.role) if self.invitation is not None else Role.GUEST

    def may(self, capability: Capability) -> bool:
        """Whether the role they come in with has the capability; fails closed like the table it reads."""
        return self.role in TABLE.get(capability, frozenset())

    @property
    def known_name(self) -> str:
        """The name the portal knows them by; "" if they have to say it."""
        if self.person is not None:
            return self.person.get_full_name()[:MAX_NAME]
        return self.invitation.name.strip() if self.invitation is not None else ""


def visitor_of(
    meeting: Meeting, *, user: User | None, session: MutableMapping[str, Any], ip: str | None = None
) -> Visitor:
    """The visitor a browser session stands for. `user` is the signed-in person, if any."""
    invitation = invitation_from_session(session, meeting)
    if user is not None:
        own = (
            Invitation.objects.filter(meeting=meeting, user=user, revoked_at=None)
            .select_related("user")
            .first()
        )
        # The better of two proofs: a co-host who opened someone else's link stays co-host.
        if own is not None and (invitation is None or own.role == Invitation.Role.COHOST):
            invitation = own
    guest_id = session.get(GUEST_KEY, "")
    return Visitor(meeting, user, invitation, guest_id if isinstance(guest_id, str) else "", ip)


def ensure_guest_id(session: MutableMapping[str, Any]) -> None:
    """Give this browser an id of its own, so that a guest stays the same one through reloads."""
    if not session.get(GUEST_KEY):
        session[GUEST_KEY] = secrets.token_hex(8)


def clean_name(value: object) -> str:
    """A name as people may show it. Raises RoomError bad_name."""
    text = unicodedata.normalize("NFC", value).strip() if isinstance(value, str) else ""
    text = " ".join(text.split(" "))
    if not 1 <= len(text) <= MAX_NAME:
        raise RoomError("bad_name", _("Please enter a name of 1 to 80 characters."))
    if any(unicodedata.category(letter) in _BAD_CATEGORIES or letter in _BIDI_CONTROLS for letter in text):
        raise RoomError("bad_name", _("This name contains characters that cannot be shown."))
    if not any(unicodedata.category(letter)[0] in "LNSP" for letter in text):
        raise RoomError("bad_name", _("Please enter a name that can be read."))
    return text
