"""A timer finer than the event loop's own, which waits whole milliseconds.

Linux `timerfd`, called through cffi; elsewhere the loop's timer, late as it is.
"""

import asyncio
import os
import sys
from collections.abc import Callable

import cffi

_ffi = cffi.FFI()
_ffi.cdef(
    """
    struct itimerspec { long interval_s; long interval_ns; long value_s; long value_ns; };
    int timerfd_create(int clock, int flags);
    int timerfd_settime(int fd, int flags, struct itimerspec *new, struct itimerspec *old);
    """
)
_MONOTONIC, _NONBLOCK, _CLOEXEC = 1, 0o4000, 0o2000000


class MicroTimer:
    """Calls `fired` once, a while after `arm`. Arming again before that moves it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, fired: Callable[[], None]) -> None:
        self._loop = loop
        self._fired = fired
        self._fd = -1
        self._handle: asyncio.TimerHandle | None = None
        if sys.platform != "linux":
            return
        self._lib = _ffi.dlopen(None)
        self._value = _ffi.new("struct itimerspec *")
        self._fd = self._lib.timerfd_create(_MONOTONIC, _NONBLOCK | _CLOEXEC)
        if self._fd >= 0:
            loop.add_reader(self._fd, self._readable)

    def arm(self, seconds: float) -> None:
        """Fire in `seconds`, which are below one."""
        if self._fd < 0:
            if self._handle is not None:
                self._handle.cancel()
            self._handle = self._loop.call_later(seconds, self._fired)
            return
        self._value.value_ns = max(1, int(seconds * 1e9))
        self._lib.timerfd_settime(self._fd, 0, self._value, _ffi.NULL)

    def _readable(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:
            return  # armed anew since it became readable
        self._fired()

    def close(self) -> None:
        """Never fire again."""
        if self._handle is not None:
            self._handle.cancel()
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1
