"""Recordings in the administration: how far they are, to be prepared again, to be deleted."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.adminbase import NamedValuesFilter, ReadOnlyAdmin, confirmed_action
from meetings.live.errors import RoomError
from meetings.permissions.admin_actor import admin_actor
from meetings.recordings.composition import compose_again
from meetings.recordings.models import Recording
from meetings.recordings.services import delete_recording


@admin.register(Recording)
class RecordingAdmin(ReadOnlyAdmin):
    list_display = (
        "meeting",
        "state",
        "percent",
        "started_at",
        "length",
        "size",
        "attempts",
        "node",
        "error_line",
    )
    list_filter = ("state", ("node", NamedValuesFilter))
    list_select_related = ("session__meeting",)
    search_fields = ("session__meeting__title", "session__meeting__code", "key", "error")
    date_hierarchy = "started_at"
    actions = ("compose_again", "delete_recordings")
    fields = (
        "session", "key", "portal_page", "state", "percent", "started_at", "stopped_at", "started_by",
        "length", "size", "node", "attempts", "claimed_at", "error",
    )  # fmt: skip
    readonly_fields = ("key", "portal_page", "percent", "length", "size", "claimed_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Recording]:
        return super().get_queryset(request).select_related("session__meeting", "started_by")

    @admin.display(description=gettext_lazy("meeting"), ordering="session__meeting__title")
    def meeting(self, obj: Recording) -> str:
        return obj.session.meeting.title

    @admin.display(description=gettext_lazy("progress"), ordering="progress")
    def percent(self, obj: Recording) -> str:
        return f"{obj.progress * 100:.0f} %"

    @admin.display(description=gettext_lazy("length"), ordering="duration_seconds")
    def length(self, obj: Recording) -> str:
        if obj.duration_seconds is None:
            return ""
        minutes, seconds = divmod(round(obj.duration_seconds), 60)
        return f"{minutes}:{seconds:02d}"

    @admin.display(description=gettext_lazy("size"), ordering="size_bytes")
    def size(self, obj: Recording) -> str:
        return filesizeformat(obj.size_bytes) if obj.size_bytes else ""

    @admin.display(description=gettext_lazy("error"))
    def error_line(self, obj: Recording) -> str:
        return obj.error.splitlines()[0][:80] if obj.error else ""

    @admin.display(description=gettext_lazy("page in the portal"))
    def portal_page(self, obj: Recording) -> str:
        url = reverse("meetings:recording_detail", args=[obj.key])
        return format_html('<a href="{}">{}</a>', url, url)

    def _told(self, request: HttpRequest, recording: Recording, do: Any) -> bool:
        try:
            do(recording, actor=admin_actor(request))
        except RoomError as error:
            self.message_user(request, f"{recording}: {error.message}", messages.ERROR)
            return False
        return True

    @admin.action(description=gettext_lazy("Prepare again from the raw tracks"))
    def compose_again(self, request: HttpRequest, queryset: QuerySet[Recording]) -> HttpResponse | None:
        def done(count: int) -> str:
            return ngettext(
                "%(count)d recording is being prepared again.",
                "%(count)d recordings are being prepared again.",
                count,
            ) % {"count": count}

        return confirmed_action(
            self,
            request,
            queryset,
            action="compose_again",
            title=_("Prepare these recordings again?"),
            text=_(
                "The films are made anew from the raw tracks; until they are ready they cannot be watched."
            ),
            button=_("Prepare again"),
            do=lambda recording: self._told(request, recording, compose_again),
            done=done,
        )

    @admin.action(description=gettext_lazy("Delete recordings with their files"))
    def delete_recordings(self, request: HttpRequest, queryset: QuerySet[Recording]) -> HttpResponse | None:
        def done(count: int) -> str:
            return ngettext("%(count)d recording is deleted.", "%(count)d recordings are deleted.", count) % {
                "count": count
            }

        return confirmed_action(
            self,
            request,
            queryset,
            action="delete_recordings",
            title=_("Delete these recordings?"),
            text=_(
                "Films and raw tracks are removed for everybody and cannot be brought back. The minutes stay."
            ),
            button=_("Delete the recordings"),
            do=lambda recording: self._told(request, recording, delete_recording),
            done=done,
        )
