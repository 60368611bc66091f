"""Sent on commit, for other topics to follow.

`meeting_cancelled(meeting=Meeting)`: it will not take place; whoever waits for it is told.
"""

from django.dispatch import Signal

meeting_cancelled = Signal()
