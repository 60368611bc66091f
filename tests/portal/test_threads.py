"""Database work in threads, and what it leaves for the event loop."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from accounts.models import User
from portal.threads import Left, in_thread, on_loop

pytestmark = pytest.mark.django_db(transaction=True)


async def test_what_is_left_is_done_in_order_before_the_caller_goes_on() -> None:
    done: list[int] = []

    async def task(number: int) -> None:
        done.append(number)

    def work() -> str:
        on_loop(task, 1)
        on_loop(task, 2)
        assert done == []
        return "result"

    assert await in_thread(work) == "result"
    assert done == [1, 2]


async def test_what_is_left_by_work_that_failed_is_done_too() -> None:
    done: list[int] = []

    async def task() -> None:
        done.append(1)

    def work() -> None:
        on_loop(task)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await in_thread(work)
    assert done == [1]


async def test_a_task_that_fails_is_logged_and_keeps_none_from_being_done(
    caplog: pytest.LogCaptureFixture,
) -> None:
    done: list[int] = []

    async def fails() -> None:
        raise ValueError("the broker is away")

    async def task() -> None:
        done.append(1)

    def work() -> None:
        on_loop(fails)
        on_loop(task)

    with caplog.at_level(logging.ERROR, logger="plenum.threads"):
        await in_thread(work)
    assert done == [1] and "the broker is away" in caplog.text


async def test_the_caller_may_do_it_later() -> None:
    done: list[int] = []

    async def task() -> None:
        done.append(1)

    left = Left()
    await left.after(on_loop, task)
    assert done == []
    await left.do()
    await left.do()
    assert done == [1]


def test_outside_of_a_thread_it_is_done_at_once() -> None:
    done: list[int] = []

    async def task() -> None:
        done.append(1)

    on_loop(task)
    assert done == [1]


async def test_a_connection_is_kept_only_where_that_is_cheap_and_never_a_broken_one() -> None:
    def look() -> object:
        User.objects.exists()
        connection.errors_occurred = False
        return connection.connection

    def fail() -> None:
        connection.errors_occurred = True
        if connection.connection is not None:
            connection.connection.close()

    def state() -> bool:
        return connection.connection is not None

    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    await in_thread(look)
    assert await in_thread(state) is (connection.vendor == "sqlite")
    await in_thread(fail)
    assert await in_thread(state) is False
    await in_thread(look)
