"""Time: this machine against those it works with, and the list of time zones."""

from __future__ import annotations

import time
import zoneinfo
from collections.abc import Iterator

import redis
from django.conf import settings
from django.db import DatabaseError, connection

from portal.doctor.report import Finding, fail, ok, warn

ODD_SECONDS, BAD_SECONDS = 1.0, 30.0  # links between machines are signed for 60 s
BUILT = 1_767_225_600  # 2026-01-01: no clock that is right is behind this


def clock() -> Iterator[Finding]:
    do = "run a time service (chrony, systemd-timesyncd) on every machine"
    now = time.time()
    if now < BUILT:
        yield fail("Clock", f"this machine believes it is {time.strftime('%Y-%m-%d', time.gmtime(now))}", do)
        return
    worst = 0.0
    for name, offset in _offsets():
        worst = max(worst, abs(offset))
        if abs(offset) > BAD_SECONDS:
            yield fail("Clock", f"{name} is {offset:+.1f} s off", do)
        elif abs(offset) > ODD_SECONDS:
            yield warn("Clock", f"{name} is {offset:+.1f} s off", do)
    jump = _jump()
    if abs(jump) > 0.05:
        yield warn("Clock", f"it jumped by {jump:+.2f} s while being watched", do)
    if len(zoneinfo.available_timezones()) < 400:
        yield fail("Clock", "the list of time zones is missing", "install the package tzdata")
    if worst <= ODD_SECONDS:
        yield ok(
            "Clock",
            f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(now))} UTC, others within {worst:.2f} s",
        )


def _offsets() -> Iterator[tuple[str, float]]:
    """Seconds that each server is ahead of this machine, half the round trip taken off."""
    if connection.vendor == "postgresql":
        yield from _offsets_of_database()
    if settings.ENV["REDIS_URL"]:
        yield from _offsets_of_broker()


def _offsets_of_database() -> Iterator[tuple[str, float]]:
    try:
        with connection.cursor() as cursor:
            began = time.time()
            cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
            row = cursor.fetchone()
            yield "the database", float(row[0]) - (began + time.time()) / 2
    except DatabaseError:
        return  # its own check tells


def _offsets_of_broker() -> Iterator[tuple[str, float]]:
    client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=3.0, socket_connect_timeout=3.0)
    try:
        began = time.time()
        seconds, microseconds = client.time()
        yield "the broker", seconds + microseconds / 1e6 - (began + time.time()) / 2
    except redis.RedisError:
        return  # its own check tells
    finally:
        client.close()


def _jump() -> float:
    """How much the clock moved against the steady one in a fifth of a second."""
    wall, steady = time.time(), time.monotonic()
    time.sleep(0.2)
    return (time.time() - wall) - (time.monotonic() - steady)
