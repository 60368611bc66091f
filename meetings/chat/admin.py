"""What was written and shared, in the administration: to look at only."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy

from accounts.adminbase import ReadOnlyAdmin
from meetings.chat.models import ChatMessage, SharedFile


@admin.register(ChatMessage)
class ChatMessageAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "participant", "meeting", "text", "file")
    list_filter = (("file", admin.EmptyFieldListFilter),)
    list_select_related = ("participant", "session__meeting", "file")
    search_fields = ("body", "participant__name", "session__meeting__title", "file__name")
    date_hierarchy = "created_at"
    ordering = ("-pk",)
    fields = ("session", "participant", "created_at", "body", "file")

    @admin.display(description=gettext_lazy("meeting"), ordering="session__meeting__title")
    def meeting(self, obj: ChatMessage) -> str:
        return obj.session.meeting.title

    @admin.display(description=gettext_lazy("text"))
    def text(self, obj: ChatMessage) -> str:
        return obj.body if len(obj.body) <= 80 else f"{obj.body[:79]}…"


@admin.register(SharedFile)
class SharedFileAdmin(ReadOnlyAdmin):
    list_display = ("name", "size", "content_type", "participant", "meeting", "created_at")
    list_filter = ("content_type",)
    list_select_related = ("participant", "session__meeting")
    search_fields = ("name", "participant__name", "session__meeting__title")
    date_hierarchy = "created_at"
    ordering = ("-created_at",)
    # `file` is left out: the folder is private and has no address; people of the meeting get it in the
    # portal.
    fields = ("session", "participant", "name", "size", "content_type", "created_at")

    @admin.display(description=gettext_lazy("meeting"), ordering="session__meeting__title")
    def meeting(self, obj: SharedFile) -> str:
        return obj.session.meeting.title
