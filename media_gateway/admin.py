"""Media and recording workers as they introduced themselves; rows are written by the workers alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts.adminbase import admin_user
from accounts.network import client_ip
from media_gateway import draining, nodes
from media_gateway.models import MediaNode


@admin.register(MediaNode)
class MediaNodeAdmin(admin.ModelAdmin):
    list_display = (
        "name",
        "kind",
        "host",
        "state",
        "rooms",
        "peers",
        "packets",
        "lag",
        "processor",
        "drops",
        "heartbeat_at",
    )
    list_filter = ("kind", "state", "host")
    search_fields = ("name", "host", "instance")
    readonly_fields = (
        "name",
        "kind",
        "instance",
        "host",
        "state",
        "capacity",
        "load",
        "connected_at",
        "heartbeat_at",
    )
    fields = readonly_fields
    actions = ("drain", "restart", "undrain")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # A row of a worker that runs would come back with its next dial, its rooms lost for nothing.
        if obj is not None and obj.state != MediaNode.State.DOWN:
            return False
        return super().has_delete_permission(request, obj)

    @admin.display(description=_("rooms"))
    def rooms(self, node: MediaNode) -> Any:
        return node.load.get("rooms", "–")

    @admin.display(description=_("people"))
    def peers(self, node: MediaNode) -> Any:
        return node.load.get("peers", "–")

    @admin.display(description=_("packets/s"))
    def packets(self, node: MediaNode) -> Any:
        return node.load.get("packets_per_s", "–")

    @admin.display(description=_("lag (ms)"))
    def lag(self, node: MediaNode) -> Any:
        return node.load.get("lag_ms", "–")

    @admin.display(description=_("processor"))
    def processor(self, node: MediaNode) -> str:
        return f"{100 * nodes.figure(node, 'cpu'):.0f} %" if "cpu" in node.load else "–"

    @admin.display(description=_("drops/s"))
    def drops(self, node: MediaNode) -> Any:
        return node.load.get("drops_per_s", "–")

    @admin.action(description=_("Give no new rooms to these workers"))
    def drain(self, request: HttpRequest, queryset: QuerySet[MediaNode]) -> None:
        self._each(request, queryset, draining.drain)

    @admin.action(description=_("Restart these workers when they are empty"))
    def restart(self, request: HttpRequest, queryset: QuerySet[MediaNode]) -> None:
        self._each(request, queryset, partial(draining.drain, restart=True))

    @admin.action(description=_("Give rooms to these workers again"))
    def undrain(self, request: HttpRequest, queryset: QuerySet[MediaNode]) -> None:
        self._each(request, queryset, draining.undrain)

    def _each(self, request: HttpRequest, rows: QuerySet[MediaNode], do: Callable[..., bool]) -> None:
        changed = sum(do(node, user=admin_user(request), ip=client_ip(request)) for node in rows)
        text = ngettext("%(count)d worker was told.", "%(count)d workers were told.", changed)
        level = messages.SUCCESS if changed else messages.WARNING
        self.message_user(request, text % {"count": changed}, level)
