"""Write minutes: draft from facts, edit without overwriting each other, approve, and tick off actions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.audit import record
from accounts.models import User
from meetings.live.models import Session
from meetings.minutes.models import ActionItem, Decision, Minutes, MinutesNote
from meetings.permissions.actor import SYSTEM, Actor
from meetings.permissions.capabilities import Capability
from meetings.permissions.decide import Decision as Answer
from meetings.permissions.decide import Refused, decide, require

Row = TypeVar("Row", MinutesNote, Decision, ActionItem)


class MinutesConflict(Exception):
    """Somebody else saved since this text was opened; `current` is what is stored now. Nothing is written."""

    def __init__(self, current: Minutes) -> None:
        super().__init__(_("Somebody else has changed these minutes meanwhile."))
        self.current = current


class MinutesLocked(Exception):
    """Approved minutes do not change until they are opened again."""

    def __init__(self) -> None:
        super().__init__(_("These minutes are approved and closed."))


@dataclass(frozen=True)
class NoteDraft:
    """`id` is None for a new row; rows that are not named stay as they are, those with `delete` go."""

    id: int | None
    title: str
    body: str = ""
    delete: bool = False


@dataclass(frozen=True)
class DecisionDraft:
    id: int | None
    text: str
    delete: bool = False


@dataclass(frozen=True)
class ActionDraft:
    """`owner_id` for people with an account, else `owner_name`; the name of an account is filled in."""

    id: int | None
    text: str
    owner_id: int | None = None
    owner_name: str = ""
    due_date: dt.date | None = None
    delete: bool = False


@transaction.atomic
def draft_minutes(session: Session, *, actor: Actor = SYSTEM) -> tuple[Minutes, bool]:
    """The minutes of an ended session and whether they are new: a note for each agenda item, facts from
    their rows.

    Can be repeated; existing minutes are left alone.
    """
    minutes, created = Minutes.objects.get_or_create(session=session)
    if created:
        agenda = list(session.meeting.agenda.all())
        MinutesNote.objects.bulk_create(
            MinutesNote(minutes=minutes, position=position, title=item.title)
            for position, item in enumerate(agenda)
        )
        _audit("minutes.draft", minutes, actor, after={"notes": len(agenda)})
    return minutes, created


def save_minutes(
    minutes: Minutes,
    *,
    actor: Actor,
    version: int,
    summary: str,
    notes: Sequence[NoteDraft] = (),
    decisions: Sequence[DecisionDraft] = (),
    actions: Sequence[ActionDraft] = (),
) -> Minutes:
    """Write the editable part (MINUTES_EDIT) if `version` is still the stored one. The order given is kept.

    Raises Refused, MinutesLocked, or MinutesConflict, after which nothing has changed.
    """
    require(actor, Capability.MINUTES_EDIT, minutes.session.meeting)
    with transaction.atomic():
        current = _lock(minutes)
        if current.state == Minutes.State.APPROVED:
            raise MinutesLocked
        if current.version != version:
            raise MinutesConflict(current)
        before = _snapshot(current)
        accounts = {draft.owner_id for draft in actions if draft.owner_id and not draft.owner_name}
        names = {user.pk: str(user)[:80] for user in User.objects.filter(pk__in=accounts)}
        current.summary = summary
        _sync(MinutesNote, current, notes, lambda draft: {"title": draft.title, "body": draft.body})
        _sync(Decision, current, decisions, lambda draft: {"text": draft.text})
        _sync(
            ActionItem,
            current,
            actions,
            lambda draft: {
                "text": draft.text,
                "owner_id": draft.owner_id,
                "owner_name": draft.owner_name or names.get(draft.owner_id, ""),
                "due_date": draft.due_date,
            },
        )
        current.version += 1
        current.save(update_fields=["summary", "version", "updated_at"])
        _audit("minutes.edit", current, actor, before=before, after=_snapshot(current))
    return current


def _lock(minutes: Minutes) -> Minutes:
    # On databases without row locks the transaction itself is exclusive (SQLite, IMMEDIATE).
    return (
        Minutes.objects.select_for_update(of=("self",)).select_related("session__meeting").get(pk=minutes.pk)
    )


def _sync(model: type[Row], minutes: Minutes, drafts: Sequence[Any], values: Any) -> None:
    """Make the rows of `model` follow the drafts; a row that somebody deleted meanwhile is written anew."""
    rows = {row.pk: row for row in model._default_manager.filter(minutes=minutes)}
    gone = [draft.id for draft in drafts if draft.delete and draft.id in rows]
    model._default_manager.filter(minutes=minutes, pk__in=gone).delete()
    for position, draft in enumerate(draft for draft in drafts if not draft.delete):
        row = rows.get(draft.id) if draft.id is not None else None
        wanted = {"position": position, **values(draft)}
        if row is None:
            model._default_manager.create(minutes=minutes, **wanted)
        elif any(getattr(row, field) != value for field, value in wanted.items()):
            for field, value in wanted.items():
                setattr(row, field, value)
            row.save(update_fields=list(wanted))


def _snapshot(minutes: Minutes) -> dict[str, Any]:
    """What the audit row compares; long texts by their length, as the audit trail is no second copy of the
    minutes.
    """
    actions = minutes.actions.order_by("position", "pk")
    return {
        "version": minutes.version,
        "summary": len(minutes.summary),
        "notes": [[note.title, len(note.body)] for note in minutes.notes.order_by("position", "pk")],
        "decisions": list(minutes.decisions.order_by("position", "pk").values_list("text", flat=True)),
        "actions": [[item.text, item.owner_name, str(item.due_date or "")] for item in actions],
    }


def _audit(verb: str, target: Any, actor: Actor, **changes: Any) -> None:
    record(verb, target, user=actor.user, label=actor.label, ip=actor.ip, **changes)


@transaction.atomic
def approve_minutes(minutes: Minutes, *, actor: Actor, version: int) -> Minutes:
    """Close the minutes as they were read in `version` (MINUTES_EDIT). Raises Refused or MinutesConflict.

    Approving twice changes nothing.
    """
    require(actor, Capability.MINUTES_EDIT, minutes.session.meeting)
    current = _lock(minutes)
    if current.state == Minutes.State.APPROVED:
        return current
    if current.version != version:
        raise MinutesConflict(current)
    current.state, current.approved_at, current.approved_by = (
        Minutes.State.APPROVED,
        timezone.now(),
        actor.user,
    )
    current.save(update_fields=["state", "approved_at", "approved_by", "updated_at"])
    _audit("minutes.approve", current, actor, before={"state": "draft"}, after={"state": "approved"})
    return current


@transaction.atomic
def reopen_minutes(minutes: Minutes, *, actor: Actor) -> Minutes:
    """Make approved minutes editable again (MINUTES_REOPEN). Raises Refused."""
    require(actor, Capability.MINUTES_REOPEN, minutes.session.meeting)
    current = _lock(minutes)
    if current.state != Minutes.State.APPROVED:
        return current
    current.state, current.approved_at, current.approved_by = Minutes.State.DRAFT, None, None
    current.version += 1
    current.save(update_fields=["state", "approved_at", "approved_by", "version", "updated_at"])
    _audit("minutes.reopen", current, actor, before={"state": "approved"}, after={"state": "draft"})
    return current


def may_tick(item: ActionItem, actor: Actor) -> bool:
    """Its owner, and whoever may edit the minutes."""
    if actor.user is not None and item.owner_id == actor.user.pk:
        return True
    return bool(decide(actor, Capability.MINUTES_EDIT, item.minutes.session.meeting))


@transaction.atomic
def tick_action(item: ActionItem, *, actor: Actor, done: bool) -> ActionItem:
    """Mark an action item done or open again; also when the minutes are approved. Raises Refused."""
    if not may_tick(item, actor):
        raise Refused(
            Answer(
                False,
                "action.tick",
                _("Only the owner of an action can mark it."),
                _("The host or a co-host of the meeting can do it too."),
            )
        )
    current = ActionItem.objects.select_for_update().get(pk=item.pk)
    if (current.done_at is not None) != done:
        current.done_at = timezone.now() if done else None
        current.save(update_fields=["done_at"])
        _audit("action.done" if done else "action.open", current, actor)
    return current
