"""Redis or Valkey: messages between processes, and jobs."""

from __future__ import annotations

import time
from collections.abc import Iterator

import redis
from django.conf import settings

from portal.doctor.report import Finding, fail, ok, warn
from portal.supervisor.supervisor import running

SLOW_MILLISECONDS = 10.0
OLDEST = 6


def portal_runs_here() -> bool:
    return bool(running(settings.DATA_DIR / "run"))


def broker() -> Iterator[Finding]:
    client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=3.0, socket_connect_timeout=3.0)
    try:
        took = []
        for _ in range(5):
            began = time.perf_counter()
            client.ping()
            took.append((time.perf_counter() - began) * 1000)
        info = client.info()
        policy = client.config_get("maxmemory-policy").get("maxmemory-policy", "noeviction")
    except redis.RedisError as error:
        if not settings.ENV["REDIS_URL"] and not portal_runs_here():
            yield warn(
                "Broker", "the embedded Valkey starts with the portal, which does not run now", "make run"
            )
            return
        do = "check REDIS_URL and that the server runs" if settings.ENV["REDIS_URL"] else "restart the portal"
        yield fail("Broker", f"cannot be used: {error}", do)
        return
    finally:
        client.close()
    name = "Valkey" if "valkey_version" in info else "Redis"
    version = str(info.get("valkey_version") or info["redis_version"])
    milliseconds = sorted(took)[2]
    text = f"{name} {version}, {milliseconds:.1f} ms a round trip, {info['used_memory_human']} used"
    if int(version.split(".")[0]) < OLDEST:
        yield fail("Broker", text, f"update it to version {OLDEST} or newer")
    elif policy != "noeviction":
        yield warn(
            "Broker", f"{text}; maxmemory-policy is {policy}", "set it to noeviction: jobs could vanish"
        )
    elif milliseconds > SLOW_MILLISECONDS:
        yield warn("Broker", text, "move it closer: every chat message takes two round trips")
    else:
        yield ok("Broker", text)
