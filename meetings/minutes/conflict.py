"""Two people edited the same minutes: what differs between what is stored and what was about to be saved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils import formats
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from accounts.models import AuditEntry
from meetings.minutes.models import ActionItem, Minutes
from meetings.minutes.services import ActionDraft, DecisionDraft, NoteDraft


@dataclass(frozen=True)
class Difference:
    """`stored` is what the other person saved, `mine` what is in the form; "" where one of them has no such
    row.
    """

    label: str
    stored: str
    mine: str


def differences(current: Minutes, values: dict[str, Any]) -> list[Difference]:
    """Every text that is not the same in both, in the order of the page."""
    found = []
    if _plain(current.summary) != _plain(values["summary"]):
        found.append(Difference(_("Summary"), current.summary, values["summary"]))
    notes = {row.pk: f"{row.title}\n{row.body}".strip() for row in current.notes.all()}
    found += _rows(_("Notes"), notes, values["notes"], _note_text)
    decisions = {row.pk: row.text for row in current.decisions.all()}
    found += _rows(_("Decision"), decisions, values["decisions"], _decision_text)
    actions = {row.pk: _action_text(row) for row in current.actions.all()}
    found += _rows(pgettext("minutes", "Action"), actions, values["actions"], _action_text)
    return found


def _rows(label: str, stored: dict[int, str], drafts: Sequence[Any], text_of: Any) -> list[Difference]:
    found = []
    for draft in drafts:
        theirs = stored.get(draft.id, "") if draft.id is not None else ""
        mine = "" if draft.delete else text_of(draft)
        if _plain(theirs) != _plain(mine):
            found.append(Difference(label, theirs, mine))
    named = {draft.id for draft in drafts}
    # Rows the other one added are in no form of mine: they stay, and are shown so that nothing is a surprise.
    found += [Difference(label, text, text) for pk, text in stored.items() if pk not in named]
    return found


def _note_text(draft: NoteDraft) -> str:
    return f"{draft.title}\n{draft.body}".strip()


def _decision_text(draft: DecisionDraft) -> str:
    return draft.text


def _action_text(item: ActionDraft | ActionItem) -> str:
    due = formats.date_format(item.due_date, pgettext("date format", "j M Y")) if item.due_date else ""
    return " · ".join(part for part in (item.text, item.owner_name, due) if part)


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").strip()


def last_change(minutes: Minutes) -> AuditEntry | None:
    """Who saved the stored version, and when."""
    return (
        AuditEntry.objects.filter(
            target_type=minutes._meta.label_lower, target_id=str(minutes.pk), verb__startswith="minutes."
        )
        .order_by("-at", "-pk")
        .first()
    )
