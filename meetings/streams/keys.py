"""Making and revoking stream keys."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.audit import record
from meetings.live.errors import RoomError
from meetings.live.identity import clean_name
from meetings.permissions.actor import Actor
from meetings.permissions.capabilities import Capability
from meetings.permissions.decide import require
from meetings.scheduling.models import Meeting
from meetings.streams.ending import end_connection
from meetings.streams.models import StreamKey
from meetings.streams.tokens import HINT, hash_of, new_token

MAX_KEYS = 50
"""Usable keys a meeting may have at once."""
LIFETIMES = {
    "meeting": gettext_lazy("A day after the meeting"),
    "week": gettext_lazy("In a week"),
    "month": gettext_lazy("In 30 days"),
    "year": gettext_lazy("In a year"),
}
_DAYS = {"week": 7, "month": 30, "year": 365}


@dataclass(frozen=True)
class MadeKey:
    """A new key, with the token that is never to be seen again."""

    key: StreamKey
    token: str


def expiry_of(lifetime: str, meeting: Meeting) -> dt.datetime:
    """When a key made now with that lifetime (one of LIFETIMES) ends."""
    now = timezone.now()
    if lifetime == "meeting":
        return max(now, meeting.ends_at) + dt.timedelta(days=1)
    return now + dt.timedelta(days=_DAYS[lifetime])


def make_key(
    meeting: Meeting, *, actor: Actor, name: str, direction: str, lifetime: str, source: str = "camera"
) -> MadeKey:
    """A key for one program. Raises Refused, or ValidationError (a bad name, too many keys, cancelled)."""
    require(actor, Capability.STREAM_MANAGE, meeting)
    if meeting.is_cancelled:
        raise ValidationError(_("This meeting was cancelled; book a new one."))
    try:
        name = clean_name(name)
    except RoomError as error:
        raise ValidationError({"name": error.message}) from error
    with transaction.atomic():
        # Locked, so that two at once cannot both be the last one.
        Meeting.objects.select_for_update(of=("self",)).get(pk=meeting.pk)
        usable = StreamKey.objects.filter(meeting=meeting, revoked_at=None, expires_at__gt=timezone.now())
        if usable.count() >= MAX_KEYS:
            raise ValidationError(_("This meeting has too many keys already. Revoke those not in use."))
        token = new_token(direction)
        key = StreamKey.objects.create(
            meeting=meeting,
            name=name,
            direction=direction,
            source=source,
            token_hash=hash_of(token),
            hint=token[-HINT:],
            created_by=actor.user,
            expires_at=expiry_of(lifetime, meeting),
        )
        after = {
            "meeting": meeting.pk,
            "direction": direction,
            "source": source if key.publishes else "",
            "expires_at": key.expires_at.isoformat(timespec="seconds"),
        }
        record("stream_key.make", key, user=actor.user, label=actor.label, ip=actor.ip, after=after)
    return MadeKey(key, token)


def revoke_key(key: StreamKey, *, actor: Actor) -> bool:
    """Make a key worthless and end what runs with it; False if it was revoked before. Raises Refused."""
    require(actor, Capability.STREAM_MANAGE, key.meeting)
    with transaction.atomic():
        fresh = StreamKey.objects.select_for_update(of=("self",)).get(pk=key.pk)
        if fresh.revoked_at is not None:
            return False
        key.revoked_at = fresh.revoked_at = timezone.now()
        fresh.save(update_fields=["revoked_at"])
        record("stream_key.revoke", key, user=actor.user, label=actor.label, ip=actor.ip)
    for connection in key.connections.filter(ended_at=None):
        end_connection(connection, reason="revoked", actor=actor)
    return True
