"""Mail: where it goes, and whether any is stuck."""

from __future__ import annotations

import datetime as dt
import smtplib
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.core.mail import get_connection
from django.db import DatabaseError
from django.utils import timezone

from portal.doctor.report import Finding, fail, ok, warn

LATE_MINUTES = 10


def mail() -> Iterator[Finding]:
    if settings.ENV["SMTP_URL"]:
        yield from _smtp()
    else:
        count = sum(1 for _ in Path(settings.MAIL_DIR).glob("*")) if Path(settings.MAIL_DIR).exists() else 0
        yield ok(
            "Mail", f"is kept in {settings.MAIL_DIR} ({count} files) and sent to nobody: SMTP_URL is not set"
        )
    yield from _outbox()


def _smtp() -> Iterator[Finding]:
    """Greet the server, encrypt and sign in as the URL says, and leave without sending."""
    where = f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
    connection = get_connection()
    try:
        connection.open()
    except smtplib.SMTPAuthenticationError:
        yield fail("Mail", f"{where} refuses the user name or password", "check SMTP_URL")
        return
    except (OSError, smtplib.SMTPException) as error:
        yield fail(
            "Mail", f"{where} cannot be used: {error}", "check SMTP_URL and that the server can be reached"
        )
        return
    finally:
        connection.close()
    encrypted = settings.EMAIL_USE_SSL or settings.EMAIL_USE_TLS
    text = f"{where} takes mail from {settings.DEFAULT_FROM_EMAIL}"
    if not encrypted and settings.EMAIL_HOST not in ("localhost", "127.0.0.1", "::1"):
        yield warn("Mail", f"{text}, without encryption", "use smtp+tls:// or smtps:// in SMTP_URL")
    else:
        yield ok("Mail", text)


def _outbox() -> Iterator[Finding]:
    from meetings.invitations.models import OutboxMail

    try:
        failed = OutboxMail.objects.filter(state=OutboxMail.State.FAILED).count()
        late_since = timezone.now() - dt.timedelta(minutes=LATE_MINUTES)
        late = OutboxMail.objects.filter(state=OutboxMail.State.PENDING, next_try_at__lt=late_since).count()
    except DatabaseError:
        return  # the database's own check tells
    if failed:
        yield warn("Mail", f"{failed} mails were given up", "the page Mail shows why, and sends them again")
    if late:
        do = "is a Celery worker running? See Jobs"
        yield warn("Mail", f"{late} mails have waited for more than {LATE_MINUTES} minutes", do)
