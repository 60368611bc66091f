"""The services of a running session, in one place for those who call them.

Each checks the capability of its `actor`, does one transaction, writes one audit row (but for a person's own
switches) and sends its events on commit. Refusals are `permissions.decide.Refused` or
`live.errors.RoomError`.
"""

from meetings.live.ending import end_if_deserted, end_session, left_url
from meetings.live.joining import (
    JoinRequest,
    join_session,
    leave_session,
    mark_disconnected,
    mark_lost,
    touch,
    would_wait,
)
from meetings.live.lobby import admit, admit_all, refuse
from meetings.live.moderation import lower_hand, mute_all, mute_participant, promote, remove_participant
from meetings.live.own_state import set_own_state

__all__ = [
    "JoinRequest",
    "admit",
    "admit_all",
    "end_if_deserted",
    "end_session",
    "join_session",
    "leave_session",
    "left_url",
    "lower_hand",
    "mark_disconnected",
    "mark_lost",
    "mute_all",
    "mute_participant",
    "promote",
    "refuse",
    "remove_participant",
    "set_own_state",
    "touch",
    "would_wait",
]
