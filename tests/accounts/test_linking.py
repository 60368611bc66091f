"""Invitations find the account of their address, once it is proved to be the person's own."""

from __future__ import annotations

import pytest
from allauth.account.models import EmailAddress
from allauth.account.signals import email_changed, email_confirmed

from accounts.models import AuditEntry
from accounts.services import trust_address
from meetings.minutes.selectors import minutes_of
from meetings.scheduling.models import Meeting
from tests.meetings.minutes import world


@pytest.fixture
def invited(db):
    meeting = world.meeting_of(world.person())
    return world.invite(meeting, "Ada@Elsewhere.example", name="Ada")


@pytest.fixture
def ada(invited):
    return world.person("Ada", email="ada@elsewhere.example", role="student")


def address(user, *, verified):
    return EmailAddress.objects.create(user=user, email=user.email, verified=verified, primary=True)


def test_an_account_alone_proves_nothing(invited, ada):
    address(ada, verified=False)
    invited.refresh_from_db()
    assert invited.user is None
    assert not minutes_of(ada).exists()


def test_confirming_the_address_links(invited, ada):
    email_confirmed.send(sender=EmailAddress, request=None, email_address=address(ada, verified=True))
    invited.refresh_from_db()
    assert invited.user == ada
    assert world.by(ada).role_in(Meeting.objects.get()) == "participant"
    assert AuditEntry.objects.get(verb="invitation.linked").changes["invitations"] == [None, [invited.pk]]


def test_changing_to_the_address_links(invited):
    tom = world.person("Tom", role="student")
    old, new = (
        address(tom, verified=True),
        EmailAddress(user=tom, email="ada@elsewhere.example", verified=True),
    )
    email_changed.send(sender=None, request=None, user=tom, from_email_address=old, to_email_address=new)
    invited.refresh_from_db()
    assert invited.user == tom


def test_changing_to_an_unproved_address_does_not(invited):
    tom = world.person("Tom", role="student")
    new = EmailAddress(user=tom, email="ada@elsewhere.example", verified=False)
    email_changed.send(sender=None, request=None, user=tom, from_email_address=None, to_email_address=new)
    invited.refresh_from_db()
    assert invited.user is None


def test_an_account_made_by_an_administrator_is_linked_at_once(invited, ada):
    trust_address(ada)
    invited.refresh_from_db()
    assert invited.user == ada
    row = EmailAddress.objects.get()
    assert row.verified and row.primary
    trust_address(ada)
    assert AuditEntry.objects.filter(verb="invitation.linked").count() == 1


def test_invitations_of_others_stay_theirs(invited, ada):
    other = world.person("Other")
    invited.user = other
    invited.save()
    trust_address(ada)
    invited.refresh_from_db()
    assert invited.user == other
