"""The outbox: a mail is a row in the caller's transaction first, and leaves after the commit.

So a mail is sent if and only if what it tells of was saved, and a broker that is down only delays it:
`tasks.deliver_due` finds every row that is still waiting.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from email.utils import parseaddr
from functools import partial

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from kombu.exceptions import OperationalError

from accounts.audit import record
from meetings.invitations.models import OutboxMail
from meetings.permissions.actor import Actor
from meetings.permissions.decide import Decision, Refused
from meetings.scheduling.models import Meeting

log = logging.getLogger(__name__)


def message_id(key: str) -> str:
    """The Message-ID of the mail with this key: always the same, so a mail sent twice is known as one."""
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
    return f"<{hashlib.sha256(key.encode()).hexdigest()[:32]}@{domain}>"


def draft_mail(
    *,
    key: str,
    kind: str,
    to_email: str,
    to_name: str,
    subject: str,
    text: str,
    html: str,
    meeting: Meeting | None = None,
    reply_to: str = "",
    calendar: str = "",
    calendar_method: str = "",
) -> OutboxMail:
    """An unsaved row for `queue_mails`. `key` (≤ 120 characters) names the mail for ever."""
    return OutboxMail(
        key=key,
        kind=kind,
        meeting=meeting,
        to_email=to_email,
        to_name=to_name[:80],
        reply_to=reply_to,
        subject=" ".join(subject.split())[:250],
        text=text,
        html=html,
        calendar=calendar,
        calendar_method=calendar_method,
        message_id=message_id(key),
    )


def queue_mails(drafts: Sequence[OutboxMail]) -> list[OutboxMail]:
    """Writes the drafts whose key is new, in the caller's transaction, and has them delivered after its
    commit.

    Returns the rows of all keys, new or not, in the order given. Three queries for any number.
    """
    if not drafts:
        return []
    with transaction.atomic():
        keys = [draft.key for draft in drafts]
        known = set(OutboxMail.objects.filter(key__in=keys).values_list("key", flat=True))
        # Another process may write the same key between the two: then its row stays and ours is dropped.
        OutboxMail.objects.bulk_create(
            [draft for draft in drafts if draft.key not in known], ignore_conflicts=True
        )
        rows = {row.key: row for row in OutboxMail.objects.filter(key__in=keys)}
        fresh = [rows[key].pk for key in dict.fromkeys(keys) if key not in known]
        if fresh:
            transaction.on_commit(partial(dispatch, fresh))
    return [rows[key] for key in keys]


def dispatch(pks: Sequence[int]) -> None:
    """Hands rows to the workers. Without a broker they wait for `deliver_due`; the request is not the one to
    fail.
    """
    from meetings.invitations.tasks import deliver_mail

    for pk in pks:
        try:
            deliver_mail.apply_async((pk,), retry=False)
        except (OperationalError, OSError) as error:
            log.warning("broker unreachable (%s): %d mails wait for the next round", error, len(pks))
            return


def retry_mail(mail: OutboxMail, *, actor: Actor) -> bool:
    """Sends a failed mail once more, from its first attempt. False if it is not failed (any more). For
    administrators.
    """
    if not actor.is_system and (actor.user is None or actor.user.role != "admin" or not actor.user.is_active):
        raise Refused(Decision(False, "mail.retry", _("Only administrators can send a mail again.")))
    with transaction.atomic():
        changed = OutboxMail.objects.filter(pk=mail.pk, state=OutboxMail.State.FAILED).update(
            state=OutboxMail.State.PENDING, attempts=0, next_try_at=timezone.now()
        )
        if not changed:
            return False
        record(
            "mail.retry",
            mail,
            user=actor.user,
            label=actor.label,
            ip=actor.ip,
            before={"state": "failed"},
            after={"state": "pending"},
        )
        transaction.on_commit(partial(dispatch, [mail.pk]))
    return True
