"""One mail to each person who was there, with a link to what they may see."""

from __future__ import annotations

import re

import pytest
from django.conf import settings
from django.urls import reverse

from meetings.invitations.links import read_token
from meetings.invitations.models import OutboxMail
from meetings.live.models import Participant
from meetings.minutes import tasks
from meetings.minutes.models import Minutes
from tests.meetings.minutes import world


def told(held):
    tasks.draft_minutes(held.session.pk)
    return {mail.to_email: mail for mail in OutboxMail.objects.filter(kind="minutes")}


def test_everyone_with_an_address_is_told_once(held):
    mails = told(held)
    assert set(mails) == {held.mei.email, held.jonas.email, held.sara.email, "ada@elsewhere.example"}
    assert mails[held.sara.email].key == f"minutes:{held.session.pk}:user:{held.sara.pk}"
    assert mails["ada@elsewhere.example"].key == f"minutes:{held.session.pk}:invitation:{held.ada.pk}"


def test_accounts_are_led_to_the_page(held):
    mail = told(held)[held.sara.email]
    url = settings.PUBLIC_URL + reverse("meetings:minutes_detail", args=[Minutes.objects.get().pk])
    assert url in mail.text and f'href="{url}"' in mail.html
    assert mail.subject == "Minutes: Physics 101"
    assert mail.reply_to == held.mei.email


def test_guests_get_their_own_personal_link(held):
    mail = told(held)["ada@elsewhere.example"]
    token = re.search(r"/j/([^/\s]+)/\?next=minutes", mail.text).group(1)
    assert read_token(token) == held.ada
    assert "forward" in mail.text and "forward" in mail.html
    assert reverse("meetings:minutes_detail", args=[Minutes.objects.get().pk]) not in mail.text


def test_hosts_are_asked_to_complete_it(held):
    mails = told(held)
    assert "approve" in mails[held.mei.email].text
    assert "approve" in mails[held.jonas.email].text
    assert "approve" not in mails[held.sara.email].text


def test_the_recording_is_told_to_those_who_may_watch_it(held):
    world.recorded(held.session)
    world.came(held.session, held.tom, role="guest")
    mails = told(held)
    assert "Recording" in mails[held.sara.email].text
    assert "Recording" not in mails[held.tom.email].text


def test_times_are_in_the_readers_zone_and_language(held):
    held.sara.time_zone, held.sara.language = "Asia/Shanghai", "zh-hans"
    held.sara.save()
    mails = told(held)
    assert "17:00 – 18:00 (Asia/Shanghai)" in mails[held.sara.email].text
    assert 'lang="zh-hans"' in mails[held.sara.email].html
    assert "10:00 – 11:00 (Europe/Berlin)" in mails["ada@elsewhere.example"].text


@pytest.mark.parametrize("state", [Participant.State.REMOVED, Participant.State.LOBBY])
def test_removed_and_waiting_people_are_not_told(held, state):
    stays = [(1, 2)] if state == Participant.State.REMOVED else []
    world.came(held.session, held.tom, role="guest", state=state, stays=stays)
    assert held.tom.email not in told(held)


def test_a_guest_whose_invitation_was_taken_back_is_not_told(held):
    held.ada.revoked_at = world.NINE
    held.ada.save()
    assert "ada@elsewhere.example" not in told(held)


def test_an_organiser_who_was_not_there_is_told(held):
    held.session.participants.filter(user=held.mei).delete()
    assert held.mei.email in told(held)


def test_one_person_in_two_ways_gets_one_mail(held):
    own = world.invite(held.meeting, held.tom)
    own.user = None
    own.save()
    world.came(held.session, own)
    world.came(held.session, held.tom)
    mails = OutboxMail.objects.filter(to_email=held.tom.email)
    told(held)
    assert [mail.key for mail in mails] == [f"minutes:{held.session.pk}:user:{held.tom.pk}"]


def test_inactive_accounts_are_not_written_to(held):
    held.sara.is_active = False
    held.sara.save()
    assert held.sara.email not in told(held)


def test_names_are_escaped_in_html_and_plain_in_text(held):
    held.meeting.title = "R&D <b>"
    held.meeting.save()
    mail = told(held)[held.sara.email]
    assert "R&amp;D &lt;b&gt;" in mail.html and "<b>" not in mail.html.split("</title>")[1].replace(
        "&lt;b&gt;", ""
    )
    assert "R&D <b>" in mail.text
