"""A refusal says why, and who can change it."""

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from meetings.models import Meeting


@pytest.mark.django_db
def test_a_refused_page_says_why_and_who_decides(client: Client) -> None:
    host = User.objects.create_user("host@school.example", name="Lin Mei", role="staff")
    participant = User.objects.create_user("sara@school.example", name="Sara", role="student")
    meeting = Meeting.objects.create(
        organizer=host, title="Physics", starts_at=timezone.now(), duration_minutes=30, time_zone="UTC"
    )
    meeting.invitations.create(user=participant, email=participant.email)
    client.force_login(participant)
    page = client.get(f"/meetings/{meeting.pk}/edit/")
    assert page.status_code == 403
    assert "Your role does not allow this." in page.content.decode()
    assert "Only the organiser can do this." in page.content.decode()
