"""The table as a query says the same as the table itself, for every role, capability and history."""

from __future__ import annotations

import pytest

from meetings.live.models import Participant
from meetings.permissions.capabilities import TABLE
from meetings.permissions.decide import decide
from meetings.permissions.reach import meetings_allowing
from tests.meetings.minutes import world


def organises(meeting, user):
    meeting.organizer = user
    meeting.save()


def invited(role):
    return lambda meeting, user: world.invite(meeting, user, role=role)


def was_in(*visits):
    def act(meeting, user):
        for number, (role, state) in enumerate(visits):
            ended = world.minutes_after(60 + number)
            stays = [] if state in ("lobby", "refused") else None
            world.came(world.session_of(meeting, ended_at=ended), user, role=role, state=state, stays=stays)

    return act


def both(*acts):
    return lambda meeting, user: [act(meeting, user) for act in acts]


def revoked(meeting, user):
    invitation = world.invite(meeting, user)
    invitation.revoked_at = world.NINE
    invitation.save()


STATE = Participant.State
HISTORIES = {
    "nothing": lambda meeting, user: None,
    "organiser": organises,
    "organiser invited": both(organises, invited("participant")),
    "cohost": invited("cohost"),
    "participant": invited("participant"),
    "revoked": revoked,
    "revoked but was in": both(revoked, was_in(("participant", STATE.LEFT))),
    "guest": was_in(("guest", STATE.LEFT)),
    "promoted guest": was_in(("cohost", STATE.LEFT)),
    "cohost once, guest last": was_in(("cohost", STATE.LEFT), ("guest", STATE.LEFT)),
    "guest once, cohost last": was_in(("guest", STATE.LEFT), ("cohost", STATE.LEFT)),
    "removed": was_in(("participant", STATE.REMOVED)),
    "removed last": was_in(("guest", STATE.LEFT), ("participant", STATE.REMOVED)),
    "only waited": was_in(("guest", STATE.LOBBY)),
    "refused": was_in(("guest", STATE.REFUSED)),
    "invited and was guest": both(invited("cohost"), was_in(("guest", STATE.LEFT))),
}


@pytest.mark.django_db
@pytest.mark.parametrize("history", HISTORIES)
def test_lists_hold_exactly_what_decide_allows(history):
    user = world.person(role="student")
    meeting = world.meeting_of(world.person())
    HISTORIES[history](meeting, user)
    meeting.refresh_from_db()
    # An outsider's row in another meeting must not leak over.
    other = world.meeting_of(world.person())
    world.came(world.session_of(other), world.person(), role="cohost")
    for capability in TABLE:
        allowed = bool(decide(world.by(user), capability, meeting))
        found = set(meetings_allowing(user, capability))
        assert found == ({meeting} if allowed else set()), f"{history}: {capability}"


@pytest.mark.django_db
def test_an_administrator_keeps_the_powers_of_administrators_when_invited():
    from meetings.permissions.capabilities import Capability

    admin = world.person(role="admin")
    meeting = world.meeting_of(world.person())
    world.invite(meeting, admin)
    assert decide(world.by(admin), Capability.SESSION_END, meeting)
    assert not decide(world.by(admin), Capability.MINUTES_EDIT, meeting)
    admin.is_active = False
    assert not decide(world.by(admin), Capability.SESSION_END, meeting)
