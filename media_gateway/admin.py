"""Media and recording workers as they introduced themselves; rows are written by the workers alone."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts.audit import record
from media_gateway.models import MediaNode


@admin.register(MediaNode)
class MediaNodeAdmin(admin.ModelAdmin):
    list_display = ("name", "kind", "host", "state", "rooms", "peers", "packets", "lag", "heartbeat_at")
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
    actions = ("drain", "undrain")

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

    @admin.action(description=_("Give no new rooms to these workers"))
    def drain(self, request: HttpRequest, queryset: QuerySet[MediaNode]) -> None:
        self._set_state(request, queryset.filter(state=MediaNode.State.UP), MediaNode.State.DRAINING)

    @admin.action(description=_("Give rooms to these workers again"))
    def undrain(self, request: HttpRequest, queryset: QuerySet[MediaNode]) -> None:
        self._set_state(request, queryset.filter(state=MediaNode.State.DRAINING), MediaNode.State.UP)

    def _set_state(self, request: HttpRequest, rows: QuerySet[MediaNode], state: MediaNode.State) -> None:
        assert request.user.is_authenticated
        for node in rows:
            record(
                "media_node.state",
                node,
                user=request.user,
                before={"state": node.state},
                after={"state": state.value},
            )
        rows.update(state=state)
