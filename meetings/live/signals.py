"""Sent on commit, for other topics to follow.

`session_ended(session=Session)`: it is over; minutes and recordings take it from here.
`participant_left(participant=Participant)`: somebody went out of a room that goes on, for whatever reason.
`media_placed(session=Session)`: its room came to be on a media worker (anew); a running recording is re-
armed.
"""

from django.dispatch import Signal

session_ended = Signal()
participant_left = Signal()
media_placed = Signal()
