"""The doctor greets the mail server, and counts what it did not take."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from django.utils import timezone
from pytest_django import Settings

from portal.doctor import mail
from portal.doctor.report import State
from tests.portal.conftest import Environment
from tests.portal.doctor.conftest import only
from tests.services.ports import free_tcp_port


class Accept:
    def __call__(
        self, server: object, session: object, envelope: object, mechanism: str, data: object
    ) -> AuthResult:
        return AuthResult(success=getattr(data, "password", b"") == b"right", handled=False)


@pytest.fixture
def smtp_port() -> Iterator[int]:
    controller = Controller(
        object(), hostname="127.0.0.1", port=free_tcp_port(), authenticator=Accept(), auth_require_tls=False
    )
    controller.start()
    yield controller.port
    controller.stop()


def use_smtp(settings: Settings, environment: Environment, port: int, password: str = "") -> None:
    environment(SMTP_URL="smtp://set")
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", port, 5
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = ("user", password) if password else ("", "")
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False


@pytest.mark.django_db
def test_a_mail_server_is_greeted_and_signed_in_to(
    settings: Settings, environment: Environment, smtp_port: int
) -> None:
    use_smtp(settings, environment, smtp_port, "right")
    assert only(mail.mail()).state is State.OK
    use_smtp(settings, environment, smtp_port, "wrong")
    assert "refuses the user name or password" in only(mail.mail()).says


@pytest.mark.django_db
def test_a_mail_server_that_is_not_there_is_told(settings: Settings, environment: Environment) -> None:
    use_smtp(settings, environment, free_tcp_port())
    finding = only(mail.mail())
    assert finding.state is State.FAIL
    assert "SMTP_URL" in finding.do


@pytest.mark.django_db
def test_mails_that_were_given_up_or_are_late_are_told(data_dir: Path) -> None:
    from meetings.invitations.models import OutboxMail

    long_ago = timezone.now() - dt.timedelta(hours=1)
    common = {"kind": "invitation", "to_email": "a@example.org", "subject": "s", "text": "t", "html": "h"}
    OutboxMail.objects.create(key="1", message_id="1", state="failed", **common)
    OutboxMail.objects.create(key="2", message_id="2", state="pending", next_try_at=long_ago, **common)
    OutboxMail.objects.create(key="3", message_id="3", state="sent", **common)
    says = [finding.says for finding in mail.mail() if finding.state is State.WARN]
    assert says == ["1 mails were given up", "1 mails have waited for more than 10 minutes"]
