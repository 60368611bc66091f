"""Invitations find the account of the same address, once the person has proved that the address is theirs."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from allauth.account.signals import email_changed, email_confirmed
from django.db import transaction
from django.dispatch import receiver

from accounts.audit import record
from accounts.models import User
from meetings.invitations.models import Invitation


@transaction.atomic
def link_invitations(user: User, email: str) -> int:
    """Give `user` every invitation to `email` that belongs to no account yet. Returns how many.

    Only for a confirmed address: who merely types somebody's address must not read their meetings.
    """
    found = list(Invitation.objects.select_for_update().filter(email__iexact=email, user=None))
    for invitation in found:
        invitation.user = user
        invitation.save(update_fields=["user"])
    if found:
        record(
            "invitation.linked",
            user,
            user=user,
            after={"invitations": [invitation.pk for invitation in found]},
        )
    return len(found)


@receiver(email_confirmed, dispatch_uid="meetings.link_confirmed_address")
def on_email_confirmed(email_address: EmailAddress, **_kwargs: Any) -> None:
    link_invitations(email_address.user, email_address.email)


@receiver(email_changed, dispatch_uid="meetings.link_changed_address")
def on_email_changed(user: User, to_email_address: EmailAddress, **_kwargs: Any) -> None:
    if to_email_address.verified:
        link_invitations(user, to_email_address.email)
