"""Forms for one's own account. Sign-in, reset and e-mail forms are allauth's."""

from __future__ import annotations

import unicodedata
from typing import Any

from django import forms
from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.zones import clean_zone, zone_names


class ZoneInput(forms.TextInput):
    """A text field that completes: searchable by typing, works without scripts, 400 names in one
    `<datalist>`.
    """

    template_name = "accounts/zone_input.html"

    def __init__(self, *, fill_from_browser: bool = False) -> None:
        attrs = {"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}
        if fill_from_browser:
            attrs["data-browser-zone"] = ""
        super().__init__(attrs)

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        list_id = f"{context['widget']['attrs'].get('id', name)}-zones"
        context["widget"]["attrs"]["list"] = list_id
        context["widget"].update(list_id=list_id, zones=zone_names())
        return context


class ZoneField(forms.CharField):
    """An IANA time zone; "europe/berlin" and "Asia/Ho Chi Minh" are understood."""

    def __init__(self, *, fill_from_browser: bool = False, **kwargs: Any) -> None:
        kwargs.setdefault("label", gettext_lazy("Time zone"))
        super().__init__(max_length=64, widget=ZoneInput(fill_from_browser=fill_from_browser), **kwargs)

    def clean(self, value: Any) -> str:
        text = super().clean(value)
        try:
            return clean_zone(text)
        except ValueError:
            raise forms.ValidationError(
                _("“%(zone)s” is not a known time zone. Write it as in Europe/Berlin."), params={"zone": text}
            ) from None


# Marks that turn the writing direction of what follows: a name with them can pose as another one.
_DIRECTION_MARKS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class NameField(forms.CharField):
    """What others see: 1–80 characters; no control characters, and nothing that turns the writing
    direction.
    """

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("label", gettext_lazy("Name"))
        kwargs.setdefault("widget", forms.TextInput(attrs={"autocomplete": "name"}))
        super().__init__(max_length=80, **kwargs)

    def clean(self, value: Any) -> str:
        text = " ".join(super().clean(value).split())
        if any(unicodedata.category(c) in ("Cc", "Cs") or c in _DIRECTION_MARKS for c in text):
            raise forms.ValidationError(_("The name holds invisible characters. Please type it anew."))
        return text


def language_field() -> forms.ChoiceField:
    return forms.ChoiceField(label=gettext_lazy("Language"), choices=settings.LANGUAGES)


class SignupForm(forms.Form):
    """What allauth's sign-up form asks beside e-mail and password (ACCOUNT_SIGNUP_FORM_CLASS)."""

    field_order = ("name", "email", "password1", "password2", "language", "time_zone")

    name = NameField(help_text=gettext_lazy("As others see it in meetings."))
    language = language_field()
    time_zone = ZoneField(
        fill_from_browser=True, required=False, help_text=gettext_lazy("Times are shown in it.")
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["language"].initial = get_language() or settings.LANGUAGE_CODE

    def signup(self, request: HttpRequest, user: User) -> None:
        """Called by allauth with the new, saved account: everyone starts as a student."""
        user.name = self.cleaned_data["name"]
        user.language = self.cleaned_data["language"]
        user.time_zone = self.cleaned_data["time_zone"]
        user.role = User.Role.STUDENT
        user.save(update_fields=["name", "language", "time_zone", "role"])


class SettingsForm(forms.Form):
    """One's own name, language and time zone."""

    name = NameField()
    language = language_field()
    time_zone = ZoneField(required=False)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial = {
            "name": user.name,
            "language": user.language or get_language() or settings.LANGUAGE_CODE,
            "time_zone": user.time_zone,
            **self.initial,
        }
        self.fields["time_zone"].help_text = _("Empty: the portal's zone, %(zone)s.") % {
            "zone": settings.TIME_ZONE
        }
