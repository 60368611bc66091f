"""What participants say of themselves: microphone, camera, screen, raised hand."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from meetings.live import events, incidents, media
from meetings.live.guards import present
from meetings.live.models import Participant
from meetings.live.payloads import participant_json
from meetings.permissions.actor import Actor
from meetings.permissions.capabilities import Capability
from meetings.permissions.decide import require

_NEEDS = {"mic": Capability.MEDIA_AUDIO, "camera": Capability.MEDIA_VIDEO, "screen": Capability.MEDIA_SCREEN}
_SOURCES = {"mic": ["mic"], "camera": ["camera"], "screen": ["screen", "screen_audio"]}


def set_own_state(*, actor: Actor, **wishes: bool) -> Participant:
    """Switch any of `mic`, `camera`, `screen`, `hand`. Raises Refused, RoomError.

    What is off is not forwarded by the media worker, whatever the browser sends. Such switching is frequent
    and one's own affair, so it leaves no audit row.
    """
    with transaction.atomic():
        participant = present(actor)
        # Locked alone: two people who switch at once must not wait for each other.
        participant = (
            Participant.objects.select_for_update(of=("self",))
            .select_related("session__meeting")
            .get(pk=participant.pk)
        )
        before = participant_json(participant)
        fields = []
        for name, value in wishes.items():
            if name == "hand":
                participant.hand_at = (participant.hand_at or timezone.now()) if value else None
                fields.append("hand_at")
                continue
            if value:
                require(
                    Actor(actor.user, actor.invitation, participant),
                    _NEEDS[name],
                    participant.session.meeting,
                )
            setattr(participant, name, value)
            fields.append(name)
            # Also when nothing changes here: the media may have been paused by itself, as a screen's sound
            # is.
            media.tell_pause(participant, _SOURCES[name], paused=not value)
            if not value:
                incidents.end_of_sources(participant, _SOURCES[name])
        if participant_json(participant) != before:
            participant.save(update_fields=fields)
            data = {"participant": participant_json(participant)}
            events.send_to_session(participant.session, "participant.updated", data)
    return participant
