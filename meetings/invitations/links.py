"""Personal links: who opens one is the invited person, without an account.

The token is the invitation's id and nonce, signed; so it cannot be made up, and removing somebody (a new
nonce) makes it worthless. It carries no time: it ends `LINK_DAYS` after the meeting does, also when that is
moved.
"""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.core import signing
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from meetings.invitations.models import Invitation
from meetings.scheduling.models import Meeting

# "." is in no part of a token, and mail programs keep it inside the links they find.


def _signer() -> signing.Signer:
    return signing.Signer(salt="meetings.invitations.link", sep=".")


class LinkInvalid(Exception):
    """The token was not made by this portal, or its invitation is gone."""


class LinkExpired(Exception):
    """The token was good once: the invitation was taken back, or the meeting is long over (`revoked` tells
    which).
    """

    def __init__(self, *, revoked: bool) -> None:
        super().__init__("revoked" if revoked else "expired")
        self.revoked = revoked


def personal_link(invitation: Invitation) -> str:
    """The absolute URL of this invitation's own link; the same every time until the person is removed."""
    token = _signer().sign_object([invitation.pk, invitation.nonce])
    return settings.PUBLIC_URL + reverse("meetings:personal_link", args=[token])


def valid_until(meeting: Meeting) -> dt.datetime:
    return meeting.ends_at + dt.timedelta(days=settings.LINK_DAYS)


def read_token(token: str) -> Invitation:
    """The invitation (with meeting, organiser and account) of a good token. Raises LinkInvalid or
    LinkExpired.
    """
    try:
        value = _signer().unsign_object(token)
        pk, nonce = value
    except (signing.BadSignature, ValueError, TypeError) as error:
        # Whoever can sign writes lists of two; ValueError covers payloads that are no JSON.
        raise LinkInvalid from error
    invitation = Invitation.objects.select_related("meeting__organizer", "user").filter(pk=pk).first()
    if invitation is None:
        raise LinkInvalid
    if invitation.revoked_at is not None or not constant_time_compare(invitation.nonce, nonce):
        raise LinkExpired(revoked=True)
    if timezone.now() > valid_until(invitation.meeting):
        raise LinkExpired(revoked=False)
    return invitation
