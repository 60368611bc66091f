"""Delivering one mail of the outbox.

A worker first claims the row by a conditional UPDATE, so of any number of workers one sends. What remains is
a worker that dies between the mail server's "250 OK" and the row's "sent": nobody can know then whether the
mail left. Losing an invitation is worse than repeating it, so such a row is sent again after STALE, which
every unharmed delivery has long ended by (the SMTP timeout is 20 s a step). The repeat has the same Message-
ID, and the calendar part the same UID and SEQUENCE: mail and calendar programs know it as the same. The local
mail folder names its file after the Message-ID, so there a repeat overwrites and the mail exists exactly
once.
"""

from __future__ import annotations

import datetime as dt
import logging
import smtplib

from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.message import BadHeaderError, sanitize_address
from django.db.models import F
from django.utils import timezone

from meetings.invitations.models import OutboxMail

log = logging.getLogger(__name__)
State = OutboxMail.State

STALE = dt.timedelta(minutes=5)
MAX_ATTEMPTS = 8
# A fresh mail has a job of its own; the beat looks after it only if that job was lost.
GRACE = dt.timedelta(seconds=15)


def backoff(attempts: int) -> dt.timedelta:
    """How long to wait after the `attempts`-th failure: 1, 2, 4, … minutes."""
    return dt.timedelta(minutes=2 ** (attempts - 1))


def deliver(pk: int) -> bool:
    """Sends the mail if it is waiting and due; True if this call sent it. Never raises for what a mail server
    says.
    """
    now = timezone.now()
    claimed = OutboxMail.objects.filter(pk=pk, state=State.PENDING, next_try_at__lte=now).update(
        state=State.SENDING, claimed_at=now, attempts=F("attempts") + 1
    )
    if not claimed:
        return False
    mail = OutboxMail.objects.get(pk=pk)
    ours = OutboxMail.objects.filter(pk=pk, state=State.SENDING, claimed_at=now)
    try:
        get_connection().send_messages([compose(mail)])
    except Exception as error:
        final = is_permanent(error) or mail.attempts >= MAX_ATTEMPTS
        log.warning("mail %s to %s, attempt %d: %s", pk, mail.to_email, mail.attempts, _reason(error))
        if not isinstance(error, (smtplib.SMTPException, OSError, BadHeaderError)):
            log.exception("mail %s could not be composed or handed over", pk)
        ours.update(
            state=State.FAILED if final else State.PENDING,
            next_try_at=timezone.now() + backoff(mail.attempts),
            last_error=_reason(error),
        )
        return False
    ours.update(state=State.SENT, sent_at=timezone.now(), last_error="")
    return True


def due(limit: int = 200) -> list[int]:
    """Ids of mails to send now, those of dead workers freed first. Two or three queries."""
    now = timezone.now()
    stale = OutboxMail.objects.filter(state=State.SENDING, claimed_at__lt=now - STALE)
    stale.filter(attempts__gte=MAX_ATTEMPTS).update(
        state=State.FAILED, last_error="The worker died while sending; the mail may or may not have left."
    )
    stale.update(state=State.PENDING, next_try_at=now)
    waiting = OutboxMail.objects.filter(state=State.PENDING, next_try_at__lte=now)
    waiting = waiting.exclude(attempts=0, next_try_at__gt=now - GRACE)
    return list(waiting.order_by("next_try_at", "pk").values_list("pk", flat=True)[:limit])


def compose(mail: OutboxMail) -> EmailMultiAlternatives:
    """The row as a message: text, HTML and (RFC 6047 section 2.4) the calendar part as alternatives, and the
    calendar once more as an attached file, for programs that show the first and for those that open the
    second.
    """
    message = EmailMultiAlternatives(
        subject=mail.subject,
        body=mail.text,
        to=[sanitize_address((mail.to_name, mail.to_email), "utf-8") if mail.to_name else mail.to_email],
        reply_to=[mail.reply_to] if mail.reply_to else None,
        headers={"Message-ID": mail.message_id, "Auto-Submitted": "auto-generated"},
    )
    if mail.html:
        message.attach_alternative(mail.html, "text/html")
    if mail.calendar:
        message.attach_alternative(mail.calendar, f"text/calendar; method={mail.calendar_method}")
        message.attach("invite.ics", mail.calendar.encode(), "application/ics")
    return message


def is_permanent(error: Exception) -> bool:
    """Will trying again never help? A 5xx reply to this mail says so; one to the sign-in or the greeting is
    about the server's set-up, which people mend.
    """
    if isinstance(error, BadHeaderError):
        return True
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(500 <= code < 600 for code, _text in error.recipients.values())
    if isinstance(error, (smtplib.SMTPAuthenticationError, smtplib.SMTPConnectError, smtplib.SMTPHeloError)):
        return False
    return isinstance(error, smtplib.SMTPResponseException) and 500 <= error.smtp_code < 600


def _reason(error: Exception) -> str:
    """The error in one line, with what the mail server said."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        said = "; ".join(f"{code} {_text(text)}" for code, text in error.recipients.values())
    elif isinstance(error, smtplib.SMTPResponseException):
        said = f"{error.smtp_code} {_text(error.smtp_error)}"
    else:
        said = str(error)
    return f"{type(error).__name__}: {said}"[:2000]


def _text(said: bytes | str) -> str:
    return said.decode(errors="replace") if isinstance(said, bytes) else said
