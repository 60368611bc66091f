"""Minutes, decisions and actions in the administration: hosts write them, here they are found."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.adminbase import ReadOnlyAdmin, ReadOnlyInline
from meetings.minutes.models import ActionItem, AgendaItem, Decision, Minutes, MinutesNote


@admin.register(AgendaItem)
class AgendaItemAdmin(ReadOnlyAdmin):
    list_display = ("title", "meeting", "position", "minutes")
    list_select_related = ("meeting",)
    search_fields = ("title", "meeting__title")
    date_hierarchy = "meeting__starts_at"
    ordering = ("-meeting__starts_at", "position")


class NoteInline(ReadOnlyInline):
    model = MinutesNote
    fields = ("position", "title", "body")


class DecisionInline(ReadOnlyInline):
    model = Decision
    fields = ("position", "text")


class ActionInline(ReadOnlyInline):
    model = ActionItem
    fields = ("position", "text", "owner_name", "due_date", "done_at")


@admin.register(Minutes)
class MinutesAdmin(ReadOnlyAdmin):
    list_display = (
        "meeting",
        "held",
        "state",
        "decisions_written",
        "actions_written",
        "updated_at",
        "approved_by",
    )
    list_filter = ("state",)
    list_select_related = ("session__meeting", "approved_by")
    search_fields = (
        "session__meeting__title",
        "session__meeting__code",
        "summary",
        "notes__body",
        "decisions__text",
    )
    date_hierarchy = "session__started_at"
    ordering = ("-session__started_at",)
    inlines = (NoteInline, DecisionInline, ActionInline)
    fields = (
        "session", "portal_page", "state", "summary", "version", "created_at", "updated_at",
        "approved_at", "approved_by",
    )  # fmt: skip
    readonly_fields = ("portal_page", "version", "created_at", "updated_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Minutes]:
        return (
            super()
            .get_queryset(request)
            .select_related("session__meeting", "approved_by")
            .annotate(
                decision_count=Count("decisions", distinct=True),
                action_count=Count("actions", distinct=True),
            )
        )

    @admin.display(description=gettext_lazy("meeting"), ordering="session__meeting__title")
    def meeting(self, obj: Minutes) -> str:
        return obj.session.meeting.title

    @admin.display(description=gettext_lazy("held"), ordering="session__started_at")
    def held(self, obj: Minutes) -> Any:
        return obj.session.started_at

    @admin.display(description=gettext_lazy("decisions"), ordering="decision_count")
    def decisions_written(self, obj: Any) -> int:
        return int(obj.decision_count)

    @admin.display(description=gettext_lazy("actions"), ordering="action_count")
    def actions_written(self, obj: Any) -> int:
        return int(obj.action_count)

    @admin.display(description=gettext_lazy("page in the portal"))
    def portal_page(self, obj: Minutes) -> str:
        url = reverse("meetings:minutes_detail", args=[obj.pk])
        return format_html('<a href="{}">{}</a>', url, url)


class _PartOfMinutes(ReadOnlyAdmin):
    list_select_related: ClassVar[Any] = ("minutes__session__meeting",)
    date_hierarchy = "minutes__session__started_at"
    ordering: ClassVar[Any] = ("-minutes__session__started_at", "position")

    @admin.display(description=gettext_lazy("meeting"), ordering="minutes__session__meeting__title")
    def meeting(self, obj: Any) -> str:
        return str(obj.minutes.session.meeting)


@admin.register(MinutesNote)
class MinutesNoteAdmin(_PartOfMinutes):
    list_display = ("title", "meeting", "position")
    search_fields = ("title", "body", "minutes__session__meeting__title")


@admin.register(Decision)
class DecisionAdmin(_PartOfMinutes):
    list_display = ("text", "meeting", "position")
    search_fields = ("text", "minutes__session__meeting__title")


class DoneFilter(admin.SimpleListFilter):
    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", _("Open")), ("late", _("Late")), ("done", _("Done"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ActionItem]) -> QuerySet[ActionItem]:
        conditions = {
            "open": Q(done_at=None),
            "late": Q(done_at=None, due_date__lt=timezone.localdate()),
            "done": Q(done_at__isnull=False),
        }
        return queryset.filter(conditions[value]) if (value := self.value()) in conditions else queryset


@admin.register(ActionItem)
class ActionItemAdmin(_PartOfMinutes):
    list_display = ("text", "owner_name", "due_date", "done_at", "meeting")
    list_filter = (DoneFilter, ("owner", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("minutes__session__meeting", "owner")
    search_fields = ("text", "owner__name", "owner__email", "owner_name", "minutes__session__meeting__title")
    date_hierarchy = "due_date"
    ordering = ("due_date", "position")
