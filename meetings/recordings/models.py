"""Recordings: journaled live, composed afterwards."""

from __future__ import annotations

import uuid
from pathlib import Path

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from meetings.live.models import Participant, Session


class Recording(models.Model):
    class State(models.TextChoices):
        RECORDING = "recording", pgettext_lazy("state", "Recording")
        COMPOSING = "composing", _("Being prepared")
        READY = "ready", _("Ready")
        FAILED = "failed", _("Failed")

    key = models.UUIDField(_("key"), default=uuid.uuid4, unique=True, editable=False)
    session = models.ForeignKey(
        Session, on_delete=models.PROTECT, related_name="recordings", verbose_name=_("session")
    )
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.RECORDING)
    started_at = models.DateTimeField(_("started"), default=timezone.now)
    stopped_at = models.DateTimeField(_("stopped"), null=True, blank=True)
    started_by = models.ForeignKey(
        Participant, null=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("started by")
    )
    # The recording worker that journals it: its files live on that machine's DATA_DIR.
    node = models.CharField(_("recording worker"), max_length=80, blank=True)
    progress = models.FloatField(_("progress"), default=0.0)
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    # Who composes now: the token of one attempt, and when that attempt last gave a sign of life.
    claim = models.UUIDField(null=True, blank=True, editable=False)
    claimed_at = models.DateTimeField(null=True, blank=True, editable=False)
    error = models.TextField(_("error"), blank=True)
    duration_seconds = models.FloatField(_("seconds"), null=True, blank=True)
    size_bytes = models.PositiveBigIntegerField(_("bytes"), null=True, blank=True)

    class Meta:
        verbose_name = _("recording")
        verbose_name_plural = _("recordings")
        ordering = ["-started_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["session"], condition=Q(state="recording"), name="one_live_recording_per_session"
            )
        ]

    def __str__(self) -> str:
        return f"{self.session.meeting} · {self.started_at:%Y-%m-%d %H:%M}"

    @property
    def directory(self) -> Path:
        """Where the tracks are journaled and the result lies (private)."""
        return Path(settings.RECORDINGS_DIR) / str(self.key)

    @property
    def video_path(self) -> Path:
        return self.directory / "recording.mp4"

    @property
    def poster_path(self) -> Path:
        return self.directory / "poster.jpg"
