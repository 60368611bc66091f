from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.utils import translation
from django.utils.translation import reloader
from pytest_django import Settings

from portal.translations import compile_stale

Environment = Callable[..., None]


@pytest.fixture
def environment(settings: Settings) -> Environment:
    """Set values of `settings.ENV`, as environment variables would have been, for one test."""

    def change(**values: Any) -> None:
        settings.ENV = {**django_settings.ENV, **values}

    return change


@pytest.fixture(scope="session")
def compiled() -> None:
    """The catalogues as they are now, also where something was translated before in this process."""
    for path in compile_stale(django_settings.BASE_DIR / "locale"):
        reloader.translation_file_changed(None, path)


@pytest.fixture
def chinese(compiled: None) -> Iterator[None]:
    with translation.override("zh-hans"):
        yield
