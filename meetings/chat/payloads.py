"""Chat as the room protocol shows it (docs/protocol.md 1.7)."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from meetings.chat.models import ChatMessage, SharedFile
from meetings.live.models import Session

PAGE = 50


def file_json(shared: SharedFile) -> dict[str, Any]:
    return {
        "id": shared.pk,
        "name": shared.name,
        "size": shared.size,
        "url": reverse("meetings:file", args=[shared.pk]),
        "content_type": shared.content_type,
    }


def message_json(message: ChatMessage) -> dict[str, Any]:
    from meetings.live.payloads import iso

    return {
        "id": message.pk,
        "participant": message.participant.public_id,
        "name": message.participant.name,
        "body": message.body,
        "at": iso(message.created_at),
        "file": file_json(message.file) if message.file else None,
    }


def history_json(session: Session, *, before: int | None = None) -> dict[str, Any]:
    """The PAGE messages before the id `before` (or the newest), oldest first, and whether there are more."""
    messages = session.messages.select_related("participant", "file").order_by("-pk")
    if before is not None:
        messages = messages.filter(pk__lt=before)
    page = list(messages[: PAGE + 1])
    return {
        "messages": [message_json(message) for message in reversed(page[:PAGE])],
        "has_more": len(page) > PAGE,
    }
