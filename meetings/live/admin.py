"""Sessions, participants and attendance in the administration."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy

from accounts.adminbase import NamedValuesFilter, ReadOnlyAdmin, ReadOnlyInline, confirmed_action
from meetings.live.live_page import live_context
from meetings.live.models import Attendance, MediaIncident, Participant, Session
from meetings.live.services import end_session
from meetings.permissions.admin_actor import admin_actor
from meetings.permissions.capabilities import Capability
from meetings.permissions.decide import require
from meetings.recordings.models import Recording


class LiveFilter(admin.SimpleListFilter):
    """Sessions that run now, or are over."""

    title = gettext_lazy("live")
    parameter_name = "live"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", _("Live now")), ("no", _("Ended"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Session]) -> QuerySet[Session]:
        if self.value() == "yes":
            return queryset.filter(ended_at=None)
        if self.value() == "no":
            return queryset.exclude(ended_at=None)
        return queryset


class ParticipantInline(ReadOnlyInline):
    model = Participant
    fields = ("name", "role", "state", "user", "joined_at", "last_seen_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Participant]:
        return super().get_queryset(request).select_related("user")


class RecordingInline(ReadOnlyInline):
    model = Recording
    fields = ("started_at", "state", "duration_seconds", "node")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Recording]:
        return super().get_queryset(request).select_related("session__meeting")


class IncidentInline(ReadOnlyInline):
    model = MediaIncident
    fields = ("began_at", "publisher", "source", "hop", "subscriber", "done", "ended_at", "end_reason")
    readonly_fields = ("done",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[MediaIncident]:
        return super().get_queryset(request).select_related("publisher", "subscriber")

    @admin.display(description=gettext_lazy("what was done"))
    def done(self, obj: MediaIncident) -> str:
        return actions_text(obj)


@admin.register(Session)
class SessionAdmin(ReadOnlyAdmin):
    list_display = (
        "meeting",
        "is_live",
        "here",
        "node",
        "started_at",
        "ended_at",
        "waiting",
        "came",
        "end_reason",
    )
    list_filter = (LiveFilter, ("node", NamedValuesFilter), ("end_reason", NamedValuesFilter))
    list_select_related = ("meeting",)
    search_fields = (
        "meeting__title",
        "meeting__code",
        "meeting__organizer__name",
        "meeting__organizer__email",
        "node",
    )
    date_hierarchy = "started_at"
    inlines = (ParticipantInline, RecordingInline, IncidentInline)
    actions = ("end",)
    change_form_template = "admin/session_change_form.html"
    fields = ("meeting", "room_id", "started_at", "ended_at", "end_reason", "node", "node_instance")
    readonly_fields = ("room_id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Session]:
        state = Participant.State
        return (
            super()
            .get_queryset(request)
            .annotate(
                here_count=Count("participants", filter=Q(participants__state=state.IN)),
                waiting_count=Count(
                    "participants", filter=Q(participants__state=state.LOBBY) & ~Q(participants__channel="")
                ),
                came_count=Count("participants", filter=Q(participants__joined_at__isnull=False)),
            )
        )

    def get_urls(self) -> list[Any]:
        live = path(
            "<path:object_id>/live/", self.admin_site.admin_view(self.live), name="meetings_session_live"
        )
        return [live, *super().get_urls()]

    def live(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """How the media of a session does now. For those who may see this very session."""
        session = self.get_object(request, unquote(object_id))
        if session is None or not self.has_view_permission(request, session):
            raise PermissionDenied
        require(admin_actor(request), Capability.MEETING_VIEW, session.meeting)
        context = {
            **self.admin_site.each_context(request),
            **live_context(request, session),
            "title": _("Media now"),
            "opts": self.opts,
        }
        return TemplateResponse(request, "admin/session_live.html", context)

    @admin.display(description=gettext_lazy("live"), boolean=True, ordering="-ended_at")
    def is_live(self, obj: Session) -> bool:
        return obj.is_running

    @admin.display(description=gettext_lazy("in the room"), ordering="here_count")
    def here(self, obj: Any) -> int:
        return int(obj.here_count)

    @admin.display(description=gettext_lazy("in the lobby"), ordering="waiting_count")
    def waiting(self, obj: Any) -> int:
        return int(obj.waiting_count)

    @admin.display(description=gettext_lazy("came"), ordering="came_count")
    def came(self, obj: Any) -> int:
        return int(obj.came_count)

    @admin.action(description=gettext_lazy("End sessions for everybody"))
    def end(self, request: HttpRequest, queryset: QuerySet[Session]) -> HttpResponse | None:
        actor = admin_actor(request)

        def done(count: int) -> str:
            return ngettext("%(count)d session is ended.", "%(count)d sessions are ended.", count) % {
                "count": count
            }

        return confirmed_action(
            self,
            request,
            queryset,
            action="end",
            title=_("End these sessions?"),
            text=_(
                "Everybody in them is sent out now. Chat, recordings and attendance are kept, "
                "and minutes are drafted."
            ),
            button=_("End the sessions"),
            do=lambda session: end_session(session, actor=actor, reason="admin"),
            done=done,
        )


class AttendanceInline(ReadOnlyInline):
    model = Attendance
    fields = ("joined_at", "left_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Attendance]:
        return super().get_queryset(request).select_related("participant")


@admin.register(Participant)
class ParticipantAdmin(ReadOnlyAdmin):
    list_display = ("name", "session", "role", "state", "user", "joined_at", "last_seen_at")
    list_filter = ("state", "role", ("user", admin.EmptyFieldListFilter))
    list_select_related = ("session__meeting", "user")
    search_fields = (
        "name",
        "user__name",
        "user__email",
        "invitation__email",
        "public_id",
        "session__meeting__title",
    )
    date_hierarchy = "asked_at"
    ordering = ("-asked_at",)
    inlines = (AttendanceInline,)
    # The resume key is a secret that lets its holder be this person.
    fields = (
        "public_id", "session", "name", "identity", "user", "invitation", "role", "state",
        "mic", "camera", "screen", "hand_at", "asked_at", "joined_at", "last_seen_at",
    )  # fmt: skip
    readonly_fields = ("public_id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Participant]:
        return super().get_queryset(request).select_related("session__meeting", "user", "invitation__user")


@admin.register(Attendance)
class AttendanceAdmin(ReadOnlyAdmin):
    list_display = ("participant", "meeting", "joined_at", "left_at", "stay")
    list_filter = (("left_at", admin.EmptyFieldListFilter),)
    list_select_related = ("participant__session__meeting",)
    search_fields = ("participant__name", "participant__user__email", "participant__session__meeting__title")
    date_hierarchy = "joined_at"
    ordering = ("-joined_at",)

    @admin.display(description=gettext_lazy("meeting"))
    def meeting(self, obj: Attendance) -> str:
        return obj.participant.session.meeting.title

    @admin.display(description=pgettext_lazy("duration", "minutes"))
    def stay(self, obj: Attendance) -> str:
        return "" if obj.left_at is None else f"{(obj.left_at - obj.joined_at).total_seconds() / 60:.1f}"


def actions_text(incident: MediaIncident) -> str:
    """What the media server did, in words and in order."""
    words = {
        "keyframe": _("asked for a whole picture"),
        "resubscribe": _("subscribed anew"),
        "restart": _("restarted the connection"),
        "reconnect": _("connected anew"),
    }
    return " → ".join(words.get(action, action) for action in incident.actions)


@admin.register(MediaIncident)
class MediaIncidentAdmin(ReadOnlyAdmin):
    list_display = (
        "began_at",
        "publisher",
        "source",
        "hop",
        "subscriber",
        "done",
        "lasted",
        "end_reason",
        "node",
        "meeting",
    )
    list_filter = (
        "hop",
        "source",
        "end_reason",
        ("ended_at", admin.EmptyFieldListFilter),
        ("node", NamedValuesFilter),
    )
    list_select_related = ("publisher", "subscriber", "session__meeting")
    search_fields = ("publisher__name", "subscriber__name", "session__meeting__title", "node")
    date_hierarchy = "began_at"
    fields = (
        "session", "publisher", "source", "hop", "subscriber", "done", "began_at", "ended_at", "end_reason",
        "node",
    )  # fmt: skip
    readonly_fields = ("done",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[MediaIncident]:
        return super().get_queryset(request).select_related("session__meeting", "publisher", "subscriber")

    @admin.display(description=gettext_lazy("what was done"))
    def done(self, obj: MediaIncident) -> str:
        return actions_text(obj)

    @admin.display(description=pgettext_lazy("duration", "seconds"))
    def lasted(self, obj: MediaIncident) -> str:
        return "" if obj.ended_at is None else f"{(obj.ended_at - obj.began_at).total_seconds():.1f}"

    @admin.display(description=gettext_lazy("meeting"))
    def meeting(self, obj: MediaIncident) -> str:
        return obj.session.meeting.title
