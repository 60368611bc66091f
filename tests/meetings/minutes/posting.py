"""What a browser sends from the editor of minutes."""

from __future__ import annotations

from typing import Any


def rows(
    prefix: str, stored: list[dict[str, Any]], new: list[dict[str, Any]] | None = None
) -> dict[str, str]:
    """A formset as posted: `stored` rows first (with `id`), then new ones; orders are as listed unless
    given.
    """
    listed = [*stored, *(new or [])]
    data = {f"{prefix}-TOTAL_FORMS": str(len(listed)), f"{prefix}-INITIAL_FORMS": str(len(stored))}
    for number, row in enumerate(listed):
        for key, value in ({"ORDER": number + 1} | row).items():
            data[f"{prefix}-{number}-{key}"] = str(value)
    return data


def editor(minutes: Any, **parts: Any) -> dict[str, str]:
    """The whole form for `minutes` as stored, with `version`, `summary` or lists of rows replaced."""
    notes = [{"id": row.pk, "title": row.title, "body": row.body} for row in minutes.notes.all()]
    decisions = [{"id": row.pk, "text": row.text} for row in minutes.decisions.all()]
    actions = []
    for row in minutes.actions.order_by("position"):
        owner = f"user:{row.owner_id}" if row.owner_id else f"name:{row.owner_name}" if row.owner_name else ""
        actions.append({"id": row.pk, "text": row.text, "owner": owner, "due_date": row.due_date or ""})
    return {
        "version": str(parts.get("version", minutes.version)),
        "summary": parts.get("summary", minutes.summary),
        **rows("notes", parts.get("notes", notes), parts.get("new_notes")),
        **rows("decisions", parts.get("decisions", decisions), parts.get("new_decisions")),
        **rows("actions", parts.get("actions", actions), parts.get("new_actions")),
    }
