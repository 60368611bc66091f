"""What became of the mails about a meeting, in words for its organiser."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

from meetings.invitations.models import OutboxMail
from meetings.scheduling.models import Meeting
from meetings.scheduling.selectors import mail_states


@dataclass(frozen=True)
class MailBadge:
    """`style` is a badge class of the design system; `detail` what the mail server said, if anything."""

    label: str
    style: str
    icon: str
    detail: str = ""


def mail_badges(meeting: Meeting) -> dict[str, MailBadge]:
    """By address, the state of the newest mail about this meeting. One query."""
    return {email: _badge(mail) for email, mail in mail_states(meeting).items()}


def _badge(mail: OutboxMail) -> MailBadge:
    if mail.state == OutboxMail.State.SENT:
        return MailBadge(_("Mail sent"), "", "check")
    if mail.state == OutboxMail.State.FAILED:
        return MailBadge(_("Mail failed"), "badge-bad", "circle-alert", mail.last_error)
    if mail.attempts > 1 or (mail.attempts and mail.state == OutboxMail.State.PENDING):
        return MailBadge(_("Mail is retried"), "badge-warn", "refresh-cw", mail.last_error)
    return MailBadge(_("Mail on its way"), "", "send")
