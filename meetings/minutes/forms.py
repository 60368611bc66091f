"""The editor of minutes: one summary and three lists of rows, which work without scripts too."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from meetings.minutes.models import ActionItem, Decision, Minutes, MinutesNote
from meetings.minutes.selectors import owner_choices
from meetings.minutes.services import ActionDraft, DecisionDraft, NoteDraft

MAX_ROWS = 200


class SummaryForm(forms.Form):
    version = forms.IntegerField(widget=forms.HiddenInput, min_value=1)
    summary = forms.CharField(
        label=_("Summary"),
        required=False,
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=_("What somebody who was not there should know, in a few sentences."),
    )


class RowForm(forms.Form):
    """One row of a list; `id` is empty for a new one. A new row left empty is no row."""

    id = forms.IntegerField(required=False, min_value=1, widget=forms.HiddenInput)

    def has_changed(self) -> bool:
        # Scripts number every row: a number alone makes no row.
        return any(name not in ("id", "ORDER", "DELETE") for name in self.changed_data)

    def row_id(self) -> int | None:
        return self.cleaned_data.get("id")


class NoteForm(RowForm):
    title = forms.CharField(label=_("Topic"), max_length=200)
    body = forms.CharField(
        label=_("Notes"), required=False, max_length=20_000, widget=forms.Textarea(attrs={"rows": 3})
    )

    def draft(self, *, delete: bool) -> NoteDraft:
        data = self.cleaned_data
        return NoteDraft(self.row_id(), data.get("title", ""), data.get("body", ""), delete)


class DecisionForm(RowForm):
    text = forms.CharField(label=_("Decision"), max_length=500)

    def draft(self, *, delete: bool) -> DecisionDraft:
        return DecisionDraft(self.row_id(), self.cleaned_data.get("text", ""), delete)


class ActionForm(RowForm):
    text = forms.CharField(label=_("What is to be done"), max_length=500)
    owner = forms.ChoiceField(label=_("Owner"), required=False)
    due_date = forms.DateField(
        label=_("Due"), required=False, widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
    )

    def __init__(self, *args: Any, owners: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["owner"].choices = [("", _("Nobody yet")), *owners]  # type: ignore[attr-defined]

    def draft(self, *, delete: bool) -> ActionDraft:
        data = self.cleaned_data
        kind, _colon, value = data.get("owner", "").partition(":")
        names = dict(self.fields["owner"].choices)  # type: ignore[attr-defined]
        return ActionDraft(
            id=self.row_id(),
            text=data.get("text", ""),
            owner_id=int(value) if kind == "user" else None,
            owner_name=str(names.get(data.get("owner", ""), ""))[:80] if kind else "",
            due_date=data.get("due_date"),
            delete=delete,
        )


class RowFormSet(forms.BaseFormSet):
    """Rows in the order of their ORDER fields, which scripts fill and people without scripts type."""

    def add_fields(self, form: forms.Form, index: int | None) -> None:
        super().add_fields(form, index)
        form.fields["ORDER"].label = _("Position")
        form.fields["DELETE"].label = _("Remove")

    def drafts(self) -> list[Any]:
        """The drafts of all rows, removed ones first. Call after is_valid()."""
        gone = [form.draft(delete=True) for form in self.deleted_forms if form.row_id()]
        return gone + [form.draft(delete=False) for form in self.ordered_forms]


def _formset(form: type[RowForm], extra: int) -> Any:
    return forms.formset_factory(
        form,
        formset=RowFormSet,
        extra=extra,
        can_delete=True,
        can_order=True,
        max_num=MAX_ROWS,
        absolute_max=MAX_ROWS + 10,
        validate_max=True,
    )


NoteFormSet = _formset(NoteForm, 1)
DecisionFormSet = _formset(DecisionForm, 2)
ActionFormSet = _formset(ActionForm, 2)


def owner_value(item: ActionItem) -> str:
    """The choice that stands for the owner of a stored action."""
    if item.owner_id:
        return f"user:{item.owner_id}"
    return f"name:{item.owner_name}" if item.owner_name else ""


def _stored_rows(minutes: Minutes) -> dict[str, list[dict[str, Any]]]:
    notes = MinutesNote.objects.filter(minutes=minutes).order_by("position", "pk")
    decisions = Decision.objects.filter(minutes=minutes).order_by("position", "pk")
    actions = ActionItem.objects.filter(minutes=minutes).order_by("position", "pk")
    return {
        "notes": [{"id": row.pk, "title": row.title, "body": row.body} for row in notes],
        "decisions": [{"id": row.pk, "text": row.text} for row in decisions],
        "actions": [
            {"id": row.pk, "text": row.text, "owner": owner_value(row), "due_date": row.due_date}
            for row in actions
        ],
    }


class MinutesEditor:
    """The four forms of one page, bound to `data` or filled from the stored minutes."""

    def __init__(self, minutes: Minutes, data: Any = None) -> None:
        self.minutes = minutes
        # Bound forms get no initial values: rows are known by their ids, as their places may have changed
        # since.
        stored = _stored_rows(minutes) if data is None else {}
        self.form = SummaryForm(data, initial={"version": minutes.version, "summary": minutes.summary})
        self.notes = NoteFormSet(data, prefix="notes", initial=stored.get("notes"))
        self.decisions = DecisionFormSet(data, prefix="decisions", initial=stored.get("decisions"))
        self.actions = ActionFormSet(
            data,
            prefix="actions",
            initial=stored.get("actions"),
            form_kwargs={"owners": owner_choices(minutes)},
        )

    @property
    def parts(self) -> list[Any]:
        return [self.form, self.notes, self.decisions, self.actions]

    def is_valid(self) -> bool:
        answers = [part.is_valid() for part in self.parts]  # asked of each, so that all errors show at once
        return all(answers)

    def values(self) -> dict[str, Any]:
        """Keyword arguments for `services.save_minutes`. Call after is_valid()."""
        return {
            "version": self.form.cleaned_data["version"],
            "summary": self.form.cleaned_data["summary"],
            "notes": self.notes.drafts(),
            "decisions": self.decisions.drafts(),
            "actions": self.actions.drafts(),
        }
