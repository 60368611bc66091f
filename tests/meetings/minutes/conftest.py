from __future__ import annotations

from types import SimpleNamespace

import pytest

from meetings.minutes.models import ActionItem, Decision, Minutes, MinutesNote
from tests.meetings.minutes import world


@pytest.fixture
def held(db):
    """A meeting that was held: host Mei, co-host Jonas, student Sara, guest Ada by link, a stranger Tom."""
    mei, jonas, sara, tom = (
        world.person(name) for name in ("Lin Mei", "Jonas Okafor", "Sara Yilmaz", "Tom Bauer")
    )
    meeting = world.meeting_of(mei)
    cohost = world.invite(meeting, jonas, role="cohost")
    world.invite(meeting, sara)
    ada = world.invite(meeting, "ada@elsewhere.example", name="Ada Lovelace")
    session = world.session_of(meeting)
    world.came(session, mei, role="host")
    world.came(session, jonas, role="cohost", stays=[(2, 30)])
    world.came(session, sara, stays=[(5, 20), (25, 60)])
    world.came(session, ada, stays=[(10, 50)])
    return SimpleNamespace(
        mei=mei, jonas=jonas, sara=sara, tom=tom, ada=ada, cohost=cohost, meeting=meeting, session=session
    )


@pytest.fixture
def minutes(held):
    """Its draft, with a note, a decision and two actions."""
    row = Minutes.objects.create(session=held.session, summary="Waves were explained.")
    MinutesNote.objects.create(minutes=row, position=0, title="Waves", body="They interfere.")
    Decision.objects.create(minutes=row, position=0, text="The exam is on Friday")
    ActionItem.objects.create(
        minutes=row, position=0, text="Book the hall", owner=held.sara, owner_name=held.sara.name
    )
    ActionItem.objects.create(minutes=row, position=1, text="Ask the author", owner_name="Ada Lovelace")
    return row
