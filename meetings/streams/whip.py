"""The WHIP endpoint and its sessions (RFC 9725)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.network import client_ip
from meetings.live import media
from meetings.live.door import find_meeting
from meetings.permissions.actor import Actor
from meetings.streams import http
from meetings.streams.ending import end_connection
from meetings.streams.models import StreamConnection, StreamKey
from meetings.streams.problems import StreamProblem
from meetings.streams.publishing import Answered, publish_stream
from meetings.streams.restarting import take_fragment


def key_for(request: HttpRequest, code: str, direction: str) -> StreamKey:
    """The request's key, if it is one of this meeting and for this direction. Raises StreamProblem."""
    key = http.bearer_key(request)
    meeting = find_meeting(code)
    if meeting is None:
        raise StreamProblem("not_found", _("There is no such meeting."))
    if key.meeting_id != meeting.pk:
        raise StreamProblem("forbidden", _("This key belongs to another meeting."))
    if key.direction != direction:
        if direction == StreamKey.Direction.PUBLISH:
            detail = _("This key is for playing. Sending needs a key of the kind “Stream in”.")
        else:
            detail = _("This key is for sending. Playing needs a key of the kind “Play out”.")
        raise StreamProblem("forbidden", detail)
    return key


def created(answered: Answered, location: str) -> HttpResponse:
    """201 with the answer (RFC 9725 section 4.2)."""
    response = http.LinkedResponse(answered.sdp, status=201, content_type=http.SDP)
    response["Location"] = location
    response["ETag"] = f'"{answered.connection.etag}"'
    response.links = http.ice_links(answered.ice_servers)
    return response


def _post(request: HttpRequest, code: str) -> HttpResponse:
    key = key_for(request, code, StreamKey.Direction.PUBLISH)
    ip = client_ip(request)
    http.limit(http.OFFERS_BY_KEY, str(key.pk))
    http.limit(http.OFFERS_BY_ADDRESS, ip or "-")
    answered = publish_stream(key, http.body_of(request, http.SDP), ip=ip)
    return created(answered, reverse("meetings:whip_resource", args=[answered.connection.public_id]))


def nothing(request: HttpRequest, **_kwargs: str) -> HttpResponse:
    """GET has nothing to show and succeeds (RFC 9725 section 4.1)."""
    return HttpResponse(status=204)


def options(request: HttpRequest, code: str) -> HttpResponse:
    """With a key, the ICE servers: some clients must know them before they make an offer (section 4.6)."""
    response = http.LinkedResponse()
    if request.headers.get("Authorization"):
        key = http.bearer_key(request)
        response.links = http.ice_links(media.ice_servers_for(f"k{key.pk}"))
    return response


whip_endpoint = http.endpoint(
    {"POST": _post, "GET": nothing, "OPTIONS": options}, accepts=("Accept-Post", http.SDP)
)


def connection_of(request: HttpRequest, ident: str) -> StreamConnection:
    """The running connection at this URL, if the request's key made it. Raises StreamProblem."""
    key = http.bearer_key(request)
    rows = StreamConnection.objects.select_related("session__meeting", "participant", "key")
    connection = rows.filter(public_id=ident[:32], ended_at=None).first()
    if connection is None:
        raise StreamProblem("not_found", _("This stream has ended. Connect anew."))
    if connection.key_id != key.pk:
        raise StreamProblem("forbidden", _("This stream was begun with another key."))
    return connection


def _get_session(request: HttpRequest, ident: str) -> HttpResponse:
    connection_of(request, ident)
    return HttpResponse(status=204)


def _delete(request: HttpRequest, ident: str) -> HttpResponse:
    http.limit(http.CHANGES, ident)
    connection = connection_of(request, ident)
    actor = Actor(participant=connection.participant, ip=client_ip(request))
    end_connection(connection, reason="deleted", actor=actor)
    return HttpResponse()


def _patch(request: HttpRequest, ident: str) -> HttpResponse:
    http.limit(http.CHANGES, ident)
    connection = connection_of(request, ident)
    text = http.body_of(request, http.FRAGMENT)
    restarted = take_fragment(connection, text, if_match=request.headers.get("If-Match"))
    if restarted is None:
        return HttpResponse(status=204)
    response = HttpResponse(restarted.fragment, content_type=http.FRAGMENT)
    response["ETag"] = f'"{restarted.etag}"'
    return response


session_resource = http.endpoint(
    {"DELETE": _delete, "PATCH": _patch, "GET": _get_session}, accepts=("Accept-Patch", http.FRAGMENT)
)
