"""`record` writes one audit row; call it inside the transaction of the change it tells of."""

from __future__ import annotations

from typing import Any

from django.db import models

from accounts.models import AuditEntry, User


def record(
    verb: str,
    target: models.Model,
    *,
    user: User | None,
    label: str = "",
    ip: str | None = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> AuditEntry:
    """Write that `user` (or `label`: a guest's name, "system") did `verb` ("meeting.cancel") to `target`.

    `before` and `after` hold JSON-ready values; keys whose values are equal in both are left out.
    """
    before, after = before or {}, after or {}
    changed = {
        key: [before.get(key), after.get(key)]
        for key in {**before, **after}
        if before.get(key) != after.get(key)
    }
    return AuditEntry.objects.create(
        actor=user,
        actor_label=(label or (str(user) if user else "system"))[:200],
        verb=verb,
        target_type=target._meta.label_lower,
        target_id=str(target.pk),
        target_label=str(target)[:200],
        changes=changed,
        ip=ip,
    )
