"""Fixtures for all tests. What the settings of a test run are says tests/settings.py."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.cache import cache

from tests.services.postgres import postgres_server
from tests.services.redis import redis_server as start_redis_server


@pytest.fixture(autouse=True)
def _empty_cache() -> Iterator[None]:
    """What one test counted (rate limits) or remembered is nothing to the next."""
    yield
    cache.clear()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A real PostgreSQL server; `tests.services.postgres.create_database` makes a database on it."""
    with postgres_server() as url:
        yield url


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """The URL of a real Redis server."""
    with start_redis_server() as url:
        yield url
