"""A mail leaves once: with its transaction, under any number of workers, over failures and lost jobs."""

from __future__ import annotations

import datetime as dt
import smtplib
import threading
from typing import Any

import pytest
from django.core import mail as django_mail
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection, transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from accounts.models import AuditEntry, User
from meetings.invitations import delivery, mailfolder, outbox, tasks
from meetings.invitations.models import OutboxMail
from meetings.permissions.actor import Actor
from meetings.permissions.decide import Refused
from tests.meetings.scheduling import builders

State = OutboxMail.State


def queue(key: str = "test:1", **fields: Any) -> OutboxMail:
    values = {
        "key": key,
        "kind": "test",
        "to_email": "anna@example.org",
        "to_name": "Anna Keller",
        "subject": "Hello",
        "text": "Text",
        "html": "<p>Text</p>",
        **fields,
    }
    return outbox.queue_mails([outbox.draft_mail(**values)])[0]


def waiting(**fields: Any) -> OutboxMail:
    """A row as after its commit, without the job."""
    mail = outbox.draft_mail(
        key=f"row:{OutboxMail.objects.count()}",
        kind="test",
        to_email="a@example.org",
        to_name="",
        subject="S",
        text="T",
        html="",
    )
    for name, value in fields.items():
        setattr(mail, name, value)
    mail.save()
    return mail


class Refusing(BaseEmailBackend):
    """Raises what `error` says."""

    error: Exception = OSError("no route")

    def send_messages(self, email_messages: Any) -> int:
        raise type(self).error


class Slow(BaseEmailBackend):
    """Counts; all senders wait for each other, so that they overlap for certain."""

    sent: list[str] = []
    gate = threading.Event()

    def send_messages(self, email_messages: Any) -> int:
        self.gate.wait(5)
        self.sent.extend(message.extra_headers["Message-ID"] for message in email_messages)
        return len(email_messages)


@pytest.fixture
def refusing(settings):  # type: ignore[no-untyped-def]
    settings.EMAIL_BACKEND = f"{__name__}.Refusing"

    def refuse(error: Exception) -> None:
        Refusing.error = error

    yield refuse
    Refusing.error = OSError("no route")


@pytest.mark.django_db(transaction=True)
class TestQueue:
    def test_nothing_leaves_when_the_transaction_fails(self) -> None:
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            queue()
            raise ZeroDivisionError
        assert not OutboxMail.objects.exists()
        assert mailfolder.keys() == []

    def test_leaves_after_the_commit_and_not_before(self) -> None:
        with transaction.atomic():
            mail = queue()
            assert mailfolder.keys() == []
        mail.refresh_from_db()
        assert (mail.state, mail.attempts) == (State.SENT, 1)
        assert mail.sent_at
        assert len(mailfolder.keys()) == 1

    def test_the_same_key_is_one_mail(self) -> None:
        first = queue(subject="First")
        second = queue(subject="Second")
        assert first.pk == second.pk
        assert OutboxMail.objects.get().subject == "First"
        assert len(mailfolder.keys()) == 1

    def test_the_same_key_twice_in_one_batch(self) -> None:
        with transaction.atomic():
            drafts = [
                outbox.draft_mail(
                    key="k", kind="t", to_email="a@b.de", to_name="", subject="S", text="", html=""
                )
                for _ in (1, 2)
            ]
            rows = outbox.queue_mails(drafts)
        assert rows[0].pk == rows[1].pk
        assert OutboxMail.objects.get().attempts == 1

    def test_a_subject_cannot_add_headers(self) -> None:
        queue(subject="Hello\r\nBcc: x@y.de")
        (mail,) = mailfolder.envelopes(mailfolder.keys())
        assert mail.subject == "Hello Bcc: x@y.de"

    def test_a_broker_that_is_down_delays_and_breaks_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def down(*_args: Any, **_options: Any) -> None:
            raise OperationalError("no broker")

        with monkeypatch.context() as patch:
            patch.setattr(tasks.deliver_mail, "apply_async", down)
            mail = queue()
        assert OutboxMail.objects.get().state == State.PENDING
        OutboxMail.objects.update(next_try_at=timezone.now() - delivery.GRACE)
        assert tasks.deliver_due() == 1
        mail.refresh_from_db()
        assert mail.state == State.SENT

    def test_500_mails_cost_few_queries(
        self, django_assert_max_num_queries, monkeypatch: pytest.MonkeyPatch
    ) -> None:  # type: ignore[no-untyped-def]
        monkeypatch.setattr(outbox, "dispatch", lambda pks: None)
        drafts = [
            outbox.draft_mail(
                key=f"k{n}", kind="t", to_email="a@b.de", to_name="", subject="S", text="", html=""
            )
            for n in range(500)
        ]
        with django_assert_max_num_queries(40):  # SQLite inserts in pieces
            outbox.queue_mails(drafts)
        assert OutboxMail.objects.count() == 500


@pytest.mark.django_db(transaction=True)
def test_many_workers_send_one_mail(settings) -> None:  # type: ignore[no-untyped-def]
    settings.EMAIL_BACKEND = f"{__name__}.Slow"
    Slow.sent.clear()
    Slow.gate.clear()
    mail = waiting()
    results: list[bool] = []
    start = threading.Barrier(8)

    def work() -> None:
        try:
            start.wait(5)
            results.append(delivery.deliver(mail.pk))
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _number in range(8)]
    for thread in threads:
        thread.start()
    Slow.gate.set()
    for thread in threads:
        thread.join(20)
    assert sorted(results) == [False] * 7 + [True]
    assert Slow.sent == [mail.message_id]
    mail.refresh_from_db()
    assert (mail.state, mail.attempts) == (State.SENT, 1)


@pytest.mark.django_db
class TestRetry:
    def test_waits_1_2_4_minutes_and_gives_up_after_eight(self, refusing) -> None:  # type: ignore[no-untyped-def]
        mail = waiting()
        waits = []
        for attempt in range(1, 9):
            assert not delivery.deliver(mail.pk)
            mail.refresh_from_db()
            assert mail.attempts == attempt
            assert "no route" in mail.last_error
            waits.append(round((mail.next_try_at - timezone.now()).total_seconds() / 60))
            # Not before its time.
            assert not delivery.deliver(mail.pk)
            OutboxMail.objects.update(next_try_at=timezone.now())
        assert waits == [1, 2, 4, 8, 16, 32, 64, 128]
        assert mail.state == State.FAILED
        assert delivery.due() == []

    def test_recovers(self, refusing, settings) -> None:  # type: ignore[no-untyped-def]
        mail = waiting()
        delivery.deliver(mail.pk)
        settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
        assert delivery.due() == []
        OutboxMail.objects.update(next_try_at=timezone.now())
        assert tasks.deliver_due() == 1
        mail.refresh_from_db()
        assert (mail.state, mail.attempts, mail.last_error) == (State.SENT, 2, "")
        assert django_mail.outbox[-1].extra_headers["Message-ID"] == mail.message_id

    @pytest.mark.parametrize(
        ("error", "final"),
        [
            (smtplib.SMTPRecipientsRefused({"a@example.org": (550, b"no such user")}), True),
            (smtplib.SMTPRecipientsRefused({"a@example.org": (451, b"greylisted")}), False),
            (smtplib.SMTPDataError(554, b"spam"), True),
            (smtplib.SMTPDataError(452, b"full"), False),
            (smtplib.SMTPSenderRefused(553, b"not you", "x"), True),
            (smtplib.SMTPAuthenticationError(535, b"wrong password"), False),
            (smtplib.SMTPConnectError(554, b"go away"), False),
            (smtplib.SMTPServerDisconnected("gone"), False),
            (ConnectionRefusedError("refused"), False),
            (TimeoutError("slow"), False),
            (KeyError("a fault of ours"), False),
        ],
    )
    def test_which_errors_are_final(self, refusing, error: Exception, final: bool) -> None:  # type: ignore[no-untyped-def]
        refusing(error)
        mail = waiting()
        assert not delivery.deliver(mail.pk)
        mail.refresh_from_db()
        assert mail.state == (State.FAILED if final else State.PENDING)
        assert type(error).__name__ in mail.last_error

    def test_a_bad_header_is_final(self) -> None:
        mail = waiting(subject="a\nb")
        delivery.deliver(mail.pk)
        mail.refresh_from_db()
        assert mail.state == State.FAILED

    def test_a_worker_that_died_is_found_out(self) -> None:
        dead = waiting(
            state=State.SENDING,
            attempts=1,
            claimed_at=timezone.now() - delivery.STALE - dt.timedelta(seconds=1),
        )
        alive = waiting(state=State.SENDING, attempts=1, claimed_at=timezone.now() - dt.timedelta(minutes=4))
        done_for = waiting(state=State.SENDING, attempts=8, claimed_at=timezone.now() - dt.timedelta(hours=1))
        assert delivery.due() == [dead.pk]
        assert delivery.deliver(dead.pk)
        assert not delivery.deliver(alive.pk)
        done_for.refresh_from_db()
        assert done_for.state == State.FAILED
        assert "died" in done_for.last_error

    def test_sent_again_is_the_same_file(self) -> None:
        """The worker died after handing over: the second delivery overwrites the first."""
        mail = waiting()
        delivery.deliver(mail.pk)
        before = mailfolder.keys()
        OutboxMail.objects.update(state=State.SENDING, claimed_at=timezone.now() - dt.timedelta(hours=1))
        assert tasks.deliver_due() == 1
        assert mailfolder.keys() == before
        assert OutboxMail.objects.get().state == State.SENT

    def test_who_lost_the_claim_leaves_the_row_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A sender slower than STALE must not mark as sent what another worker is sending now."""
        mail = waiting()
        other = timezone.now() + dt.timedelta(minutes=6)

        def slow(*_args: Any) -> Any:
            OutboxMail.objects.update(claimed_at=other)
            return django_mail.get_connection("django.core.mail.backends.locmem.EmailBackend")

        monkeypatch.setattr(delivery, "get_connection", slow)
        delivery.deliver(mail.pk)
        mail.refresh_from_db()
        assert (mail.state, mail.claimed_at) == (State.SENDING, other)

    def test_fresh_mails_are_left_to_their_own_job(self) -> None:
        waiting()
        assert delivery.due() == []

    def test_the_oldest_first_and_not_all_at_once(self) -> None:
        rows = [waiting(next_try_at=timezone.now() - dt.timedelta(minutes=n)) for n in (1, 3, 2)]
        assert delivery.due(limit=2) == [rows[1].pk, rows[2].pk]

    def test_a_mail_that_is_gone(self) -> None:
        assert not delivery.deliver(424242)


@pytest.mark.django_db
class TestSendAgain:
    @pytest.mark.parametrize("role", ["staff", "student", None])
    def test_is_for_admins(self, role: str | None) -> None:
        mail = waiting(state=State.FAILED, attempts=8)
        actor = Actor(user=builders.person(role)) if role else Actor()
        with pytest.raises(Refused):
            outbox.retry_mail(mail, actor=actor)
        mail.refresh_from_db()
        assert mail.state == State.FAILED
        assert not AuditEntry.objects.exists()

    def test_starts_anew(self, django_capture_on_commit_callbacks) -> None:  # type: ignore[no-untyped-def]
        admin: User = builders.person("admin")
        mail = waiting(state=State.FAILED, attempts=8)
        with django_capture_on_commit_callbacks(execute=True):
            assert outbox.retry_mail(mail, actor=Actor(user=admin))
        mail.refresh_from_db()
        assert (mail.state, mail.attempts) == (State.SENT, 1)
        assert AuditEntry.objects.get().verb == "mail.retry"
        assert not outbox.retry_mail(mail, actor=Actor(user=admin))


def test_message_ids_are_stable_and_different(settings) -> None:  # type: ignore[no-untyped-def]
    settings.DEFAULT_FROM_EMAIL = "Plenum <meet@example.org>"
    assert outbox.message_id("a") == outbox.message_id("a") != outbox.message_id("b")
    assert outbox.message_id("a").endswith("@example.org>")
