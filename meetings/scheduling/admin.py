"""Meetings in the administration: to look at, and to cancel."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy

from accounts.adminbase import ReadOnlyAdmin, ReadOnlyInline, confirmed_action
from meetings.invitations.models import Invitation
from meetings.live.models import Session
from meetings.minutes.models import AgendaItem
from meetings.permissions.admin_actor import admin_actor
from meetings.scheduling.models import Meeting
from meetings.scheduling.services import cancel_meeting


class WhenFilter(admin.SimpleListFilter):
    title = gettext_lazy("when")
    parameter_name = "when"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("now", _("Now")), ("ahead", _("Ahead")), ("past", _("Past"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Meeting]) -> QuerySet[Meeting]:
        now = timezone.now()
        conditions = {
            "now": Q(starts_at__lte=now, ends_at__gt=now),
            "ahead": Q(starts_at__gt=now),
            "past": Q(ends_at__lte=now),
        }
        return queryset.filter(conditions[value]) if (value := self.value()) in conditions else queryset


class InvitationInline(ReadOnlyInline):
    model = Invitation
    fields = ("name", "email", "user", "role", "revoked_at")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Invitation]:
        return super().get_queryset(request).select_related("user", "meeting")


class AgendaInline(ReadOnlyInline):
    model = AgendaItem
    fields = ("position", "title", "minutes")


class SessionInline(ReadOnlyInline):
    model = Session
    fields = ("started_at", "ended_at", "end_reason", "node")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Session]:
        return super().get_queryset(request).select_related("meeting")


@admin.register(Meeting)
class MeetingAdmin(ReadOnlyAdmin):
    """Booking and changes belong to the portal, as they write invitations and raise the calendar sequence."""

    list_display = ("title", "organizer", "starts_at", "duration", "invited", "status", "code")
    list_filter = (WhenFilter, "status", "lobby_enabled", "recording_enabled", "time_zone")
    list_select_related = ("organizer",)
    search_fields = ("title", "code", "uid", "organizer__name", "organizer__email")
    search_help_text = gettext_lazy("Search by title, join code, calendar UID or organiser")
    date_hierarchy = "starts_at"
    ordering = ("-starts_at",)
    inlines = (InvitationInline, AgendaInline, SessionInline)
    actions = ("cancel",)
    fieldsets = (
        (None, {"fields": ("title", "description", "organizer", "status")}),
        (gettext_lazy("Time"), {"fields": ("starts_at", "ends_at", "duration_minutes", "time_zone")}),
        (gettext_lazy("Rules"), {"fields": ("lobby_enabled", "recording_enabled")}),
        (gettext_lazy("Links"), {"fields": ("code", "portal_page", "uid", "sequence")}),
        (gettext_lazy("Dates"), {"fields": ("created_at", "updated_at")}),
    )
    readonly_fields = ("portal_page", "created_at", "updated_at", "ends_at", "code", "uid", "sequence")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Meeting]:
        valid = Count("invitations", filter=Q(invitations__revoked_at=None))
        return super().get_queryset(request).annotate(invited_count=valid)

    @admin.display(description=pgettext_lazy("duration", "minutes"), ordering="duration_minutes")
    def duration(self, obj: Meeting) -> int:
        return obj.duration_minutes

    @admin.display(description=gettext_lazy("invited"), ordering="invited_count")
    def invited(self, obj: Any) -> int:
        return int(obj.invited_count)

    @admin.display(description=gettext_lazy("page in the portal"))
    def portal_page(self, obj: Meeting) -> str:
        url = reverse("meetings:meeting_detail", args=[obj.pk])
        return format_html('<a href="{}">{}</a>', url, url)

    @admin.action(description=gettext_lazy("Cancel meetings"))
    def cancel(self, request: HttpRequest, queryset: QuerySet[Meeting]) -> HttpResponse | None:
        def do(meeting: Meeting) -> bool:
            if meeting.is_cancelled:
                return False
            cancel_meeting(meeting, actor=admin_actor(request))
            return True

        def done(count: int) -> str:
            return ngettext("%(count)d meeting is cancelled.", "%(count)d meetings are cancelled.", count) % {
                "count": count
            }

        return confirmed_action(
            self,
            request,
            queryset,
            action="cancel",
            title=_("Cancel these meetings?"),
            text=_("Everybody who was invited gets an e-mail that takes the meeting out of their calendar."),
            button=_("Cancel the meetings"),
            do=do,
            done=done,
        )
