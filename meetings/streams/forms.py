"""The form that makes a key."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy, pgettext_lazy

from meetings.streams.keys import LIFETIMES
from meetings.streams.models import StreamKey


class KeyForm(forms.Form):
    """A key for one direction; there is one form for each on the page, told apart by `direction`."""

    name = forms.CharField(
        label=pgettext_lazy("stream", "Name"),
        max_length=80,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    source = forms.ChoiceField(label=gettext_lazy("Show the picture"), choices=StreamKey.Source.choices)
    lifetime = forms.ChoiceField(
        label=pgettext_lazy("stream", "Expires"), choices=list(LIFETIMES.items()), initial="meeting"
    )

    def __init__(self, direction: str, data: Any = None) -> None:
        super().__init__(data, prefix=direction)
        self.direction = direction
        if direction == StreamKey.Direction.PLAY:
            del self.fields["source"]
            help_text = gettext_lazy("Where it is shown: a screen in the foyer, a second hall.")
        else:
            help_text = gettext_lazy("Everybody in the room reads it: the hall's camera, a film.")
        self.fields["name"].help_text = help_text

    def wishes(self) -> dict[str, str]:
        """The arguments of `make_key` that the form decides."""
        return {**self.cleaned_data, "direction": self.direction}
