"""What most tests of the media server begin with."""

from collections.abc import AsyncIterator

import pytest

from tests.media_gateway.sfu.support import Harness


@pytest.fixture
async def harness() -> AsyncIterator[Harness]:
    """A gateway on a port of its own. Files that want another kind have a fixture of the same name."""
    async with Harness() as started:
        yield started
