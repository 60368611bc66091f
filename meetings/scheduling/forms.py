"""The booking form: wall-clock time with its zone, people, agenda."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from accounts.forms import ZoneField
from meetings.invitations.services import active_invitations
from meetings.permissions.actor import Actor
from meetings.scheduling.checks import start_fault
from meetings.scheduling.drafts import (
    Attendee,
    BadAddress,
    normal_email,
    read_person,
    split_people,
    write_person,
)
from meetings.scheduling.fields import AgendaField, PeopleField
from meetings.scheduling.models import Meeting
from meetings.scheduling.people import group_of, members_of
from meetings.scheduling.services import version_of
from meetings.scheduling.times import LocalStart, resolve_local

SWITCH = {"class": "switch", "role": "switch"}


class MeetingForm(forms.Form):
    """Books or changes a meeting. After `is_valid`, `booking()` holds the arguments for the services and
    `start` how the wall-clock time was understood.
    """

    title = forms.CharField(
        label=gettext_lazy("Title"), max_length=160, widget=forms.TextInput(attrs={"autofocus": True})
    )
    description = forms.CharField(
        label=gettext_lazy("What is it about?"),
        max_length=10_000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    date = forms.DateField(
        label=gettext_lazy("Date"), widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
    )
    time = forms.TimeField(
        label=gettext_lazy("Start"),
        widget=forms.TimeInput(format="%H:%M", attrs={"type": "time", "step": 60}),
    )
    duration_minutes = forms.IntegerField(
        label=pgettext_lazy("duration", "Minutes"),
        min_value=5,
        max_value=1440,
        initial=45,
        widget=forms.NumberInput(attrs={"list": "durations", "inputmode": "numeric"}),
    )
    time_zone = ZoneField(
        fill_from_browser=True,
        help_text=gettext_lazy("The meeting stays at this time on the clocks of this zone."),
    )
    attendees = PeopleField(
        label=gettext_lazy("People"),
        required=False,
        help_text=gettext_lazy("Names, classes or departments of the portal, or any e-mail address."),
    )
    agenda = AgendaField(label=gettext_lazy("Agenda"), required=False)
    lobby_enabled = forms.BooleanField(
        label=gettext_lazy("Lobby"),
        required=False,
        initial=True,
        help_text=gettext_lazy("People wait until a host lets them in; hosts and co-hosts go straight in."),
        widget=forms.CheckboxInput(attrs=SWITCH),
    )
    recording_enabled = forms.BooleanField(
        label=gettext_lazy("Recording"),
        required=False,
        initial=True,
        help_text=gettext_lazy("Hosts may record. Everybody sees it when they do."),
        widget=forms.CheckboxInput(attrs=SWITCH),
    )
    version = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, actor: Actor, meeting: Meeting | None = None, **kwargs: Any) -> None:
        self.actor, self.meeting = actor, meeting
        self.start: LocalStart | None = None
        kwargs["initial"] = {**(_initial(meeting) if meeting else _fresh(actor)), **kwargs.get("initial", {})}
        super().__init__(*args, **kwargs)

    def clean_attendees(self) -> list[Attendee]:
        value = self.cleaned_data["attendees"] or {"people": "", "cohosts": ""}
        cohosts = self._read(value["cohosts"])
        hosting = {attendee.email for attendee in cohosts}
        people = [*self._read(value["people"]), *cohosts]
        return [
            Attendee(one.email, one.name, one.user, cohost=normal_email(one.email) in hosting)
            for one in people
        ]

    def _read(self, text: str) -> list[Attendee]:
        """People of a text, groups as their members. Raises ValidationError naming what is no address."""
        people: list[Attendee] = []
        bad: list[str] = []
        for piece in split_people(text):
            group = group_of(piece)
            if group:
                people += [
                    Attendee(user.email, user.name, user) for user in members_of(*group, actor=self.actor)
                ]
                continue
            try:
                people.append(read_person(piece))
            except BadAddress as error:
                bad.append(error.text[:80])
        if bad:
            raise ValidationError(
                [_("“%(text)s” is not an e-mail address.") % {"text": text} for text in bad[:5]]
            )
        return people

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if not {"date", "time", "time_zone"} <= data.keys():
            return data
        naive = dt.datetime.combine(data["date"], data["time"].replace(second=0, microsecond=0))
        if self.meeting is not None and self._start_untouched(naive, data["time_zone"]):
            # Kept to the second, also where the wall clock says the same twice.
            self.start = LocalStart(
                self.meeting.starts_at, self.meeting.starts_at.astimezone(self.meeting.zone)
            )
            return data
        try:
            self.start = resolve_local(naive, zoneinfo.ZoneInfo(data["time_zone"]))
        except ValueError:
            self.add_error("date", _("This date is too far away."))
            return data
        message = start_fault(self.start.moment)
        if message:
            self.add_error("date" if self.start.local.date() < timezone.localdate() else "time", message)
        return data

    def _start_untouched(self, naive: dt.datetime, zone_name: str) -> bool:
        assert self.meeting is not None
        before = self.meeting.starts_at.astimezone(self.meeting.zone).replace(
            tzinfo=None, second=0, microsecond=0, fold=0
        )
        return naive == before and zone_name == self.meeting.time_zone

    def booking(self) -> dict[str, Any]:
        """The cleaned form as keyword arguments of `book_meeting` and `change_meeting`."""
        if self.start is None:
            raise ValueError("the form is not valid")
        names = (
            "title",
            "description",
            "duration_minutes",
            "time_zone",
            "attendees",
            "agenda",
            "lobby_enabled",
            "recording_enabled",
        )
        return {**{name: self.cleaned_data[name] for name in names}, "starts_at": self.start.moment}

    def add_faults(self, error: ValidationError) -> None:
        """Shows what a service refused beside the fields it is about."""
        if not hasattr(error, "error_dict"):
            self.add_error(None, error)
            return
        for field, faults in error.error_dict.items():
            place = {"starts_at": "time"}.get(field, field)
            self.add_error(place if place in self.fields else None, faults)

    def differences(self, now: Meeting) -> list[tuple[str, str]]:
        """(field's name, what is saved now) for each field where `now` differs from what is typed here."""
        saved = MeetingForm(actor=self.actor, meeting=now)
        found = []
        for name in ("title", "description", "date", "time", "duration_minutes", "time_zone"):
            theirs = saved[name].initial
            if self.cleaned_data.get(name) != theirs:
                shown = saved.fields[name].widget.format_value(theirs) or _("empty")
                found.append((str(self.fields[name].label), str(shown)))
        for name, switch in (
            ("lobby_enabled", now.lobby_enabled),
            ("recording_enabled", now.recording_enabled),
        ):
            if self.cleaned_data[name] != switch:
                found.append((str(self.fields[name].label), _("on") if switch else _("off")))
        theirs_people = {one.email for one in active_invitations(now)}
        ours = {normal_email(one.email) for one in self.cleaned_data["attendees"]} - {
            normal_email(now.organizer.email)
        }
        if theirs_people != ours:
            people = ", ".join(sorted(theirs_people)) or _("nobody")
            found.append((str(self.fields["attendees"].label), people))
        agenda = [(item.title, item.minutes) for item in now.agenda.all()]
        if agenda != [(item.title, item.minutes) for item in self.cleaned_data["agenda"]]:
            found.append(
                (
                    str(self.fields["agenda"].label),
                    ", ".join(title for title, _minutes in agenda) or _("empty"),
                )
            )
        return found

    def accept_version(self, meeting: Meeting) -> None:
        """After a conflict: what was typed stays, and saving again will replace what is there now."""
        data = QueryDict(mutable=True)
        data.update(self.data)
        data["version"] = version_of(meeting)
        self.data = data


def _fresh(actor: Actor) -> dict[str, Any]:
    """A new meeting starts at the next half hour, half an hour or more from now."""
    zone = actor.user.zone if actor.user else zoneinfo.ZoneInfo("UTC")
    soon = timezone.now().astimezone(zone) + dt.timedelta(minutes=59)
    soon = soon.replace(minute=0 if soon.minute < 30 else 30)
    return {
        "date": soon.date(),
        "time": soon.time().replace(second=0, microsecond=0),
        "time_zone": actor.user.time_zone if actor.user else "",
    }


def _initial(meeting: Meeting) -> dict[str, Any]:
    """The form as the meeting stands."""
    local = meeting.starts_at.astimezone(meeting.zone)
    people = list(active_invitations(meeting))
    return {
        "title": meeting.title,
        "description": meeting.description,
        "date": local.date(),
        "time": local.time(),
        "duration_minutes": meeting.duration_minutes,
        "time_zone": meeting.time_zone,
        "lobby_enabled": meeting.lobby_enabled,
        "recording_enabled": meeting.recording_enabled,
        "attendees": {
            "people": "\n".join(
                write_person(one.email, one.display_name if one.user else one.name) for one in people
            ),
            "cohosts": ", ".join(one.email for one in people if one.role == one.Role.COHOST),
        },
        "agenda": [(item.title, item.minutes) for item in meeting.agenda.all()],
        "version": version_of(meeting),
    }
