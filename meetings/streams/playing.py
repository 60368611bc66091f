"""A meeting is played to a program or page that is not in it (WHEP, draft-ietf-wish-whep)."""

from __future__ import annotations

from django.utils import timezone
from django.utils.translation import gettext as _

from media_gateway.descriptions import BadDescription, Offer, fragment_head, read_offer
from meetings.live import media, presence
from meetings.permissions.actor import SYSTEM
from meetings.scheduling.models import Meeting
from meetings.streams.ending import end_connection
from meetings.streams.models import StreamConnection, StreamKey, new_play_peer
from meetings.streams.problems import StreamProblem
from meetings.streams.publishing import Answered, negotiate

MAX_PLAYERS = 50
"""Screens that may play by one key at once."""
NOT_LIVE_RETRY = 5  # seconds


def _check_offer(offer: Offer) -> None:
    if any(line.kind not in ("audio", "video") for line in offer.media):
        raise StreamProblem("not_acceptable", _("Offer audio and video alone."))
    if not offer.media or not all(line.receives for line in offer.media):
        raise StreamProblem("not_acceptable", _("Each m-line must be recvonly or sendrecv."))


def play_stream(key: StreamKey, text: str, *, ip: str | None) -> Answered:
    """Answer an offer of the holder of `key` (usable, to play). Raises StreamProblem.

    Players are no participants: they open no room, and nobody waits for them.
    """
    try:
        offer = read_offer(text)
    except BadDescription as error:
        raise StreamProblem("bad_sdp", _("The offer cannot be read: %(why)s.") % {"why": error}) from error
    _check_offer(offer)
    meeting: Meeting = key.meeting
    if meeting.is_cancelled:
        raise StreamProblem("cancelled", _("This meeting was cancelled."))
    session = presence.live_session_of(meeting)
    if session is None:
        raise StreamProblem("not_open", _("Nobody is in the meeting now."), retry_after=NOT_LIVE_RETRY)
    if key.connections.filter(ended_at=None).count() >= MAX_PLAYERS:
        detail = _("This key plays on too many screens already. Make another key.")
        raise StreamProblem("rate_limited", detail, retry_after=60)
    connection = StreamConnection.objects.create(
        key=key, session=session, peer=new_play_peer(), generation=1, remote_ufrag=offer.ufrag, ip=ip
    )
    try:
        answer = negotiate(connection, "peer.play", {"sdp": text})
    except BaseException:
        end_connection(connection, reason="failed", actor=SYSTEM)
        raise
    now = timezone.now()
    StreamKey.objects.filter(pk=key.pk).update(last_used_at=now)
    connection.opened_at, connection.fragment_head = now, fragment_head(answer)
    connection.save(update_fields=["opened_at", "fragment_head"])
    return Answered(connection, answer, media.ice_servers_for(connection.peer))
