"""Emptying a worker: it gets no new rooms, those it has go on; then it may start anew with a new version."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from accounts.audit import record
from accounts.models import User
from media_gateway import client
from media_gateway.models import MediaNode

IDLE = frozenset({MediaNode.State.DRAINING, MediaNode.State.RESTARTING})


def drain(
    node: MediaNode,
    *,
    restart: bool = False,
    user: User | None = None,
    label: str = "",
    ip: str | None = None,
) -> bool:
    """Give this worker no new rooms; with `restart` it ends by itself when its last room is over.

    False if it is gone, or was told so already. Its supervisor starts it again, as a new instance that takes
    rooms.
    """
    state = MediaNode.State.RESTARTING if restart else MediaNode.State.DRAINING
    return _change(node, state, user=user, label=label, ip=ip)


def undrain(node: MediaNode, *, user: User | None = None, label: str = "", ip: str | None = None) -> bool:
    """Give it rooms again. False if it is gone, or gets rooms anyway."""
    return _change(node, MediaNode.State.UP, user=user, label=label, ip=ip)


def _change(node: MediaNode, state: MediaNode.State, **who: Any) -> bool:
    with transaction.atomic():
        row = (
            MediaNode.objects.select_for_update()
            .filter(pk=node.pk)
            .exclude(state=MediaNode.State.DOWN)
            .first()
        )
        if row is None or row.state == state:
            return False
        before, row.state = row.state, state
        row.save(update_fields=["state"])
        record("media_node.state", row, before={"state": before}, after={"state": state.value}, **who)
        op, data = order(state)
        # A worker without link now hears of it when it dials in again.
        transaction.on_commit(lambda: client.tell(row.name, op, data=data), robust=True)
    node.state = state
    return True


def order(state: str) -> tuple[str, dict[str, Any]]:
    """The operation of docs/protocol.md 2.3, and its data, that brings a worker into that state."""
    if state == MediaNode.State.UP:
        return "node.undrain", {}
    return "node.drain", {"restart": state == MediaNode.State.RESTARTING}
