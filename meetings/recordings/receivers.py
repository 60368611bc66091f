"""Recordings follow the session and the workers."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from media_gateway.models import MediaNode
from media_gateway.signals import node_up
from meetings.jobs import start_job
from meetings.live.models import Session
from meetings.live.signals import media_placed, session_ended
from meetings.permissions.actor import SYSTEM
from meetings.recordings.selectors import live_recording
from meetings.recordings.services import stop_with_session
from meetings.recordings.tasks import rearm_node, rearm_session


@receiver(session_ended, dispatch_uid="meetings.recordings.session_ended")
def on_session_ended(session: Session, **_kwargs: Any) -> None:
    stop_with_session(session, actor=SYSTEM)


@receiver(media_placed, dispatch_uid="meetings.recordings.media_placed")
def on_media_placed(session: Session, **_kwargs: Any) -> None:
    # In a job: the room exists at its new worker only when the first peer has come, which this must not
    # hold up.
    if live_recording(session) is not None:
        start_job(rearm_session, session.pk)


@receiver(node_up, dispatch_uid="meetings.recordings.node_up")
def on_node_up(node: MediaNode, **_kwargs: Any) -> None:
    # In a job: the link that introduces the worker cannot carry requests before this receiver returns.
    if node.kind == MediaNode.Kind.RECORDER:
        start_job(rearm_node, node.name)
