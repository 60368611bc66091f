"""Recordings: the list, one to watch, its files, its progress, and the way to delete it."""

from __future__ import annotations

import re
import uuid
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from meetings.permissions.actor import Actor, actor_of
from meetings.permissions.capabilities import Capability
from meetings.permissions.decide import decide, require
from meetings.permissions.pages import refuse
from meetings.recordings.composition import compose_again
from meetings.recordings.errors import RecordingConflict
from meetings.recordings.models import Recording
from meetings.recordings.selectors import recordings_of
from meetings.recordings.services import delete_recording
from meetings.recordings.streaming import send_file

PAGE_SIZE = 20


def _recording(key: uuid.UUID) -> Recording:
    rows = Recording.objects.select_related("session__meeting__organizer", "started_by")
    return get_object_or_404(rows, key=key)


def _require(request: HttpRequest, recording: Recording, capability: Capability) -> Actor:
    """For files and data, where a sign-in page in the place of bytes would help nobody. Raises Refused."""
    meeting = recording.session.meeting
    actor = actor_of(request, meeting)
    require(actor, capability, meeting)
    return actor


@login_required
@require_safe
def recording_list(request: HttpRequest) -> HttpResponse:
    user: Any = request.user
    page = Paginator(recordings_of(user), PAGE_SIZE).get_page(request.GET.get("page"))
    return render(request, "meetings/recording_list.html", {"page_obj": page, "recordings": page.object_list})


@require_safe
def recording_detail(request: HttpRequest, key: uuid.UUID) -> HttpResponse:
    """The video with its facts; while it is being made, how far that is."""
    recording = _recording(key)
    meeting = recording.session.meeting
    actor = actor_of(request, meeting)
    may_view = decide(actor, Capability.RECORDING_VIEW, meeting)
    may_delete = decide(actor, Capability.RECORDING_DELETE, meeting)
    if not may_view and not may_delete:
        return refuse(request, may_view)
    context = {
        "recording": recording,
        "meeting": meeting,
        "percent": percent(recording),
        "may_view": bool(may_view),
        "may_download": bool(decide(actor, Capability.RECORDING_DOWNLOAD, meeting)),
        "may_delete": bool(may_delete),
        "may_compose": bool(decide(actor, Capability.RECORDING_CONTROL, meeting)),
        "may_open_meeting": bool(decide(actor, Capability.MEETING_VIEW, meeting)) and actor.user is not None,
    }
    return render(request, "meetings/recording_detail.html", context)


def percent(recording: Recording) -> int:
    return round(min(max(recording.progress, 0.0), 1.0) * 100)


@require_safe
def recording_state(request: HttpRequest, key: uuid.UUID) -> JsonResponse:
    """`{state, percent}` for the page that waits for the film."""
    recording = _recording(key)
    _require(request, recording, Capability.RECORDING_VIEW)
    return JsonResponse(
        {"state": recording.state, "percent": percent(recording)}, headers={"Cache-Control": "no-store"}
    )


def file_name(recording: Recording) -> str:
    """ "Physics 101 2026-11-23 10.00.mp4": title and start in the meeting's zone, safe on every file
    system.
    """
    meeting = recording.session.meeting
    title = re.sub(r"[\x00-\x1f\x7f/\\:*?\"<>|]+", " ", meeting.title)
    title = " ".join(title.split()).strip(". ")[:100] or "recording"
    return f"{title} {timezone.localtime(recording.started_at, meeting.zone):%Y-%m-%d %H.%M}.mp4"


@require_safe
def recording_file(request: HttpRequest, key: uuid.UUID) -> HttpResponseBase:
    """The MP4 for the player."""
    recording = _recording(key)
    _require(request, recording, Capability.RECORDING_VIEW)
    return send_file(request, recording.video_path, content_type="video/mp4", filename=file_name(recording))


@require_safe
def recording_download(request: HttpRequest, key: uuid.UUID) -> HttpResponseBase:
    """The same file to keep."""
    recording = _recording(key)
    _require(request, recording, Capability.RECORDING_DOWNLOAD)
    return send_file(
        request,
        recording.video_path,
        content_type="video/mp4",
        filename=file_name(recording),
        as_attachment=True,
    )


@require_safe
def recording_poster(request: HttpRequest, key: uuid.UUID) -> HttpResponseBase:
    recording = _recording(key)
    _require(request, recording, Capability.RECORDING_VIEW)
    return send_file(request, recording.poster_path, content_type="image/jpeg", filename="poster.jpg")


@require_POST
def recording_compose(request: HttpRequest, key: uuid.UUID) -> HttpResponse:
    """A film that failed is made again."""
    recording = _recording(key)
    try:
        compose_again(recording, actor=actor_of(request, recording.session.meeting))
    except RecordingConflict as error:
        messages.error(request, error.message)
    return redirect("meetings:recording_detail", key=recording.key)


@require_http_methods(["GET", "HEAD", "POST"])
def recording_delete(request: HttpRequest, key: uuid.UUID) -> HttpResponse:
    """Asks first (GET), then deletes (POST)."""
    recording = _recording(key)
    meeting = recording.session.meeting
    actor = actor_of(request, meeting)
    decision = decide(actor, Capability.RECORDING_DELETE, meeting)
    if not decision:
        return refuse(request, decision)
    if request.method == "POST":
        try:
            delete_recording(recording, actor=actor)
        except RecordingConflict as error:
            messages.error(request, error.message)
            return redirect("meetings:recording_detail", key=recording.key)
        messages.success(request, _("The recording is deleted."))
        return redirect("meetings:recording_list")
    return render(request, "meetings/recording_delete.html", {"recording": recording, "meeting": meeting})
