"""Bearer tokens of stream keys, and the signed link of a player page."""

from __future__ import annotations

import hashlib
import secrets

from django.conf import settings
from django.core import signing
from django.urls import reverse
from django.utils.crypto import constant_time_compare

from meetings.streams.models import StreamKey

# Names what it is to people who find one in a file, and to programs that look for leaked secrets.
PREFIX = {StreamKey.Direction.PUBLISH: "plenum_in_", StreamKey.Direction.PLAY: "plenum_out_"}
HINT = 4


def new_token(direction: str) -> str:
    """256 random bits, in letters that RFC 6750 allows."""
    return PREFIX[StreamKey.Direction(direction)] + secrets.token_urlsafe(32)


def hash_of(token: str) -> str:
    """What is kept of a token. A plain hash will do: nobody guesses 256 bits."""
    return hashlib.sha256(token.encode()).hexdigest()


def find_key(token: str) -> StreamKey | None:
    """The usable key a bearer token stands for; for players the text of a signed link is one too."""
    rows = StreamKey.objects.select_related("meeting__organizer")
    key = rows.filter(token_hash=hash_of(token)).first()
    if key is None:
        key = _by_link(token)
    return key if key is not None and key.is_usable() else None


def _signer() -> signing.Signer:
    return signing.Signer(salt="meetings.streams.play", sep=".")


def link_token(key: StreamKey) -> str:
    """The text that opens the player page of a key to play; worthless as soon as the key is."""
    return _signer().sign_object([key.pk, key.token_hash[:16]])


def player_link(key: StreamKey) -> str:
    """The absolute URL of the page that plays, without an account."""
    path = reverse("meetings:player", args=[key.meeting.code])
    return f"{settings.PUBLIC_URL}{path}?key={link_token(key)}"


def _by_link(token: str) -> StreamKey | None:
    try:
        pk, start = _signer().unsign_object(token)
    except (signing.BadSignature, ValueError, TypeError):
        # Whoever can sign writes lists of two; ValueError covers payloads that are no JSON.
        return None
    key = StreamKey.objects.select_related("meeting__organizer").filter(pk=pk).first()
    if key is None or key.publishes or not constant_time_compare(key.token_hash[:16], start):
        return None
    return key
