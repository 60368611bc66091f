"""The room page, where people join and meet, and the page they come to afterwards."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET

from meetings.invitations.throttle import JOIN_CODES, caller
from meetings.live import services
from meetings.live.door import find_meeting
from meetings.live.identity import Visitor, ensure_guest_id, visitor_of
from meetings.live.payloads import iso, live_json
from meetings.minutes.models import Minutes
from meetings.permissions.actor import actor_of, client_ip
from meetings.permissions.capabilities import Capability, Role
from meetings.permissions.decide import decide
from meetings.scheduling.models import Meeting


class _TooManyGuesses(Exception):
    """This address has tried too many codes that do not exist."""


def _meeting(request: HttpRequest, code: str) -> Meeting:
    """The meeting of that code. Raises Http404, or _TooManyGuesses for people without account who guess."""
    who = caller(request)
    if not request.user.is_authenticated and JOIN_CODES.is_blocked(who):
        raise _TooManyGuesses
    meeting = find_meeting(code)
    if meeting is None:
        JOIN_CODES.miss(who)
        raise Http404(_("There is no such meeting."))
    return meeting


def _slow_down(request: HttpRequest) -> HttpResponse:
    context = {
        "title": _("Please wait a little"),
        "text": _(
            "Too many attempts with links that do not exist. Please wait some minutes, then try again."
        ),
    }
    response = render(request, "meetings/room_closed.html", context, status=429)
    response["Retry-After"] = str(JOIN_CODES.window)
    return response


def _visitor(request: HttpRequest, meeting: Meeting) -> Visitor:
    user = request.user if request.user.is_authenticated else None
    return visitor_of(meeting, user=user, session=request.session, ip=client_ip(request))


def room_config(visitor: Visitor) -> dict[str, Any]:
    """What the room page's script is told. Times are UTC; `live` is {count, started_at}."""
    meeting = visitor.meeting
    return {
        "code": meeting.code,
        "title": meeting.title,
        "ws_path": f"/ws/room/{meeting.code}/",
        "upload_url": reverse("meetings:file_upload", args=[meeting.code]),
        "left_url": reverse("meetings:room_left", args=[meeting.code]),
        "needs_name": not visitor.known_name,
        "display_name": visitor.known_name or (visitor.invitation.display_name if visitor.invitation else ""),
        "role": visitor.role.value,
        "is_host": visitor.role is Role.HOST,
        "lobby": services.would_wait(visitor),
        "recording_allowed": meeting.recording_enabled,
        "language": translation.get_language(),
        "time_zone": timezone.get_current_timezone_name(),
        "starts_at": iso(meeting.starts_at),
        "ends_at": iso(meeting.ends_at),
        "organizer": str(meeting.organizer),
        "live": live_json(meeting),
    }


# The file upload is posted by script, which takes the token from its cookie.
@never_cache
@ensure_csrf_cookie
@require_GET
def room(request: HttpRequest, code: str) -> HttpResponse:
    """Before joining, lobby and room in one page.

    404 for a code that does not exist, 410 for a cancelled meeting.
    """
    try:
        meeting = _meeting(request, code)
    except _TooManyGuesses:
        return _slow_down(request)
    if meeting.code != code:
        return redirect("meetings:room", code=meeting.code)
    if meeting.is_cancelled:
        text = _("“%(title)s” was cancelled by %(organizer)s.") % {
            "title": meeting.title,
            "organizer": meeting.organizer,
        }
        context = {"title": _("This meeting was cancelled"), "text": text}
        return render(request, "meetings/room_closed.html", context, status=410)
    visitor = _visitor(request, meeting)
    if not visitor.identity:
        ensure_guest_id(request.session)
        visitor = _visitor(request, meeting)
    return render(request, "meetings/room.html", {"meeting": meeting, "config": room_config(visitor)})


@never_cache
@require_GET
def room_left(request: HttpRequest, code: str) -> HttpResponse:
    """Thanks, the way back in, and where the minutes are or will be."""
    try:
        meeting = _meeting(request, code)
    except _TooManyGuesses:
        return _slow_down(request)
    actor = actor_of(request, meeting)
    may_see = bool(decide(actor, Capability.MINUTES_VIEW, meeting))
    minutes = Minutes.objects.filter(session__meeting=meeting).order_by("-session__started_at").first()
    live = live_json(meeting)
    context = {
        "meeting": meeting,
        "minutes": minutes if may_see else None,
        "minutes_follow": may_see and minutes is None,
        "is_live": live["count"] > 0,
        "signed_in": request.user.is_authenticated,
    }
    return render(request, "meetings/room_left.html", context)
