"""Limits on guessing: so many misses from one place in one stretch of time, counted in the cache.

Only misses count, so a class behind one address that all use good links is never stopped.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from django.core.cache import cache
from django.http import HttpRequest

from accounts.network import client_ip


@dataclass(frozen=True)
class Throttle:
    """At most `limit` misses in `window` seconds for one key (a fixed window: cheap, good enough here)."""

    scope: str
    limit: int
    window: int

    def _slot(self, key: str) -> str:
        return f"throttle:{self.scope}:{hashlib.sha256(key.encode()).hexdigest()[:24]}"

    def is_blocked(self, key: str) -> bool:
        """Have there been too many misses? Ask before looking anything up."""
        return int(cache.get(self._slot(key), 0)) >= self.limit

    def miss(self, key: str) -> int:
        """Counts one miss and returns how many there are in this window."""
        slot = self._slot(key)
        cache.add(slot, 0, self.window)
        try:
            return int(cache.incr(slot))
        except ValueError:  # the window ended between the two lines
            cache.set(slot, 1, self.window)
            return 1


def caller(request: HttpRequest) -> str:
    """Whose misses to count: the person, or the address of someone without account."""
    if request.user.is_authenticated:
        return f"user:{request.user.pk}"
    return f"ip:{client_ip(request) or '-'}"


# Personal links are signed, so guessing is hopeless; this keeps it cheap for the portal too.
BAD_LINKS = Throttle("bad-link", limit=20, window=600)
# Join codes have 42 bits: at 30 misses in ten minutes a code in use is not found in a lifetime.
JOIN_CODES = Throttle("join-code", limit=30, window=600)
