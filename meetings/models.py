"""One Django app; each topic keeps its own models."""

from meetings.chat.models import ChatMessage, SharedFile
from meetings.invitations.models import Invitation, OutboxMail
from meetings.live.models import Attendance, MediaIncident, Participant, Session
from meetings.minutes.models import ActionItem, AgendaItem, Decision, Minutes, MinutesNote
from meetings.recordings.models import Recording
from meetings.scheduling.models import Meeting
from meetings.streams.models import StreamConnection, StreamKey

__all__ = [
    "ActionItem",
    "AgendaItem",
    "Attendance",
    "ChatMessage",
    "Decision",
    "Invitation",
    "MediaIncident",
    "Meeting",
    "Minutes",
    "MinutesNote",
    "OutboxMail",
    "Participant",
    "Recording",
    "Session",
    "SharedFile",
    "StreamConnection",
    "StreamKey",
]
