"""Small things the design tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from accounts.models import Department, User

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture
def admin(db: None) -> User:
    physics = Department.objects.create(name="Physics")
    return User.objects.create_superuser(
        "mei@example.org", "a-long-password", name="Lin Mei", department=physics, time_zone="Asia/Shanghai"
    )


@pytest.fixture
def student(db: None) -> User:
    return User.objects.create_user("wang@example.org", "a-long-password", name="王伟")
