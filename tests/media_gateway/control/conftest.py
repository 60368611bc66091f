from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from channels.layers import channel_layers

from media_gateway.control import consumer
from media_gateway.signals import node_down, node_up


@pytest.fixture(autouse=True)
def _own_channel_layer() -> Iterator[None]:
    """Queues belong to one event loop, and each test has its own."""
    channel_layers.backends.clear()
    yield
    channel_layers.backends.clear()


@pytest_asyncio.fixture(autouse=True)
async def _no_leftovers() -> AsyncIterator[None]:
    yield
    for task in list(consumer._background):
        task.cancel()
    await asyncio.gather(*consumer._background, return_exceptions=True)


@pytest.fixture
def heard() -> Iterator[list[tuple[str, str, str]]]:
    """(signal, node, instance) in the order they were sent."""
    calls: list[tuple[str, str, str]] = []

    def up(node, **kwargs):  # type: ignore[no-untyped-def]
        calls.append(("up", node.name, node.instance))

    def down(node, instance, **kwargs):  # type: ignore[no-untyped-def]
        calls.append(("down", node.name, instance))

    node_up.connect(up)
    node_down.connect(down)
    yield calls
    node_up.disconnect(up)
    node_down.disconnect(down)
