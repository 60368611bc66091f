"""Personal links: what a bad one opens (nothing), and that a good one opens only what it should."""

from __future__ import annotations

import datetime as dt

import pytest
from django.core import signing
from django.test import Client
from django.utils import timezone

from accounts.models import User
from meetings.invitations.links import LinkExpired, LinkInvalid, personal_link, read_token
from meetings.invitations.models import Invitation
from meetings.invitations.throttle import BAD_LINKS, JOIN_CODES, Throttle
from meetings.permissions.actor import Actor
from meetings.scheduling.models import Meeting
from meetings.scheduling.services import Attendee, cancel_meeting, change_meeting
from tests.meetings.scheduling import builders

pytestmark = pytest.mark.django_db


@pytest.fixture
def invitation(staff: User) -> Invitation:
    return builders.booked(staff, Attendee("guest@elsewhere.example", "Guest")).invitations.get()


def path(invitation: Invitation) -> str:
    from django.conf import settings

    return personal_link(invitation).removeprefix(settings.PUBLIC_URL)


def token(invitation: Invitation) -> str:
    return path(invitation).split("/")[2]


def refused(client: Client, where: str, status: int) -> str:
    response = client.get(where)
    assert response.status_code == status
    assert "invitations" not in client.session
    return response.content.decode()


@pytest.mark.parametrize("forged", ["x", "x.y", "WzEsMV0.abc", "%00", "中文", "." * 300])
def test_what_was_never_signed(client: Client, forged: str) -> None:
    assert "not valid" in refused(client, f"/j/{forged}/", 403)


def test_one_changed_letter(client: Client, invitation: Invitation) -> None:
    good = token(invitation)
    for place in range(0, len(good), 7):
        bad = good[:place] + ("A" if good[place] != "A" else "B") + good[place + 1 :]
        with pytest.raises(LinkInvalid):
            read_token(bad)


@pytest.mark.parametrize("value", [[1], "text", {"a": 1}, 7, [1, "n", 2]])
def test_signed_but_no_link(value: object) -> None:
    signed = signing.Signer(salt="meetings.invitations.link", sep=".").sign_object(value)
    with pytest.raises(LinkInvalid):
        read_token(signed)


def test_signed_for_something_else(invitation: Invitation) -> None:
    with pytest.raises(LinkInvalid):
        read_token(signing.Signer(salt="other", sep=".").sign_object([invitation.pk, invitation.nonce]))


def test_taken_back(client: Client, invitation: Invitation, staff: User) -> None:
    where = path(invitation)
    change_meeting(invitation.meeting, actor=Actor(user=staff), attendees=[])
    assert "taken back" in refused(client, where, 410)
    # Invited again: the old link stays dead, the new one works.
    change_meeting(invitation.meeting, actor=Actor(user=staff), attendees=[Attendee(invitation.email)])
    refused(client, where, 410)
    invitation.refresh_from_db()
    assert client.get(path(invitation)).status_code == 302


def test_deleted(client: Client, invitation: Invitation) -> None:
    where = path(invitation)
    invitation.delete()
    refused(client, where, 403)


def test_ends_some_days_after_the_meeting(client: Client, invitation: Invitation, settings) -> None:  # type: ignore[no-untyped-def]
    settings.LINK_DAYS = 3
    Meeting.objects.update(ends_at=timezone.now() - dt.timedelta(days=3, seconds=5))
    assert "expired" in refused(client, path(invitation), 410)
    with pytest.raises(LinkExpired) as expired:
        read_token(token(invitation))
    assert not expired.value.revoked
    Meeting.objects.update(ends_at=timezone.now() - dt.timedelta(days=2, hours=23))
    assert read_token(token(invitation)) == invitation


def test_a_cancelled_meeting_says_so(client: Client, invitation: Invitation, staff: User) -> None:
    cancel_meeting(invitation.meeting, actor=Actor(user=staff))
    assert "Lin Mei" in refused(client, path(invitation), 410)


def test_opens_the_room_and_is_remembered(client: Client, invitation: Invitation) -> None:
    response = client.get(path(invitation))
    assert response.status_code == 302
    assert response["Location"] == invitation.meeting.join_path
    assert "no-store" in response["Cache-Control"]
    assert client.session["invitations"] == {str(invitation.meeting_id): [invitation.pk, invitation.nonce]}


def test_a_second_link_is_kept_beside_the_first(client: Client, invitation: Invitation, staff: User) -> None:
    other = builders.booked(staff, Attendee("guest@elsewhere.example")).invitations.get()
    client.get(path(invitation))
    before = client.session.session_key
    client.get(path(other))
    assert set(client.session["invitations"]) == {str(invitation.meeting_id), str(other.meeting_id)}
    assert client.session.session_key != before


def test_a_signed_in_person_stays_signed_in(
    staff_client: Client, invitation: Invitation, staff: User
) -> None:
    staff_client.get(path(invitation))
    assert staff_client.session["_auth_user_id"] == str(staff.pk)


def test_shows_the_meeting_to_guests_without_account(client: Client, invitation: Invitation) -> None:
    where = invitation.meeting.get_absolute_url()
    assert client.get(where).status_code == 302  # to the sign-in page
    client.get(path(invitation))
    page = client.get(where)
    assert page.status_code == 200
    assert "guest@elsewhere.example" not in page.content.decode()
    # No longer after the invitation was taken back.
    Invitation.objects.update(revoked_at=timezone.now())
    assert client.get(where).status_code == 404


def test_leads_to_the_newest_minutes(client: Client, invitation: Invitation) -> None:
    where = path(invitation) + "?next=minutes"
    assert client.get(where)["Location"] == invitation.meeting.get_absolute_url()
    builders.held(invitation.meeting)
    newest = builders.held(invitation.meeting)
    newest.session.__class__.objects.filter(pk=newest.session_id).update(
        started_at=timezone.now() + dt.timedelta(days=9)
    )
    assert client.get(where)["Location"] == f"/minutes/{newest.pk}/"


def test_the_same_link_in_every_mail(invitation: Invitation) -> None:
    assert personal_link(invitation) == personal_link(Invitation.objects.get())


def test_guessing_is_stopped_but_not_for_others(client: Client, invitation: Invitation) -> None:
    for _number in range(BAD_LINKS.limit):
        refused(client, "/j/guess/", 403)
    response = client.get("/j/guess/")
    assert response.status_code == 429
    assert response["Retry-After"]
    refused(client, path(invitation), 429)
    elsewhere = Client(REMOTE_ADDR="192.0.2.7")
    assert elsewhere.get(path(invitation)).status_code == 302


def test_good_links_never_count(client: Client, invitation: Invitation) -> None:
    for _number in range(BAD_LINKS.limit + 5):
        assert client.get(path(invitation)).status_code == 302


def test_throttle_counts_one_key_at_a_time() -> None:
    throttle = Throttle("test", limit=2, window=60)
    assert [throttle.miss("a"), throttle.miss("a")] == [1, 2]
    assert throttle.is_blocked("a")
    assert not throttle.is_blocked("b")


class TestJoinCode:
    def test_misses_are_counted(self, client: Client, invitation: Invitation) -> None:
        for _number in range(JOIN_CODES.limit):
            assert client.post("/join/", {"code": "bcd-fghj-kmn"}).status_code == 404
        assert client.post("/join/", {"code": invitation.meeting.code}).status_code == 429

    def test_leads_to_the_room(self, client: Client, invitation: Invitation) -> None:
        code = invitation.meeting.code.replace("-", " ").upper()
        assert client.post("/join/", {"code": code})["Location"] == invitation.meeting.join_path

    def test_asks_when_nothing_is_typed(self, client: Client) -> None:
        assert client.get("/join/").status_code == 200
