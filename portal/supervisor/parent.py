"""A process that ends when its parent does, even if the parent was killed with SIGKILL (Linux)."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
# Loaded here: between fork and exec nothing may be imported.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(parent: int, death: signal.Signals = signal.SIGKILL) -> None:
    """Ask the kernel to send `death` to this process when its parent, process id `parent`, is gone.

    The wish survives exec but not fork. Elsewhere than on Linux it does nothing.
    """
    if _libc is None:
        return
    _libc.prctl(_PR_SET_PDEATHSIG, int(death), 0, 0, 0)
    if os.getppid() != parent:  # it went between the fork and here
        os.kill(os.getpid(), death)


def before_exec(death: signal.Signals, nice: int = 0) -> Callable[[], None]:
    """For `preexec_fn`: the program gets `death` when the calling process ends, and runs at `nice`."""
    parent = os.getpid()

    def prepare() -> None:
        die_with_parent(parent, death)
        if nice:
            os.nice(nice)

    return prepare
