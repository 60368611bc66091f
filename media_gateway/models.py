"""The registry of media and recording workers."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class MediaNode(models.Model):
    """One worker process that has introduced itself over the control link."""

    class Kind(models.TextChoices):
        MEDIA = "media", _("Media")
        RECORDER = "recorder", _("Recording")

    class State(models.TextChoices):
        UP = "up", _("Running")
        DRAINING = "draining", _("Takes no new rooms")
        RESTARTING = "restarting", _("Restarts when empty")
        DOWN = "down", _("Gone")

    name = models.CharField(_("name"), max_length=80, unique=True)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    instance = models.CharField(_("instance"), max_length=40)
    host = models.CharField(_("machine"), max_length=80)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.UP)
    # The consumer that holds the control link, in whichever web process that is.
    channel = models.CharField(max_length=120, blank=True)
    capacity = models.PositiveIntegerField(_("capacity"), default=0)
    load = models.JSONField(_("load"), default=dict, blank=True)
    connected_at = models.DateTimeField(_("connected"), default=timezone.now)
    heartbeat_at = models.DateTimeField(_("last heartbeat"), default=timezone.now)

    class Meta:
        verbose_name = _("media worker")
        verbose_name_plural = _("media workers")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
