"""The timer that is finer than the event loop's."""

import asyncio
import time

from media_gateway.sfu.microtimer import MicroTimer


async def test_it_fires_once_and_can_be_armed_again() -> None:
    fired: list[float] = []
    timer = MicroTimer(asyncio.get_running_loop(), lambda: fired.append(time.monotonic()))
    started = time.monotonic()
    timer.arm(0.002)
    await asyncio.sleep(0.1)
    assert len(fired) == 1 and fired[0] - started >= 0.002
    timer.arm(0.001)
    await asyncio.sleep(0.1)
    assert len(fired) == 2
    timer.close()


async def test_arming_anew_moves_it_and_closing_ends_it() -> None:
    fired: list[float] = []
    timer = MicroTimer(asyncio.get_running_loop(), lambda: fired.append(time.monotonic()))
    started = time.monotonic()
    timer.arm(0.05)
    timer.arm(0.2)
    await asyncio.sleep(0.5)
    assert len(fired) == 1 and fired[0] - started >= 0.2
    timer.arm(0.01)
    timer.close()
    timer.close()
    await asyncio.sleep(0.1)
    assert len(fired) == 1
