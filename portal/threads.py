"""Database work beside an event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import async_to_sync, sync_to_async
from django.db import connections

P = ParamSpec("P")
R = TypeVar("R")

log = logging.getLogger("plenum.threads")

# asyncio keeps only weak references to tasks.
_background: set[asyncio.Task[None]] = set()

Task = tuple[Callable[..., Awaitable[Any]], tuple[Any, ...]]
# What a function that runs in a thread left for its event loop to do.
_left: ContextVar[list[Task] | None] = ContextVar("left", default=None)


async def in_thread(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a function that uses the database in a thread of the event loop's pool.

    Not thread-sensitive, unlike `database_sync_to_async` by default: all sockets of a process would otherwise
    queue for one thread, and one that waits for a worker would hold up all of them.

    What it hands to `on_loop` is done before this returns, also when the function fails.
    """
    left = Left()
    try:
        return await left.after(function, *args, **kwargs)
    finally:
        await left.do()


class Left:
    """What functions in threads left for their event loop to do: `in_thread` in two steps.

    For a caller with something more urgent than telling others. `do` must be called, whatever happens.
    """

    def __init__(self) -> None:
        self._tasks: list[Task] = []

    async def after(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function in a thread, and keep what it hands to `on_loop`."""

        def run() -> R:
            token = _left.set(self._tasks)
            _settle()
            try:
                return function(*args, **kwargs)
            finally:
                _settle()
                _left.reset(token)

        return await sync_to_async(run, thread_sensitive=False)()

    async def do(self) -> None:
        """Do it, in order; what fails is logged and keeps nothing else from being done."""
        tasks, self._tasks = self._tasks, []
        for task, args in tasks:
            try:
                await task(*args)
            except Exception:
                log.exception("%s failed", getattr(task, "__qualname__", task))


def in_background(work: Coroutine[Any, Any, None]) -> None:
    """Do it beside the caller, and to its end whatever becomes of the caller."""
    task = asyncio.ensure_future(work)
    _background.add(task)
    task.add_done_callback(_background.discard)


def on_loop(task: Callable[..., Awaitable[Any]], *args: Any) -> None:
    """Call a coroutine function: below `in_thread` on its event loop when the thread is done, else now.

    A thread that waits for the loop at each message keeps its locks and its place in the pool meanwhile.
    """
    left = _left.get()
    if left is None:
        async_to_sync(task)(*args)
    else:
        left.append((task, args))


def _settle() -> None:
    """Leave no connection to the next function that could not be used, or that is another one's to use.

    One to SQLite stays open: the pool has few threads and they live as long as the process, while opening
    costs as much as ten queries, and closing the last one writes the whole log back into the database.
    """
    for connection in connections.all(initialized_only=True):
        if connection.vendor == "sqlite":
            connection.close_at = 0.0 if connection.errors_occurred else None
        connection.close_if_unusable_or_obsolete()
