"""Keys for programs that send into a meeting (WHIP) or show it elsewhere (WHEP), and their connections."""

from __future__ import annotations

import datetime as dt
import secrets

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from meetings.live.models import Participant, Session
from meetings.scheduling.models import Meeting


def new_resource_id() -> str:
    """The last part of a WHIP session URL: 128 random bits, as RFC 9725 section 5 asks."""
    return secrets.token_hex(16)


def new_stream_peer() -> str:
    """The public id of a stream's participant, which is its peer id in the media gateway too."""
    return "s" + secrets.token_hex(6)


def new_play_peer() -> str:
    """The peer id of a player in the media gateway."""
    return "w" + secrets.token_hex(6)


def new_etag() -> str:
    """Names one ICE session of a connection (RFC 9725 section 4.3.1)."""
    return secrets.token_hex(8)


class StreamKey(models.Model):
    """A bearer token, of which only a hash is kept: whoever has it may send, or play, without an account."""

    class Direction(models.TextChoices):
        PUBLISH = "publish", _("Stream in")
        PLAY = "play", _("Play out")

    class Source(models.TextChoices):
        CAMERA = "camera", _("As a camera")
        SCREEN = "screen", _("As a shared screen")

    meeting = models.ForeignKey(
        Meeting, on_delete=models.CASCADE, related_name="stream_keys", verbose_name=_("meeting")
    )
    name = models.CharField(pgettext_lazy("stream", "name"), max_length=80)
    direction = models.CharField(_("direction"), max_length=8, choices=Direction.choices)
    # What the picture counts as; of a key to play it says nothing.
    source = models.CharField(_("shown"), max_length=8, choices=Source.choices, default=Source.CAMERA)
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    # The end of the token, by which people tell keys apart.
    hint = models.CharField(_("token ends with"), max_length=8, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("made by"),
    )
    created_at = models.DateTimeField(_("made"), default=timezone.now)
    expires_at = models.DateTimeField(_("expires"))
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True)

    class Meta:
        verbose_name = _("stream key")
        verbose_name_plural = _("stream keys")
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.name

    @property
    def publishes(self) -> bool:
        return self.direction == self.Direction.PUBLISH

    @property
    def identity(self) -> str:
        """Whom the participant of this key stands for: the same one each time in a session."""
        return f"stream:{self.pk}"

    def is_usable(self, now: dt.datetime | None = None) -> bool:
        return self.revoked_at is None and (now or timezone.now()) < self.expires_at


class StreamConnection(models.Model):
    """One WHIP or WHEP session, from the POST to the DELETE or the loss of its network."""

    key = models.ForeignKey(
        StreamKey, on_delete=models.CASCADE, related_name="connections", verbose_name=_("stream key")
    )
    session = models.ForeignKey(
        Session, on_delete=models.CASCADE, related_name="stream_connections", verbose_name=_("session")
    )
    # Who sends is in the room like anybody; who plays is not.
    participant = models.ForeignKey(
        Participant,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="stream_connections",
        verbose_name=_("participant"),
    )
    public_id = models.CharField(max_length=32, unique=True, default=new_resource_id, editable=False)
    peer = models.CharField(max_length=16, editable=False)
    generation = models.PositiveIntegerField(default=0, editable=False)
    # Where the media is: a media worker that starts anew knows nothing of it.
    node = models.CharField(_("media worker"), max_length=80, blank=True)
    node_instance = models.CharField(max_length=40, blank=True, editable=False)
    etag = models.CharField(max_length=32, default=new_etag, editable=False)
    # The client's ICE user fragment: another one in a PATCH means a restart.
    remote_ufrag = models.CharField(max_length=256, editable=False)
    # Lines that the answer to an ICE restart repeats (RFC 8840 section 4.4).
    fragment_head = models.TextField(blank=True, editable=False)
    ip = models.GenericIPAddressField(_("address"), null=True, blank=True)
    created_at = models.DateTimeField(_("asked"), default=timezone.now)
    opened_at = models.DateTimeField(_("opened"), null=True, blank=True)
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    end_reason = models.CharField(_("why it ended"), max_length=12, blank=True)

    class Meta:
        verbose_name = _("stream connection")
        verbose_name_plural = _("stream connections")
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["key"],
                condition=Q(ended_at=None, participant__isnull=False),
                name="one_sender_per_stream_key",
            )
        ]

    def __str__(self) -> str:
        return f"{self.key} · {self.created_at:%Y-%m-%d %H:%M}"
