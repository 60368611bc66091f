"""Errors of our own, caught where one packet or one room must not take all others down with it."""

import logging

log = logging.getLogger(__name__)

LOGGED = 20
"""Faults told in full; after that one of a thousand, for a packet that comes again and again."""


class Faults:
    """Counts them; a worker that is in order has none."""

    def __init__(self) -> None:
        self.count = 0

    def note(self, what: str) -> None:
        """To be called while the exception is handled."""
        self.count += 1
        if self.count <= LOGGED or self.count % 1000 == 0:
            log.exception("%s failed (fault %d)", what, self.count)
