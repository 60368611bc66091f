"""Sends by the clock what must not leave at once: paced queues of slow lines, and bandwidth probes."""

import asyncio
import time
from collections.abc import Callable

from .microtimer import MicroTimer
from .sender import Sender

EVERY = 0.005


class Pacer:
    """Runs only while some sender has work. `flush` is called after each round that sent anything."""

    def __init__(self, loop: asyncio.AbstractEventLoop, flush: Callable[[], None]) -> None:
        self._flush = flush
        self._busy: dict[int, Sender] = {}
        self._timer = MicroTimer(loop, self._round)

    def add(self, sender: Sender) -> None:
        """The sender has a queue or a probe to send."""
        if not self._busy:
            self._timer.arm(EVERY)
        self._busy[id(sender)] = sender

    def _round(self) -> None:
        now = time.monotonic()
        for key, sender in list(self._busy.items()):
            if not sender.drain(now):
                del self._busy[key]
        self._flush()
        if self._busy:
            self._timer.arm(EVERY)

    def close(self) -> None:
        self._timer.close()
        self._busy.clear()
