"""What happens before anyone joins: which meeting, which person, which language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _

from accounts.models import User
from meetings.live import events
from meetings.live.errors import RoomError
from meetings.live.identity import Visitor, visitor_of
from meetings.live.joining import would_wait
from meetings.live.payloads import welcome
from meetings.live.throttle import JOIN_CODES, scope_caller, scope_ip
from meetings.scheduling.models import Meeting


@dataclass(frozen=True)
class Door:
    visitor: Visitor
    welcome: dict[str, Any]

    @property
    def watch_group(self) -> str:
        return events.watch_group(self.visitor.meeting.pk)


def open_door(scope: Mapping[str, Any]) -> Door:
    """Who stands at which door. Raises RoomError: not_found, meeting_cancelled, rate_limited.

    Those who guess codes are stopped, but not people who have proved who they are: behind one address there
    may be a whole school.
    """
    user = scope["user"] if scope["user"].is_authenticated else None
    caller = scope_caller(scope)
    if user is None and JOIN_CODES.is_blocked(caller):
        raise RoomError(
            "rate_limited", _("Too many attempts with links that do not exist. Please wait some minutes.")
        )
    code = scope["url_route"]["kwargs"]["code"]
    meeting = find_meeting(code)
    if meeting is None:
        JOIN_CODES.miss(caller)
        raise RoomError("not_found", _("There is no such meeting."))
    if meeting.is_cancelled:
        raise RoomError("meeting_cancelled", _("This meeting was cancelled."))
    visitor = visitor_of(meeting, user=user, session=scope["session"], ip=scope_ip(scope))
    return Door(visitor, welcome(visitor, waits=would_wait(visitor)))


def visitor_now(scope: Mapping[str, Any], meeting: Meeting) -> Visitor:
    """The visitor as the database sees them now: accounts are closed, invitations taken back."""
    user = scope["user"] if scope["user"].is_authenticated else None
    if user is not None:
        user = User.objects.filter(pk=user.pk, is_active=True).first()
    return visitor_of(meeting, user=user, session=scope["session"], ip=scope_ip(scope))


def find_meeting(code: str) -> Meeting | None:
    """The meeting of a join code as people may type it."""
    code = code.strip().lower()
    if len(code) > 16 or "\0" in code:
        return None
    return Meeting.objects.select_related("organizer").filter(code=code).first()


def language_of(scope: Mapping[str, Any]) -> str:
    """The language of a connection: the switch's cookie, the account's, the browser's, then the portal's."""
    user = scope["user"]
    chosen = [scope.get("cookies", {}).get(settings.LANGUAGE_COOKIE_NAME, "")]
    chosen.append(user.language if user.is_authenticated else "")
    for name, value in scope.get("headers", ()):
        if name == b"accept-language":
            accepted = value.decode("latin-1")[:200].split(",")
            chosen += [part.split(";")[0].strip() for part in accepted]
    for language in filter(None, chosen):
        try:
            return translation.get_supported_language_variant(language)
        except LookupError:
            continue
    return settings.LANGUAGE_CODE
