"""What a running session does when its media worker comes, goes, or takes its room."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from media_gateway.models import MediaNode
from media_gateway.signals import node_down, node_up, relay_lost, rooms_claimed, trouble_told
from meetings.invitations.models import Invitation
from meetings.live import incidents, media, placement, presence, spread
from meetings.live.ending import end_session
from meetings.live.roles import follow_invitations
from meetings.permissions.actor import SYSTEM, Actor
from meetings.scheduling.models import Meeting
from meetings.scheduling.signals import meeting_cancelled, roles_given


@receiver(node_down)
def reconnect_rooms(node: MediaNode, instance: str, **kwargs: Any) -> None:
    if node.kind == MediaNode.Kind.MEDIA:
        placement.release_rooms(node.name, instance)
        spread.release_seats(node.name, instance)
        incidents.end_of_worker(node.name)


@receiver(node_up)
def restate_rooms(node: MediaNode, **kwargs: Any) -> None:
    if node.kind == MediaNode.Kind.MEDIA:
        media.reproject(node.name, node.instance)


@receiver(trouble_told)
def write_down(node: str, room: str, data: dict[str, Any], **kwargs: Any) -> None:
    incidents.note_trouble(room, data, node=node)


@receiver(relay_lost)
def renew_relay(node: str, room: str, other: str, **kwargs: Any) -> None:
    spread.renew_relay(room, node, other)


@receiver(rooms_claimed)
def claim_rooms(node: str, instance: str, **kwargs: Any) -> list[str]:
    return placement.rooms_on(node, instance)


@receiver(roles_given)
def give_roles(meeting: Meeting, invitations: list[Invitation], actor: Actor, **kwargs: Any) -> None:
    follow_invitations(meeting, invitations, actor=actor)


@receiver(meeting_cancelled)
def send_waiting_away(meeting: Meeting, **kwargs: Any) -> None:
    """Who waits in the lobby of a cancelled meeting is told, and let go."""
    session = presence.running_session_of(meeting)
    if session is not None:
        end_session(session, actor=SYSTEM, reason="cancelled")
