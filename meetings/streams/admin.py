"""Stream keys and their connections in the administration: to look at; hosts make and revoke them."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.adminbase import NamedValuesFilter, ReadOnlyAdmin, ReadOnlyInline, confirmed_action
from meetings.permissions.admin_actor import admin_actor
from meetings.streams.ending import end_connection
from meetings.streams.models import StreamConnection, StreamKey


class ConnectionInline(ReadOnlyInline):
    model = StreamConnection
    fields = ("created_at", "opened_at", "ended_at", "end_reason", "node", "ip")

    def get_queryset(self, request: HttpRequest) -> QuerySet[StreamConnection]:
        return super().get_queryset(request).select_related("key")


@admin.register(StreamKey)
class StreamKeyAdmin(ReadOnlyAdmin):
    list_display = (
        "name",
        "meeting",
        "direction",
        "source",
        "hint",
        "expires_at",
        "revoked_at",
        "last_used_at",
    )
    list_filter = ("direction", ("revoked_at", admin.EmptyFieldListFilter))
    list_select_related = ("meeting",)
    search_fields = ("name", "hint", "meeting__title", "meeting__code")
    date_hierarchy = "created_at"
    inlines = (ConnectionInline,)
    # The hash would let nobody in, but is of no use to anybody either.
    fields = (
        "meeting", "name", "direction", "source", "hint", "created_by", "created_at", "expires_at",
        "revoked_at", "last_used_at",
    )  # fmt: skip
    readonly_fields = ("hint",)


@admin.register(StreamConnection)
class StreamConnectionAdmin(ReadOnlyAdmin):
    list_display = ("key", "meeting", "node", "ip", "created_at", "opened_at", "ended_at", "end_reason")
    list_filter = (("ended_at", admin.EmptyFieldListFilter), ("end_reason", NamedValuesFilter))
    list_select_related = ("key", "session__meeting")
    search_fields = ("key__name", "session__meeting__title", "session__meeting__code", "ip")
    date_hierarchy = "created_at"
    actions = ("end",)
    fields = (
        "key", "session", "participant", "node", "ip", "created_at", "opened_at", "ended_at", "end_reason",
    )  # fmt: skip

    @admin.display(description=gettext_lazy("meeting"))
    def meeting(self, obj: StreamConnection) -> str:
        return obj.session.meeting.title

    @admin.action(description=gettext_lazy("End these streams"))
    def end(self, request: HttpRequest, queryset: QuerySet[StreamConnection]) -> HttpResponse | None:
        actor = admin_actor(request)

        def done(count: int) -> str:
            return ngettext("%(count)d stream is ended.", "%(count)d streams are ended.", count) % {
                "count": count
            }

        return confirmed_action(
            self,
            request,
            queryset,
            action="end",
            title=_("End these streams?"),
            text=_("They stop now. Their keys stay good: to keep them out, a host revokes the key."),
            button=_("End the streams"),
            do=lambda connection: end_connection(connection, reason="admin", actor=actor),
            done=done,
        )
