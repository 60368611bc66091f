"""Start a Celery job for something that already stands in the database."""

from __future__ import annotations

import logging
from typing import Any

from kombu.exceptions import OperationalError

log = logging.getLogger(__name__)


def start_job(task: Any, *args: Any, countdown: float | None = None) -> bool:
    """Queue `task(*args)`, after `countdown` seconds. False (logged) while the broker is away.

    For jobs that a periodic one finds again from their rows, so the request must not fail with the broker.
    """
    try:
        task.apply_async(args, countdown=countdown, retry=False)
    except (OperationalError, OSError) as error:
        log.warning("broker unreachable (%s): %s%r waits for the next round", error, task.name, args)
        return False
    return True
