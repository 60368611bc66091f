"""Opening a personal link."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from meetings.invitations.links import LinkExpired, LinkInvalid, read_token
from meetings.invitations.throttle import BAD_LINKS, caller
from meetings.minutes.selectors import newest_minutes
from meetings.permissions.actor import INVITATIONS_KEY
from meetings.scheduling.models import Meeting


@require_GET
@never_cache
def personal_link(request: HttpRequest, token: str) -> HttpResponse:
    """Remembers in this browser's session who is invited, and leads to the room, or with `?next=minutes` to
    the newest minutes. Bad links change nothing: 403 forged, 410 expired, taken back or cancelled, 429 too
    many.
    """
    who = caller(request)
    if BAD_LINKS.is_blocked(who):
        response = _refusal(
            request, 429, _("Too many wrong links"), _("Please wait ten minutes and try again.")
        )
        response["Retry-After"] = str(BAD_LINKS.window)
        return response
    try:
        invitation = read_token(token)
    except LinkInvalid:
        BAD_LINKS.miss(who)
        text = _("It may have been cut off on its way. Open it from the e-mail itself, or ask for a new one.")
        return _refusal(request, 403, _("This link is not valid"), text)
    except LinkExpired as error:
        if error.revoked:
            text = _(
                "The organiser took this invitation back. Is that a mistake? Ask them to invite you again."
            )
            return _refusal(request, 410, _("This invitation was taken back"), text)
        text = _("The meeting was a long time ago, so its link no longer opens anything.")
        return _refusal(request, 410, _("This link has expired"), text)
    meeting = invitation.meeting
    to_minutes = request.GET.get("next") == "minutes"
    if meeting.is_cancelled and not to_minutes:
        text = _("“%(title)s” was cancelled by %(organizer)s.") % {
            "title": meeting.title,
            "organizer": meeting.organizer,
        }
        return _refusal(request, 410, _("This meeting was cancelled"), text)
    _remember(request, meeting, [invitation.pk, invitation.nonce])
    return redirect(_minutes_path(meeting) if to_minutes else meeting.join_path)


def _remember(request: HttpRequest, meeting: Meeting, proof: list[object]) -> None:
    """Adds the proof to the session; a new session key, as the session may do more from now on."""
    proofs = dict(request.session.get(INVITATIONS_KEY, {}))
    if proofs.get(str(meeting.pk)) == proof:
        return
    proofs[str(meeting.pk)] = proof
    if not request.user.is_authenticated:
        request.session.cycle_key()
    request.session[INVITATIONS_KEY] = proofs


def _minutes_path(meeting: Meeting) -> str:
    """The newest minutes; the meeting's page while there are none."""
    newest = newest_minutes(meeting)
    if newest is None:
        return meeting.get_absolute_url()
    return reverse("meetings:minutes_detail", args=[newest.pk])


def _refusal(request: HttpRequest, status: int, title: str, text: str) -> HttpResponse:
    return render(
        request, "meetings/link_refused.html", {"title": title, "text": text, "status": status}, status=status
    )
