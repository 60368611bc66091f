"""What was written and shared in a session; it stays after the session ended."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from meetings.live.models import Participant, Session


def shared_file_path(instance: SharedFile, filename: str) -> str:
    """Private path below MEDIA_ROOT; the name people see is kept in the row, never in the path."""
    return f"shared/{instance.session.room_id}/{instance.participant.public_id}-{timezone.now():%H%M%S%f}"


class SharedFile(models.Model):
    session = models.ForeignKey(
        Session, on_delete=models.CASCADE, related_name="files", verbose_name=_("session")
    )
    participant = models.ForeignKey(
        Participant, on_delete=models.CASCADE, related_name="files", verbose_name=_("participant")
    )
    name = models.CharField(_("name"), max_length=200)
    size = models.PositiveBigIntegerField(_("bytes"))
    content_type = models.CharField(_("content type"), max_length=100)
    file = models.FileField(_("file"), upload_to=shared_file_path, max_length=200)
    created_at = models.DateTimeField(_("shared"), default=timezone.now)

    class Meta:
        verbose_name = _("shared file")
        verbose_name_plural = _("shared files")
        ordering = ["created_at"]

    def __str__(self) -> str:
        return self.name


class ChatMessage(models.Model):
    session = models.ForeignKey(
        Session, on_delete=models.CASCADE, related_name="messages", verbose_name=_("session")
    )
    participant = models.ForeignKey(
        Participant, on_delete=models.CASCADE, related_name="messages", verbose_name=_("participant")
    )
    body = models.TextField(_("text"), max_length=4000, blank=True)
    file = models.OneToOneField(
        SharedFile,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="message",
        verbose_name=_("file"),
    )
    created_at = models.DateTimeField(_("time"), default=timezone.now)

    class Meta:
        verbose_name = _("chat message")
        verbose_name_plural = _("chat messages")
        ordering = ["pk"]
        indexes = [models.Index(fields=["session", "id"])]

    def __str__(self) -> str:
        return self.body[:60] or str(self.file)
