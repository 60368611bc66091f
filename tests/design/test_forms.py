"""`{{ form }}` everywhere: labels, help and errors tied to their control; ticks beside their words."""

from __future__ import annotations

import re

import pytest
from django import forms


class Booking(forms.Form):
    title = forms.CharField(help_text="People see it.")
    room = forms.CharField(required=False, label="Room <b>")
    lobby = forms.BooleanField(required=False, help_text="Guests wait.")
    entry = forms.ChoiceField(
        choices=[("a", "All"), ("l", "Lobby")],
        widget=forms.RadioSelect(attrs={"class": "radio-cards"}),
        help_text="Who may enter.",
    )
    secret = forms.CharField(widget=forms.HiddenInput, required=False)

    def clean(self) -> None:
        if self.data.get("room") == "full":
            self.add_error(None, "The room is taken.")


def tag(html: str, element_id: str) -> str:
    found = re.search(rf'<[^>]*\bid="{element_id}"[^>]*>', html)
    assert found, f"no element {element_id}"
    return found.group()


def test_a_valid_field_has_label_and_help() -> None:
    html = str(Booking())
    assert '<label for="id_title">Title</label>' in html
    assert 'aria-describedby="id_title_helptext"' in tag(html, "id_title")
    assert "aria-invalid" not in html
    assert 'class="field-help"' in tag(html, "id_title_helptext")


def test_optional_is_said_and_required_is_not() -> None:
    html = str(Booking())
    assert html.count("(optional)") == 1
    assert 'Room &lt;b&gt; <span class="field-optional">' in html


def test_errors_are_linked_to_their_control() -> None:
    html = str(Booking({"entry": "x"}))
    title = tag(html, "id_title")
    assert 'aria-invalid="true"' in title
    assert 'aria-describedby="id_title_helptext id_title_error"' in title
    assert "errorlist" in tag(html, "id_title_error")
    assert html.index('id="id_title"') < html.index('id="id_title_error"'), (
        "the error stands below the control"
    )


def test_a_tick_stands_beside_its_label() -> None:
    html = str(Booking()["lobby"].as_field_group())
    assert html.index('type="checkbox"') < html.index('<label for="id_lobby">')
    assert "field-check" in html and "(optional)" not in html


def test_choices_are_a_named_group() -> None:
    html = str(Booking({"title": "x", "entry": ""})["entry"].as_field_group())
    assert re.search(
        r'<fieldset class="field has-error" aria-describedby="id_entry_helptext id_entry_error">', html
    )
    assert "<legend>Entry</legend>" in html and html.count('type="radio"') == 2


def test_form_errors_and_hidden_fields_are_kept() -> None:
    html = str(Booking({"title": "x", "entry": "a", "room": "full"}))
    assert "The room is taken." in html and "nonfield" in html
    assert html.count('name="secret"') == 1


@pytest.mark.parametrize("hidden_only", [True, False])
def test_hidden_fields_have_no_wrapper(hidden_only: bool) -> None:
    class Small(forms.Form):
        token = forms.CharField(widget=forms.HiddenInput)

    form = Small() if hidden_only else Booking()
    name = "token" if hidden_only else "secret"
    assert re.search(rf'(?<!field">)\s*<input type="hidden" name="{name}"', str(form))
