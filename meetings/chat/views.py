"""Files of the chat: in by HTTP from the room page, out to those who were there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.http import FileResponse, Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_GET, require_POST

from meetings.chat import services
from meetings.chat.files import GENERIC, INLINE_IMAGES
from meetings.chat.models import SharedFile
from meetings.chat.payloads import message_json
from meetings.chat.uploads import CappedUpload, declared_too_large
from meetings.live.door import find_meeting
from meetings.live.errors import RoomError
from meetings.live.identity import visitor_of
from meetings.live.models import Participant, Session
from meetings.live.presence import running_session_of
from meetings.permissions.actor import Actor, actor_of, client_ip
from meetings.permissions.capabilities import Capability
from meetings.permissions.decide import Refused, decide
from meetings.scheduling.models import Meeting

_STATUS = {
    "too_large": 413,
    "not_joined": 403,
    "forbidden": 403,
    "removed": 403,
    "ended": 409,
    "bad_message": 400,
}


def _problem(error: RoomError) -> JsonResponse:
    return JsonResponse({"error": error.payload()}, status=_STATUS.get(error.code, 400))


def _too_large() -> JsonResponse:
    return _problem(RoomError("too_large", _("This file is too large.")))


def _own_participant(request: HttpRequest, meeting: Meeting, session: Session) -> Participant | None:
    """The participant this browser is, or was, in that session."""
    user = request.user if request.user.is_authenticated else None
    visitor = visitor_of(meeting, user=user, session=request.session, ip=client_ip(request))
    if not visitor.identity:
        return None
    return session.participants.filter(identity=visitor.identity).select_related("session__meeting").first()


# The size is checked before anything, the CSRF check among it, reads the body: hence exempt, then protected.
@csrf_exempt
@require_POST
def file_upload(request: HttpRequest, code: str) -> HttpResponse:
    """Share the multipart field `file` in the running session; 201 with {"message"}, or {"error"} as the
    protocol has it.
    """
    if declared_too_large(request.META.get("CONTENT_LENGTH")):
        return _too_large()
    cap = CappedUpload(request)
    request.upload_handlers.insert(0, cap)
    return _receive(request, code=code, cap=cap)


@csrf_protect
def _receive(request: HttpRequest, code: str, cap: CappedUpload) -> HttpResponse:
    upload = request.FILES.get("file")
    if cap.exceeded:
        return _too_large()
    meeting = find_meeting(code)
    if meeting is None:
        raise Http404
    session = running_session_of(meeting)
    participant = _own_participant(request, meeting, session) if session is not None else None
    try:
        if participant is None:
            raise RoomError("not_joined", _("You have not joined this meeting."))
        if upload is None:
            raise RoomError("bad_message", _("There is no file."))
        actor = replace(actor_of(request, meeting), participant=participant)
        message = services.share_file(participant, upload, actor=actor)
    except RoomError as error:
        return _problem(error)
    except Refused as refused:
        decision = refused.decision
        return _problem(RoomError("forbidden", decision.message, rule=decision.rule, who=decision.who))
    return JsonResponse({"message": message_json(message)}, status=201)


def _may_read(request: HttpRequest, shared: SharedFile) -> bool:
    """Who was in that session may, unless they were removed; so may its hosts."""
    session = shared.session
    meeting = session.meeting
    actor: Actor = actor_of(request, meeting)
    participant = _own_participant(request, meeting, session)
    if participant is None or participant.joined_at is None:
        # The organiser answers for the meeting, in the session or not.
        return actor.user is not None and actor.user.pk == meeting.organizer_id
    return bool(decide(replace(actor, participant=participant), Capability.CHAT_READ, meeting))


@require_GET
@cache_control(private=True, max_age=3600)
def file_download(request: HttpRequest, pk: int) -> Any:
    """The file: images as they are, all else as a download. 404 also for those it is not for."""
    shared = get_object_or_404(SharedFile.objects.select_related("session__meeting__organizer"), pk=pk)
    if not _may_read(request, shared):
        raise Http404
    inline = shared.content_type in INLINE_IMAGES
    response = FileResponse(
        shared.file.open("rb"),
        as_attachment=not inline,
        filename=shared.name,
        content_type=shared.content_type or GENERIC,
    )
    response["X-Content-Type-Options"] = "nosniff"
    # Even opened on its own, what someone uploaded can do nothing here.
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response
