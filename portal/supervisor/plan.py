"""Which processes make a portal, and how each is run."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings

from portal.supervisor.child import Service

# What `--only` and `--without` may name; "media" is all media workers of this machine.
PARTS = ("valkey", "web", "media", "recorder", "celery", "beat")


class UnknownPart(ValueError):
    """A name that is not one of PARTS."""


@dataclass(frozen=True)
class Plan:
    parts: frozenset[str]

    @classmethod
    def choose(cls, only: Iterable[str] = (), without: Iterable[str] = ()) -> Plan:
        """All parts, or `only` these, `without` those. Raises UnknownPart."""
        only, without = frozenset(only), frozenset(without)
        if unknown := sorted((only | without) - set(PARTS)):
            raise UnknownPart(f"{', '.join(unknown)}: not one of {', '.join(PARTS)}")
        parts = (only or frozenset(PARTS)) - without
        # An external server replaces the embedded one.
        return cls(parts - {"valkey"} if settings.ENV["REDIS_URL"] else parts)

    def services(self) -> list[Service]:
        """Everything but Valkey, which answers before these start. Web stops first: nobody comes in late."""
        services: list[Service] = []
        if "web" in self.parts:
            services.append(Service("web", _daphne(), stop_order=0, grace=12.0))
        if "media" in self.parts:
            for index in range(settings.MEDIA_WORKERS):
                command = ("media_worker", "--index", str(index))
                services.append(Service(f"media-{index}", _manage(*command), stop_order=1, warm=command))
        if "recorder" in self.parts:
            # After the media workers: the last packets of a recording are worth having.
            services.append(Service("recorder", _manage("recording_worker"), stop_order=2, grace=8.0))
        if "celery" in self.parts:
            # A job that is cut short is in the queue still, and taken up at the next start. Composing a
            # recording takes all the processor it gets; a running meeting goes first.
            services.append(Service("celery", _celery_worker(), stop_order=3, grace=8.0, nice=10))
        if "beat" in self.parts:
            services.append(Service("beat", _celery_beat(), stop_order=3))
        return services

    def locks(self) -> list[str]:
        """One lock for each service; two web servers on different ports may share a DATA_DIR."""
        ports = {"web": f"web-{settings.PORT}"}
        names = ["valkey"] if "valkey" in self.parts else []
        return names + [ports.get(service.name, service.name) for service in self.services()]


def _manage(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments)


def _daphne() -> tuple[str, ...]:
    proxy = ("--proxy-headers",) if settings.ENV["TRUST_PROXY"] else ()
    return (
        *(sys.executable, "-m", "daphne", "-v", "0", "--no-server-name"),
        *("-b", settings.HOST, "-p", str(settings.PORT), "--application-close-timeout", "5"),
        *proxy,
        "portal.asgi:application",
    )


CELERY = (sys.executable, "-m", "celery", "--quiet", "-A", "portal")
CELERY_WORKERS = 2


def _celery_worker() -> tuple[str, ...]:
    return (
        *(*CELERY, "worker", "--concurrency", str(CELERY_WORKERS), "--without-gossip", "--without-mingle"),
        *("-n", f"celery@{settings.NODE_NAME}", "--loglevel", settings.ENV["LOG_LEVEL"]),
    )


def _celery_beat() -> tuple[str, ...]:
    schedule = str(settings.DATA_DIR / "run" / "beat-schedule")
    return (*CELERY, "beat", "--schedule", schedule, "--pidfile", "", "--loglevel", "WARNING")
