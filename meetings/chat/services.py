"""Writing and sharing in a running session."""

from __future__ import annotations

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.utils.translation import gettext as _

from meetings.chat.files import clean_file_name, sniff_content_type
from meetings.chat.models import ChatMessage, SharedFile
from meetings.chat.payloads import message_json
from meetings.live.errors import RoomError
from meetings.live.events import send_to_session
from meetings.live.guards import audit, present_with
from meetings.live.models import Participant, Session
from meetings.permissions.actor import Actor
from meetings.permissions.capabilities import Capability

MAX_BODY = 4000


def readable_session(actor: Actor) -> Session:
    """The session whose chat the actor, in the room now, may read. Raises RoomError, Refused."""
    participant, _actor = present_with(actor, Capability.CHAT_READ)
    return participant.session


def send_message(participant: Participant, body: str, *, actor: Actor) -> ChatMessage:
    """Say `body` to everyone in the room, as `participant`, who is the actor's own.

    The message is its own record, so there is no audit row beside it. Raises RoomError (bad_message,
    too_large, not_joined, ended) or Refused.
    """
    body = body.replace("\r\n", "\n").strip()
    if not body:
        raise RoomError("bad_message", _("There is nothing to send."))
    if len(body) > MAX_BODY:
        raise RoomError(
            "too_large", _("A message may have at most %(limit)d characters.") % {"limit": MAX_BODY}
        )
    with transaction.atomic():
        author, actor = _own(participant, actor, Capability.CHAT_SEND)
        message = ChatMessage.objects.create(session=author.session, participant=author, body=body)
        send_to_session(author.session, "chat.message", {"message": message_json(message)})
    return message


def share_file(participant: Participant, upload: UploadedFile, *, actor: Actor) -> ChatMessage:
    """Keep an uploaded file privately and show it in the chat. Raises RoomError (too_large, …) or Refused."""
    if upload.size is None or upload.size > settings.SHARED_FILE_MAX_BYTES:
        limit = settings.SHARED_FILE_MAX_BYTES // (1024 * 1024)
        raise RoomError("too_large", _("A file may have at most %(limit)d MB.") % {"limit": limit})
    if upload.size == 0:
        raise RoomError("bad_message", _("This file is empty."))
    present_with(actor, Capability.FILE_SHARE)
    name = clean_file_name(upload.name or "")
    with transaction.atomic():
        author, actor = _own(participant, actor, Capability.FILE_SHARE)
        shared = SharedFile(
            session=author.session,
            participant=author,
            name=name,
            size=upload.size,
            content_type=sniff_content_type(upload, name),
        )
        shared.file.save(name, upload, save=False)
        try:
            shared.save()
            message = ChatMessage.objects.create(session=author.session, participant=author, file=shared)
            audit("file.share", author, actor=actor, file=name, size=upload.size)
            send_to_session(author.session, "chat.message", {"message": message_json(message)})
        except BaseException:
            shared.file.storage.delete(shared.file.name or "")
            raise
    return message


def _own(participant: Participant, actor: Actor, capability: Capability) -> tuple[Participant, Actor]:
    """The actor's own participant, and nobody else's, with the capability."""
    author, actor = present_with(actor, capability)
    if author.pk != participant.pk:
        raise RoomError("forbidden", _("You can only speak for yourself."), rule=capability.value)
    return author, actor
