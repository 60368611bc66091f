"""Recordings follow the session and the workers."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from media_gateway.models import MediaNode
from media_gateway.signals import node_up
from meetings.live.models import Session
from meetings.live.signals import session_ended
from meetings.permissions.actor import SYSTEM
from meetings.recordings.services import stop_with_session
from meetings.recordings.tasks import rearm_node


@receiver(session_ended, dispatch_uid="meetings.recordings.session_ended")
def on_session_ended(session: Session, **_kwargs: Any) -> None:
    stop_with_session(session, actor=SYSTEM)


@receiver(node_up, dispatch_uid="meetings.recordings.node_up")
def on_node_up(node: MediaNode, **_kwargs: Any) -> None:
    # In a job: the link that introduces the worker cannot carry requests before this receiver returns.
    if node.kind == MediaNode.Kind.RECORDER:
        rearm_node.delay(node.name)
