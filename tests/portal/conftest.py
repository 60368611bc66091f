from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings as django_settings
from pytest_django import Settings

Environment = Callable[..., None]


@pytest.fixture
def environment(settings: Settings) -> Environment:
    """Set values of `settings.ENV`, as environment variables would have been, for one test."""

    def change(**values: Any) -> None:
        settings.ENV = {**django_settings.ENV, **values}

    return change
