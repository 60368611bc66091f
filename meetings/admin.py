"""The administration of meetings; each topic has its own pages."""

import meetings.chat.admin
import meetings.invitations.admin
import meetings.live.admin
import meetings.minutes.admin
import meetings.recordings.admin
import meetings.scheduling.admin
import meetings.streams.admin  # noqa: F401
