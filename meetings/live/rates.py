"""How much one browser, and one room, may say.

Buckets in the memory of a web process turn a flood away at once. What a room says by way of its media worker
is counted there, all of it; what goes without one is counted in the cache that all web processes share.
"""

from __future__ import annotations

import time
from weakref import WeakValueDictionary

from django.conf import settings
from django.core.cache import cache

from meetings.live.protocol import OWN_RATES, TokenBucket


class Budget:
    """What one connection may ask.

    Some types have a rate of their own, so that moving pointers and reports take nothing from chat and hands.
    What exceeds it is refused and counts as an ordinary request: only a flood ends the connection.
    """

    def __init__(self) -> None:
        self.ordinary = TokenBucket()
        self._own: dict[str, TokenBucket] = {}

    @property
    def strikes(self) -> int:
        return self.ordinary.strikes

    def take(self, kind: str = "") -> bool:
        """Whether one more request of that type may pass."""
        rate = OWN_RATES.get(kind)
        if rate is None:
            return self.ordinary.take()
        if self._own.setdefault(kind, TokenBucket(*rate)).take():
            return True
        self.ordinary.take()
        return False


# A bucket lives as long as a connection of its room holds it.
_rooms: WeakValueDictionary[str, TokenBucket] = WeakValueDictionary()


def room_bucket(room_id: str) -> TokenBucket:
    """The data messages of one room in this process; keep the bucket while you use it."""
    bucket = _rooms.get(room_id)
    if bucket is None:
        rate = float(settings.ROOM_DATA_RATE)
        _rooms[room_id] = bucket = TokenBucket(rate, 2 * rate)
    return bucket


def room_may_say(room_id: str) -> bool:
    """Whether one more message of a room that no worker serves fits into these two seconds.

    Blocks on the cache.
    """
    key = f"room-data:{room_id}:{int(time.time() / 2)}"
    cache.add(key, 0, timeout=10)
    return int(cache.incr(key)) <= 2 * settings.ROOM_DATA_RATE
