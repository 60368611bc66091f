"""Mails through a real SMTP server on loopback: what arrives, and what its refusals do."""

from __future__ import annotations

import email
import email.policy
import socket
from collections.abc import Iterator
from email.message import EmailMessage

import icalendar
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from django.utils import timezone

from accounts.models import User
from meetings.invitations import delivery, tasks
from meetings.invitations.models import OutboxMail
from meetings.scheduling.services import Attendee
from tests.meetings.scheduling import builders

State = OutboxMail.State


class Server:
    """Answers DATA with `replies` in turn, then 250; RCPT with `rcpt`."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.replies: list[str] = []
        self.rcpt = "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.rcpt.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.rcpt

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        reply = self.replies.pop(0) if self.replies else "250 OK"
        if reply.startswith("250"):
            self.received.append(bytes(envelope.content or b""))
        return reply

    def messages(self) -> list[EmailMessage]:
        return [email.message_from_bytes(one, policy=email.policy.default) for one in self.received]  # type: ignore[misc]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def smtp(settings) -> Iterator[Server]:  # type: ignore[no-untyped-def]
    server = Server()
    controller = Controller(server, hostname="127.0.0.1", port=free_port())
    controller.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", controller.port
    settings.DEFAULT_FROM_EMAIL = "Plenum <meet@example.org>"
    yield server
    controller.stop()


@pytest.fixture
def mail(staff: User) -> OutboxMail:
    builders.booked(staff, Attendee("guest@elsewhere.example", "Gäst, Günther"), title="Wellen · 波")
    return OutboxMail.objects.get()


def test_what_arrives(smtp: Server, mail: OutboxMail, staff: User) -> None:
    assert tasks.deliver_mail(mail.pk)
    (message,) = smtp.messages()
    assert message["Subject"].strip().startswith("Invitation: Wellen · 波")
    assert message["From"] == "Plenum <meet@example.org>"
    assert message["To"].addresses[0].addr_spec == "guest@elsewhere.example"
    assert message["To"].addresses[0].display_name == "Gäst, Günther"
    assert message["Reply-To"] == staff.email
    assert message["Message-ID"] == mail.message_id
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content_type() == "multipart/mixed"
    body, attachment = message.iter_parts()
    assert body.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in body.iter_parts()] == [
        "text/plain",
        "text/html",
        "text/calendar",
    ]
    text, html, calendar = body.iter_parts()
    assert "Gäst, Günther" in text.get_content()
    assert "<h1" in html.get_content()
    assert calendar.get_param("method") == "REQUEST"
    assert calendar.get_content_charset() == "utf-8"
    # The same calendar as alternative and as file.
    assert attachment.get_filename() == "invite.ics"
    for part in (calendar, attachment):
        event = icalendar.Calendar.from_ical(part.get_payload(decode=True)).walk("VEVENT")[0]
        assert event["SUMMARY"] == "Wellen · 波"
    assert max(len(line) for line in smtp.received[0].split(b"\r\n")) <= 998


def test_a_temporary_refusal_then_success(smtp: Server, mail: OutboxMail) -> None:
    smtp.replies = ["451 try again later"]
    assert not delivery.deliver(mail.pk)
    mail.refresh_from_db()
    assert (mail.state, mail.attempts) == (State.PENDING, 1)
    assert "451 try again later" in mail.last_error
    assert not smtp.received
    OutboxMail.objects.update(next_try_at=timezone.now())
    assert delivery.deliver(mail.pk)
    mail.refresh_from_db()
    assert (mail.state, mail.attempts, mail.last_error) == (State.SENT, 2, "")
    assert len(smtp.received) == 1


def test_an_unknown_recipient_is_final(smtp: Server, mail: OutboxMail) -> None:
    smtp.rcpt = "550 no such user here"
    assert not delivery.deliver(mail.pk)
    mail.refresh_from_db()
    assert (mail.state, mail.attempts) == (State.FAILED, 1)
    assert "550 no such user here" in mail.last_error
    assert not smtp.received


def test_a_greylisted_recipient_is_tried_again(smtp: Server, mail: OutboxMail) -> None:
    smtp.rcpt = "450 greylisted"
    delivery.deliver(mail.pk)
    mail.refresh_from_db()
    assert mail.state == State.PENDING


def test_refused_content_is_final(smtp: Server, mail: OutboxMail) -> None:
    smtp.replies = ["554 no"]
    delivery.deliver(mail.pk)
    mail.refresh_from_db()
    assert mail.state == State.FAILED


def test_nobody_listens(settings, mail: OutboxMail) -> None:  # type: ignore[no-untyped-def]
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port()
    assert not delivery.deliver(mail.pk)
    mail.refresh_from_db()
    assert mail.state == State.PENDING
    assert "ConnectionRefusedError" in mail.last_error


def test_sent_twice_is_known_as_one(smtp: Server, mail: OutboxMail) -> None:
    """After a crash between the server's OK and our note of it, the repeat carries the same Message-ID."""
    delivery.deliver(mail.pk)
    OutboxMail.objects.update(state=State.PENDING)
    delivery.deliver(mail.pk)
    first, second = smtp.messages()
    assert first["Message-ID"] == second["Message-ID"]
