from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import User
from tests.meetings.scheduling import builders


@pytest.fixture(autouse=True)
def _mail_folder(settings, tmp_path):  # type: ignore[no-untyped-def]
    settings.MAIL_DIR = tmp_path / "mail"
    settings.EMAIL_BACKEND = "meetings.invitations.mailfolder.EmailBackend"


@pytest.fixture
def staff(db: None) -> User:
    return builders.person(name="Lin Mei", time_zone="Europe/Berlin")


@pytest.fixture
def student(db: None) -> User:
    return builders.person("student", name="Sara Yilmaz")


@pytest.fixture
def staff_client(client: Client, staff: User) -> Client:
    client.force_login(staff, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


@pytest.fixture
def sign_in():  # type: ignore[no-untyped-def]
    def sign_in(user: User) -> Client:
        client = Client()
        client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
        return client

    return sign_in
