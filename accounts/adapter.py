"""The portal's rules for sign-up and its own addresses in account mails."""

from __future__ import annotations

import logging
from smtplib import SMTPException
from typing import TYPE_CHECKING, Any

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts.network import client_ip

if TYPE_CHECKING:
    from allauth.account.models import EmailConfirmation


log = logging.getLogger(__name__)


class AccountAdapter(DefaultAccountAdapter):
    """Sign-up only where SIGNUP is on; links in mails always lead to PUBLIC_URL, whatever host was asked."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return bool(settings.SIGNUP_OPEN)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """A mail server that is down must not cost the person what they typed: the page says what to do."""
        try:
            super().send_mail(template_prefix, email, context)
        except (OSError, SMTPException):
            log.exception("mail %s could not be sent", template_prefix)
            if self.request is not None:
                messages.error(
                    self.request,
                    _("The e-mail could not be sent right now. Please try again in a few minutes."),
                )

    def get_email_confirmation_url(self, request: HttpRequest, emailconfirmation: EmailConfirmation) -> str:
        return _public(super().get_email_confirmation_url(request, emailconfirmation))

    def get_reset_password_from_key_url(self, key: str) -> str:
        return _public(super().get_reset_password_from_key_url(key))

    def get_client_ip(self, request: HttpRequest) -> str:
        address = client_ip(request)
        if not address:
            raise PermissionDenied("The address of the request is unknown")
        return address


def _public(url: str) -> str:
    """The same path and query on the portal's public address."""
    path = "/" + url.split("://", 1)[-1].split("/", 1)[1] if "://" in url else url
    return f"{settings.PUBLIC_URL}{path}"
