"""The table of capabilities × roles: the one answer for pages, WebSocket, jobs and media alike.

It fails closed: what is not listed is refused. Roles are those of one person in one meeting.
"""

from __future__ import annotations

from enum import StrEnum

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class Role(StrEnum):
    HOST = "host"  # the organiser
    COHOST = "cohost"  # invited as, or made, co-host
    PARTICIPANT = "participant"  # invited, with account or personal link
    GUEST = "guest"  # came by the fixed link and was let in
    STREAM = "stream"  # a program that sends with a key a host made: no person
    OUTSIDER = "outsider"  # anyone else
    ADMIN = "admin"  # administrator who has no other role in the meeting


class Capability(StrEnum):
    MEETING_VIEW = "meeting.view"
    MEETING_EDIT = "meeting.edit"
    MEETING_CANCEL = "meeting.cancel"
    SESSION_START = "session.start"
    SESSION_END = "session.end"
    LOBBY_BYPASS = "lobby.bypass"
    LOBBY_ADMIT = "lobby.admit"
    PARTICIPANT_MUTE = "participant.mute"
    PARTICIPANT_REMOVE = "participant.remove"
    PARTICIPANT_PROMOTE = "participant.promote"
    HAND_LOWER = "hand.lower"
    MEDIA_AUDIO = "media.audio"
    MEDIA_VIDEO = "media.video"
    MEDIA_SCREEN = "media.screen"
    REACTION_SEND = "reaction.send"
    POINTER_SHOW = "pointer.show"  # the cursor over what is shared, and strokes on it
    CHAT_READ = "chat.read"
    CHAT_SEND = "chat.send"
    FILE_SHARE = "file.share"
    RECORDING_CONTROL = "recording.control"
    RECORDING_VIEW = "recording.view"
    RECORDING_DOWNLOAD = "recording.download"
    RECORDING_DELETE = "recording.delete"
    STREAM_MANAGE = "stream.manage"
    MINUTES_VIEW = "minutes.view"
    MINUTES_EDIT = "minutes.edit"
    MINUTES_REOPEN = "minutes.reopen"


H, C, P, G, S, A = Role.HOST, Role.COHOST, Role.PARTICIPANT, Role.GUEST, Role.STREAM, Role.ADMIN

TABLE: dict[Capability, frozenset[Role]] = {
    Capability.MEETING_VIEW: frozenset({H, C, P, A}),
    Capability.MEETING_EDIT: frozenset({H}),
    Capability.MEETING_CANCEL: frozenset({H, A}),
    Capability.SESSION_START: frozenset({H, C}),
    Capability.SESSION_END: frozenset({H, C, A}),
    Capability.LOBBY_BYPASS: frozenset({H, C}),
    Capability.LOBBY_ADMIT: frozenset({H, C}),
    Capability.PARTICIPANT_MUTE: frozenset({H, C}),
    Capability.PARTICIPANT_REMOVE: frozenset({H, C}),
    Capability.PARTICIPANT_PROMOTE: frozenset({H}),
    Capability.HAND_LOWER: frozenset({H, C}),
    Capability.MEDIA_AUDIO: frozenset({H, C, P, G, S}),
    Capability.MEDIA_VIDEO: frozenset({H, C, P, G, S}),
    Capability.MEDIA_SCREEN: frozenset({H, C, P, G, S}),
    Capability.REACTION_SEND: frozenset({H, C, P, G}),
    Capability.POINTER_SHOW: frozenset({H, C, P, G}),
    Capability.CHAT_READ: frozenset({H, C, P, G}),
    Capability.CHAT_SEND: frozenset({H, C, P, G}),
    Capability.FILE_SHARE: frozenset({H, C, P, G}),
    Capability.RECORDING_CONTROL: frozenset({H, C}),
    Capability.RECORDING_VIEW: frozenset({H, C, P}),
    Capability.RECORDING_DOWNLOAD: frozenset({H, C}),
    Capability.RECORDING_DELETE: frozenset({H, A}),
    Capability.STREAM_MANAGE: frozenset({H, C}),
    Capability.MINUTES_VIEW: frozenset({H, C, P, G}),
    Capability.MINUTES_EDIT: frozenset({H, C}),
    Capability.MINUTES_REOPEN: frozenset({H}),
}

# What one has to ask whom for, shown with every refusal.
WHO_DECIDES: dict[Capability, str | Promise] = {
    Capability.MEETING_VIEW: _("The organiser can invite you."),
    Capability.MEETING_CANCEL: _("The organiser or an administrator can do this."),
    Capability.RECORDING_DELETE: _("The organiser or an administrator can do this."),
    Capability.PARTICIPANT_PROMOTE: _("Only the host can do this."),
    Capability.MEETING_EDIT: _("Only the organiser can do this."),
    Capability.MINUTES_REOPEN: _("Only the organiser can open approved minutes again."),
}
HOSTS_DECIDE = _("The host or a co-host can do this, or make you co-host.")


def capabilities_of(role: Role) -> list[str]:
    """Everything `role` may do, sorted; for browsers, which show only what will be allowed."""
    return sorted(capability.value for capability, roles in TABLE.items() if role in roles)
