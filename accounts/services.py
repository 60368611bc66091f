"""What changes an account. Roles, departments and passwords of others are changed in the administration."""

from __future__ import annotations

from allauth.account.models import EmailAddress
from allauth.account.signals import email_confirmed
from django.db import transaction

from accounts.audit import record
from accounts.models import User


@transaction.atomic
def change_own_settings(
    user: User, *, name: str, language: str, time_zone: str, ip: str | None = None
) -> User:
    """Save what people may change of themselves; writes an audit row only when something changed."""
    fields = ("name", "language", "time_zone")
    before = {field: getattr(user, field) for field in fields}
    user.name, user.language, user.time_zone = name, language, time_zone
    after = {field: getattr(user, field) for field in fields}
    if before != after:
        user.save(update_fields=list(fields))
        record("user.settings", user, user=user, ip=ip, before=before, after=after)
    return user


@transaction.atomic
def trust_address(user: User) -> EmailAddress:
    """Take the account's address as confirmed: whoever made the account vouches for it.

    Without this a person whose account an administrator made would first have to answer a confirmation mail.
    Tells the receivers of `email_confirmed`, so that invitations to the address find the account.
    """
    address, _created = EmailAddress.objects.get_or_create(user=user, email=user.email)
    if not (address.verified and address.primary):
        EmailAddress.objects.filter(user=user, primary=True).exclude(pk=address.pk).update(primary=False)
        address.verified = address.primary = True
        address.save(update_fields=["verified", "primary"])
        email_confirmed.send(sender=EmailAddress, request=None, email_address=address)
    return address
