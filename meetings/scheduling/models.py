"""Meetings: what is booked."""

from __future__ import annotations

import datetime as dt
import secrets
import uuid
import zoneinfo
from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import validate_time_zone

# No vowels (no words by accident) and nothing that reads like another letter.
_CODE_LETTERS = "bcdfghjkmnpqrstvwxz"


def new_code() -> str:
    """A join code such as `bcd-fghj-kmn`: 10 letters of 19, about 42 bits; join attempts are rate limited."""
    letters = "".join(secrets.choice(_CODE_LETTERS) for _ in range(10))
    return f"{letters[:3]}-{letters[3:7]}-{letters[7:]}"


def new_uid() -> str:
    """A globally unique iCalendar UID (RFC 7986 section 5.3 recommends a UUID)."""
    return str(uuid.uuid4())


class Meeting(models.Model):
    class Status(models.TextChoices):
        SCHEDULED = "scheduled", _("Scheduled")
        CANCELLED = "cancelled", _("Cancelled")

    code = models.CharField(_("join code"), max_length=16, unique=True, default=new_code, editable=False)
    uid = models.CharField(_("calendar UID"), max_length=64, unique=True, default=new_uid, editable=False)
    sequence = models.PositiveIntegerField(_("calendar sequence"), default=0, editable=False)
    organizer = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("organiser"),
        on_delete=models.PROTECT,
        related_name="organized_meetings",
    )
    title = models.CharField(_("title"), max_length=160)
    description = models.TextField(_("description"), blank=True, max_length=10_000)
    starts_at = models.DateTimeField(_("start"), db_index=True)
    duration_minutes = models.PositiveIntegerField(
        pgettext_lazy("duration", "minutes"),
        default=45,
        validators=[MinValueValidator(5), MaxValueValidator(24 * 60)],
    )
    # Kept beside the start so that lists and conflicts are one index lookup.
    ends_at = models.DateTimeField(_("end"), db_index=True, editable=False)
    time_zone = models.CharField(_("time zone"), max_length=64, validators=[validate_time_zone])
    lobby_enabled = models.BooleanField(
        _("lobby"),
        default=True,
        help_text=_("People wait until a host lets them in; hosts and co-hosts go straight in."),
    )
    recording_enabled = models.BooleanField(
        pgettext_lazy("feature", "recording"), default=True, help_text=_("Hosts may record this meeting.")
    )
    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.SCHEDULED)
    created_at = models.DateTimeField(_("booked"), auto_now_add=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    class Meta:
        verbose_name = _("meeting")
        verbose_name_plural = _("meetings")
        ordering = ["starts_at", "pk"]

    def __str__(self) -> str:
        return self.title

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.ends_at = self.starts_at + dt.timedelta(minutes=self.duration_minutes)
        super().save(*args, **kwargs)

    def get_absolute_url(self) -> str:
        return reverse("meetings:meeting_detail", args=[self.pk])

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        return zoneinfo.ZoneInfo(self.time_zone)

    @property
    def is_cancelled(self) -> bool:
        return self.status == self.Status.CANCELLED

    @property
    def join_path(self) -> str:
        """The fixed join link's path; anyone who has it may ask to come in."""
        return reverse("meetings:room", args=[self.code])

    @property
    def join_url(self) -> str:
        return f"{settings.PUBLIC_URL}{self.join_path}"
