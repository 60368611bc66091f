"""Sent on commit, for other topics to follow.

`roles_given(meeting=Meeting, invitations=[Invitation], actor=Actor)`: people were invited, or are invited as
something else from now on; they may be in the room already.
`meeting_cancelled(meeting=Meeting)`: it will not take place; whoever waits for it is told.
"""

from django.dispatch import Signal

roles_given = Signal()
meeting_cancelled = Signal()
