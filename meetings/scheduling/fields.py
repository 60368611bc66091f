"""Fields of the booking form that Django does not have: people as text or picked, agenda rows."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from meetings.scheduling.checks import MAX_AGENDA, MAX_AGENDA_TITLE, clean_agenda
from meetings.scheduling.drafts import AgendaDraft


class PeopleInput(forms.Textarea):
    """Two texts: everyone (one a line), and the co-hosts' addresses. Scripts make one picker of them."""

    template_name = "meetings/people_input.html"

    def value_from_datadict(self, data: Any, files: Any, name: str) -> dict[str, str]:
        return {"people": data.get(name, ""), "cohosts": data.get(f"{name}_cohosts", "")}

    def format_value(self, value: Any) -> Any:
        return value or {"people": "", "cohosts": ""}

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return name not in data


class PeopleField(forms.Field):
    """Cleans to the pair of texts; the form turns them into people, as groups depend on who asks."""

    widget = PeopleInput


class AgendaInput(forms.Widget):
    """Rows of a title and minutes, as repeated `NAME_title` and `NAME_minutes`."""

    template_name = "meetings/agenda_input.html"
    use_fieldset = True
    spare = 1

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[tuple[str, str]]:
        titles, minutes = data.getlist(f"{name}_title"), data.getlist(f"{name}_minutes")
        return [(title, minutes[place] if place < len(minutes) else "") for place, title in enumerate(titles)]

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return f"{name}_title" not in data

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, None, attrs)
        # Rows that were sent back empty are not kept, so that a form with a mistake does not grow.
        rows = [(title, minutes or "") for title, minutes in value or [] if title or minutes]
        context["widget"].update(
            rows=[*rows, *[("", "")] * self.spare], title_length=MAX_AGENDA_TITLE, limit=MAX_AGENDA
        )
        return context


class AgendaField(forms.Field):
    """Cleans to a list of AgendaDraft; rows without a title fall away."""

    widget = AgendaInput

    def clean(self, value: list[tuple[str, str]]) -> list[AgendaDraft]:
        drafts = []
        for title, minutes in value or []:
            text = minutes.strip()
            if title.strip() and text and not (text.isascii() and text.isdigit() and 1 <= int(text) <= 1440):
                raise ValidationError(
                    _("“%(title)s”: minutes are a number from 1 to 1440.") % {"title": title.strip()[:40]}
                )
            drafts.append(AgendaDraft(title, int(text) if text and title.strip() else None))
        return clean_agenda(drafts)
