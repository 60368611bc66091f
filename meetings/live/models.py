"""Sessions: people are actually in a meeting."""

from __future__ import annotations

import secrets
import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from meetings.invitations.models import Invitation
from meetings.scheduling.models import Meeting


def new_participant_id() -> str:
    """Public id of a participant: also the peer id in the media gateway and the msid in SDP."""
    return "p" + secrets.token_hex(6)


def new_resume_key() -> str:
    return secrets.token_urlsafe(24)


class Session(models.Model):
    """One gathering of a meeting, from the first person in to the end."""

    meeting = models.ForeignKey(
        Meeting, on_delete=models.PROTECT, related_name="sessions", verbose_name=_("meeting")
    )
    room_id = models.UUIDField(_("media room"), default=uuid.uuid4, unique=True, editable=False)
    started_at = models.DateTimeField(_("started"), default=timezone.now)
    # None while people only wait in the lobby; then set together with `started_at`, when the first one is in.
    opened_at = models.DateTimeField(null=True, blank=True, default=timezone.now, editable=False)
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    end_reason = models.CharField(_("why it ended"), max_length=20, blank=True)
    # The media worker that holds the room; empty until someone connects media, and after that worker died.
    node = models.CharField(_("media worker"), max_length=80, blank=True)
    node_instance = models.CharField(max_length=40, blank=True)

    class Meta:
        verbose_name = _("session")
        verbose_name_plural = _("sessions")
        ordering = ["-started_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["meeting"], condition=Q(ended_at=None), name="one_running_session_per_meeting"
            )
        ]

    def __str__(self) -> str:
        return f"{self.meeting} · {self.started_at:%Y-%m-%d %H:%M}"

    @property
    def is_running(self) -> bool:
        return self.ended_at is None


class Participant(models.Model):
    """One person in one session; the same row through reloads and dropped networks."""

    class Role(models.TextChoices):
        HOST = "host", _("Host")
        COHOST = "cohost", _("Co-host")
        PARTICIPANT = "participant", _("Participant")
        GUEST = "guest", _("Guest")
        STREAM = "stream", _("Stream")

    class State(models.TextChoices):
        LOBBY = "lobby", _("In the lobby")
        IN = "in", _("In the room")
        LEFT = "left", _("Left")
        REFUSED = "refused", _("Refused")
        REMOVED = "removed", _("Removed")

    public_id = models.CharField(max_length=16, unique=True, default=new_participant_id, editable=False)
    session = models.ForeignKey(
        Session, on_delete=models.CASCADE, related_name="participants", verbose_name=_("session")
    )
    # "user:12", "invitation:7", "guest:<random>" or "stream:<key>": the same person is one participant.
    identity = models.CharField(max_length=60)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("person"),
    )
    invitation = models.ForeignKey(
        Invitation,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="participants",
        verbose_name=_("invitation"),
    )
    name = models.CharField(pgettext_lazy("person", "name"), max_length=80)
    role = models.CharField(_("role"), max_length=12, choices=Role.choices)
    state = models.CharField(_("state"), max_length=10, choices=State.choices)
    resume_key = models.CharField(max_length=40, default=new_resume_key, editable=False)
    # The consumer that speaks for this person now; empty while the network is gone.
    channel = models.CharField(max_length=120, blank=True, editable=False)
    generation = models.PositiveIntegerField(default=0, editable=False)
    # The media worker that serves this person; empty: the session's own.
    node = models.CharField(_("media worker"), max_length=80, blank=True)
    node_instance = models.CharField(max_length=40, blank=True, editable=False)
    mic = models.BooleanField(_("microphone"), default=False)
    camera = models.BooleanField(_("camera"), default=False)
    screen = models.BooleanField(_("screen"), default=False)
    hand_at = models.DateTimeField(_("hand raised"), null=True, blank=True)
    asked_at = models.DateTimeField(_("asked to join"), default=timezone.now)
    joined_at = models.DateTimeField(_("first joined"), null=True, blank=True)
    last_seen_at = models.DateTimeField(_("last seen"), default=timezone.now)

    class Meta:
        verbose_name = _("participant")
        verbose_name_plural = _("participants")
        ordering = ["joined_at", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["session", "identity"], name="participant_once_per_session")
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_stream(self) -> bool:
        """A program that sends by WHIP: it has no browser, no chat, and is no attendee."""
        return self.role == self.Role.STREAM


class Attendance(models.Model):
    """One unbroken stay of a participant in the room."""

    participant = models.ForeignKey(
        Participant, on_delete=models.CASCADE, related_name="stays", verbose_name=_("participant")
    )
    joined_at = models.DateTimeField(_("joined"), default=timezone.now)
    left_at = models.DateTimeField(_("left"), null=True, blank=True)

    class Meta:
        verbose_name = _("attendance")
        verbose_name_plural = _("attendance")
        ordering = ["joined_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["participant"], condition=Q(left_at=None), name="one_open_stay_per_participant"
            )
        ]

    def __str__(self) -> str:
        return f"{self.participant} {self.joined_at:%H:%M}"


class MediaIncident(models.Model):
    """Media that stopped on its way from one person to others, as the media server noticed it.

    Without a `subscriber` it concerns everybody: what the publisher sends did not even reach the server.
    """

    class Source(models.TextChoices):
        MIC = "mic", _("Microphone")
        CAMERA = "camera", _("Camera")
        SCREEN = "screen", _("Screen")
        SCREEN_AUDIO = "screen_audio", _("Sound of the screen")

    class Hop(models.TextChoices):
        DEVICE = "device", _("Sender's device")
        UPLINK = "uplink", _("Sender to server")
        SERVER = "server", _("In the server")
        DOWNLINK = "downlink", _("Server to receiver")
        PLAYER = "player", _("Receiver's player")

    class End(models.TextChoices):
        HEALED = "healed", _("healed")
        OFF = "off", _("switched off")
        LEFT = "left", _("one of them left")
        SESSION = "session", _("the session ended")
        WORKER = "worker", _("the media worker was lost")

    session = models.ForeignKey(
        Session, on_delete=models.CASCADE, related_name="incidents", verbose_name=_("session")
    )
    publisher = models.ForeignKey(
        Participant, on_delete=models.CASCADE, related_name="+", verbose_name=_("sender")
    )
    subscriber = models.ForeignKey(
        Participant,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="+",
        verbose_name=_("receiver"),
    )
    source = models.CharField(_("what"), max_length=12, choices=Source.choices)
    hop = models.CharField(_("where it stopped"), max_length=10, choices=Hop.choices)
    actions = models.JSONField(_("what was done"), default=list, blank=True)
    began_at = models.DateTimeField(_("began"), default=timezone.now)
    ended_at = models.DateTimeField(_("over"), null=True, blank=True)
    end_reason = models.CharField(_("how it ended"), max_length=10, choices=End.choices, blank=True)
    node = models.CharField(_("media worker"), max_length=80, blank=True)

    class Meta:
        verbose_name = _("media incident")
        verbose_name_plural = _("media incidents")
        ordering = ["-began_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["publisher", "source"],
                condition=Q(ended_at=None, subscriber=None),
                name="one_open_incident_per_source",
            ),
            models.UniqueConstraint(
                fields=["publisher", "source", "subscriber"],
                condition=Q(ended_at=None) & ~Q(subscriber=None),
                name="one_open_incident_per_receiver",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.publisher} · {self.get_source_display()} · {self.get_hop_display()}"
