"""The page of a running session's media: who may look, what it shows, what it says when there is nothing."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from media_gateway import client
from media_gateway.client import GatewayError
from media_gateway.models import MediaNode
from meetings.live.admin import SessionAdmin
from meetings.live.models import MediaIncident, Participant, Session
from meetings.permissions import decide as decisions
from tests.meetings.live.test_live_stats import stats
from tests.meetings.minutes import world


@pytest.fixture
def live(root) -> Session:
    meeting = world.meeting_of(world.person("Lin Mei"), "Physics")
    session = world.session_of(meeting, ended=False)
    Session.objects.filter(pk=session.pk).update(node="media-a", node_instance="i1")
    for public_id, name in (("pa", "Ann"), ("pb", "<b>Ben</b>")):
        Participant.objects.create(
            public_id=public_id,
            session=session,
            identity=f"guest:{public_id}",
            name=name,
            role="guest",
            state="in",
        )
    MediaNode.objects.create(name="media-a", kind="media", instance="i1", host="alpha", channel="x")
    session.refresh_from_db()
    return session


@pytest.fixture
def asked(monkeypatch) -> list[tuple[Any, ...]]:
    """What the worker is asked; it answers with the statistics of two people."""
    calls: list[tuple[Any, ...]] = []

    def answer(node: str, op: str, *, room: str, timeout: float) -> dict[str, Any]:
        calls.append((node, op, room))
        return stats()

    monkeypatch.setattr(client, "sync_request", answer)
    return calls


def page(session: Session) -> str:
    return reverse("admin:meetings_session_live", args=[session.pk])


@pytest.mark.parametrize("who", ["staff", "student", None])
def test_only_administrators_look(live, asked, who) -> None:
    browser = world.browser(world.person(role=who) if who else None)
    response = browser.get(page(live))
    assert response.status_code == 302 and "/login/" in response["Location"]
    assert asked == []


def test_the_right_is_asked_for_this_very_session(office, live, asked, monkeypatch) -> None:
    other = world.session_of(world.meeting_of(world.person("Tom")), ended=False)

    def may(self, request, obj=None) -> bool:
        return obj is None or obj.pk != live.pk

    monkeypatch.setattr(SessionAdmin, "has_view_permission", may)
    assert office.get(page(live)).status_code == 403
    assert office.get(page(other)).status_code == 200
    monkeypatch.undo()
    monkeypatch.setattr(decisions, "TABLE", {})
    assert office.get(page(live)).status_code == 403 and asked == []


@pytest.mark.parametrize("wrong", ["0", "x", "1_2F"])
def test_what_is_no_session_is_refused(office, live, asked, wrong) -> None:
    assert office.get(f"/admin/meetings/session/{wrong}/live/").status_code == 403


def test_it_shows_who_sends_and_receives_what(office, live, asked) -> None:
    publisher, subscriber = live.participants.order_by("public_id")
    MediaIncident.objects.create(
        session=live, publisher=publisher, subscriber=subscriber, source="camera", hop="downlink"
    )
    response = office.get(page(live))
    text = response.content.decode()
    assert asked == [("media-a", "room.stats", str(live.room_id))]
    for part in (
        "Ann",
        "320×180",
        "150 kbit/s",
        "2400",
        "12.5",
        "q → f",
        "Server to receiver",
        "is being recorded",
    ):
        assert part in text, part
    assert "&lt;b&gt;Ben" in text and "<b>Ben" not in text
    assert 'data-refresh="3000"' in text and 'src="/static/js/admin/live.js"' in text
    assert " onclick" not in text and " style=" not in text


def test_it_costs_the_same_for_many_people(office, live, asked, django_assert_max_num_queries) -> None:
    office.get(page(live))
    with django_assert_max_num_queries(20) as few:
        office.get(page(live))
    for number in range(30):
        person = Participant.objects.create(
            session=live, identity=f"guest:{number}", name=f"N{number}", role="guest", state="in"
        )
        MediaIncident.objects.create(session=live, publisher=person, source="mic", hop="uplink")
    with django_assert_max_num_queries(len(few)):
        office.get(page(live))


@pytest.mark.parametrize(
    ("error", "says"),
    [
        ("not_found", "Nobody is connected with audio or video just now."),
        ("timeout", "The media worker does not answer."),
        ("unavailable", "The media worker cannot be reached."),
        ("internal", "The media worker cannot be reached."),
    ],
)
def test_without_an_answer_it_says_why(office, live, monkeypatch, error, says) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise GatewayError(error)

    monkeypatch.setattr(client, "sync_request", refuse)
    assert says in office.get(page(live)).content.decode()


def test_before_and_after_there_is_nothing_to_ask(office, live, asked) -> None:
    Session.objects.filter(pk=live.pk).update(node="")
    assert "Nobody has connected audio or video yet." in office.get(page(live)).content.decode()
    Session.objects.filter(pk=live.pk).update(ended_at=timezone.now())
    text = office.get(page(live)).content.decode()
    assert "This session is over." in text and 'data-refresh="0"' in text
    assert asked == []


def test_a_running_sessions_page_leads_to_it(office, live) -> None:
    row = reverse("admin:meetings_session_change", args=[live.pk])
    assert page(live) in office.get(row).content.decode()
    Session.objects.filter(pk=live.pk).update(ended_at=timezone.now())
    assert page(live) not in office.get(row).content.decode()
