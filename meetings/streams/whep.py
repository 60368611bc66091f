"""The WHEP endpoint; its sessions are those of WHIP."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from accounts.network import client_ip
from meetings.streams import http
from meetings.streams.models import StreamKey
from meetings.streams.playing import play_stream
from meetings.streams.whip import created, key_for, nothing, options


def _post(request: HttpRequest, code: str) -> HttpResponse:
    key = key_for(request, code, StreamKey.Direction.PLAY)
    ip = client_ip(request)
    http.limit(http.PLAYS_BY_KEY, str(key.pk))
    http.limit(http.OFFERS_BY_ADDRESS, ip or "-")
    answered = play_stream(key, http.body_of(request, http.SDP), ip=ip)
    return created(answered, reverse("meetings:whep_resource", args=[answered.connection.public_id]))


whep_endpoint = http.endpoint(
    {"POST": _post, "GET": nothing, "OPTIONS": options}, accepts=("Accept-Post", http.SDP)
)
