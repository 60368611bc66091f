"""The portal's page of a meeting's streams: keys to send and to play are made and revoked here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from meetings.permissions.actor import Actor, actor_of
from meetings.permissions.capabilities import Capability
from meetings.permissions.decide import decide, require
from meetings.scheduling.models import Meeting
from meetings.streams.forms import KeyForm
from meetings.streams.keys import MadeKey, make_key, revoke_key
from meetings.streams.models import StreamKey
from meetings.streams.selectors import keys_of
from meetings.streams.tokens import player_link

DIRECTIONS = tuple(StreamKey.Direction.values)


@dataclass(frozen=True)
class Row:
    """A key, and where it plays if that is what it is for."""

    key: StreamKey
    play_url: str


@dataclass(frozen=True)
class Shown:
    """One direction on the page."""

    direction: str
    rows: list[Row]
    form: KeyForm


def _meeting(request: HttpRequest, pk: int) -> tuple[Meeting, Actor] | HttpResponse:
    """The meeting, for those who may manage its streams.

    Who has no part in it learns nothing (404); others with a part are told why not. Raises Refused.
    """
    meeting = get_object_or_404(Meeting.objects.select_related("organizer"), pk=pk)
    actor = actor_of(request, meeting)
    if not decide(actor, Capability.MEETING_VIEW, meeting):
        if not request.user.is_authenticated and request.method == "GET":
            return redirect_to_login(request.get_full_path())
        raise Http404
    require(actor, Capability.STREAM_MANAGE, meeting)
    return meeting, actor


def endpoint_url(key: StreamKey) -> str:
    """What goes into the program's field for the server."""
    name = "meetings:whip" if key.publishes else "meetings:whep"
    return settings.PUBLIC_URL + reverse(name, args=[key.meeting.code])


def _row(key: StreamKey) -> Row:
    return Row(key, "" if key.publishes else player_link(key))


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def streams(request: HttpRequest, pk: int) -> HttpResponse:
    """The keys of a meeting; POST makes one and shows its token, this once."""
    found = _meeting(request, pk)
    if isinstance(found, HttpResponse):
        return found
    meeting, actor = found
    direction = request.POST.get("direction", "")
    made: MadeKey | None = None
    forms = {one: KeyForm(one, request.POST if one == direction else None) for one in DIRECTIONS}
    if request.method == "POST" and direction in forms and forms[direction].is_valid():
        form = forms[direction]
        try:
            made = make_key(meeting, actor=actor, **form.wishes())
        except ValidationError as error:
            form.add_error(None, error)
        else:
            forms[direction] = KeyForm(direction)
    now = timezone.now()
    keys = list(keys_of(meeting, now))
    context: dict[str, Any] = {
        "meeting": meeting,
        "now": now,
        "made": made,
        "made_url": endpoint_url(made.key) if made else "",
        "made_link": "" if made is None or made.key.publishes else player_link(made.key),
        "shown": [
            Shown(one, [_row(key) for key in keys if key.direction == one], form)
            for one, form in forms.items()
        ],
    }
    status = 422 if any(form.errors for form in forms.values()) else 201 if made else 200
    return render(request, "meetings/streams.html", context, status=status)


@require_POST
def stream_key_revoke(request: HttpRequest, pk: int, key: int) -> HttpResponse:
    """Make a key worthless; what runs with it ends."""
    found = _meeting(request, pk)
    if isinstance(found, HttpResponse):
        return found
    meeting, actor = found
    row = get_object_or_404(StreamKey.objects.select_related("meeting"), pk=key, meeting=meeting)
    if revoke_key(row, actor=actor):
        text = _("The key “%(name)s” is revoked. What it sent or played has ended.")
        messages.success(request, text % {"name": row.name})
    return redirect("meetings:streams", pk=meeting.pk)
