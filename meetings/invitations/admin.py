"""Invitations and the outbox in the administration."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy, ngettext

from accounts.adminbase import ReadOnlyAdmin, run_action
from meetings.invitations.models import Invitation, OutboxMail
from meetings.invitations.outbox import retry_mail
from meetings.permissions.admin_actor import admin_actor


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyAdmin):
    list_display = ("email", "name", "meeting", "user", "role", "created_at", "revoked_at")
    list_filter = ("role", ("user", admin.EmptyFieldListFilter), ("revoked_at", admin.EmptyFieldListFilter))
    list_select_related = ("meeting", "user")
    search_fields = ("email", "name", "user__name", "meeting__title", "meeting__code")
    date_hierarchy = "created_at"
    ordering = ("-created_at", "-pk")
    # The nonce is half of the personal link, so it is shown to nobody.
    fields = ("meeting", "email", "name", "user", "role", "created_at", "revoked_at")
    readonly_fields = ("created_at", "revoked_at")


@admin.register(OutboxMail)
class OutboxMailAdmin(ReadOnlyAdmin):
    list_display = (
        "subject",
        "to_email",
        "kind",
        "state",
        "attempts",
        "created_at",
        "sent_at",
        "last_error_line",
    )
    list_filter = ("state", "kind", ("calendar_method", admin.AllValuesFieldListFilter))
    list_select_related = ("meeting",)
    search_fields = ("to_email", "to_name", "subject", "key", "message_id", "meeting__title")
    date_hierarchy = "created_at"
    actions = ("send_again",)
    # Text, HTML and calendar part hold personal links: the mail folder shows them where no server sends
    # mails.
    fieldsets = (
        (
            None,
            {"fields": ("subject", "to_name", "to_email", "reply_to", "kind", "meeting", "calendar_method")},
        ),
        (
            gettext_lazy("Delivery"),
            {"fields": ("state", "attempts", "next_try_at", "claimed_at", "sent_at", "last_error")},
        ),
        (gettext_lazy("Identity"), {"fields": ("key", "message_id", "created_at")}),
    )

    @admin.display(description=gettext_lazy("last error"))
    def last_error_line(self, obj: OutboxMail) -> str:
        return obj.last_error.splitlines()[0][:80] if obj.last_error else ""

    @admin.action(description=gettext_lazy("Send again what has failed"))
    def send_again(self, request: HttpRequest, queryset: QuerySet[OutboxMail]) -> None:
        actor = admin_actor(request)

        def done(count: int) -> str:
            return ngettext("%(count)d mail is sent again.", "%(count)d mails are sent again.", count) % {
                "count": count
            }

        run_action(self, request, queryset, do=lambda mail: retry_mail(mail, actor=actor), done=done)
