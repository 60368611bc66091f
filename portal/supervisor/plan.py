"""Which processes make a portal, and how each is run."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings

from portal.supervisor.child import Service

# What `--only` and `--without` may name; "media" is all media workers of this machine.
PARTS = ("valkey", "web", "media", "recorder", "celery", "composer", "beat")


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
        # A job that is cut short is found again from its row.
        if "celery" in self.parts:
            services.append(Service("celery", _celery_worker("celery", 2), stop_order=1, grace=8.0))
        if "composer" in self.parts:
            # Of its own, so that no mail waits for a recording; and a running meeting goes first.
            services.append(
                Service("composer", _celery_worker("composer", 1), stop_order=1, grace=8.0, nice=10)
            )
        if "beat" in self.parts:
            services.append(Service("beat", _celery_beat(), stop_order=1))
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


def _celery_worker(queue: str, processes: int) -> tuple[str, ...]:
    """A worker named after its queue; settings.CELERY_TASK_ROUTES says which job goes where."""
    return (
        *(*CELERY, "worker", "--queues", queue, "-n", f"{queue}@{settings.NODE_NAME}"),
        *("--concurrency", str(processes), "--without-gossip", "--without-mingle"),
        *("--loglevel", settings.ENV["LOG_LEVEL"]),
    )


def _celery_beat() -> tuple[str, ...]:
    schedule = str(settings.DATA_DIR / "run" / "beat-schedule")
    return (*CELERY, "beat", "--schedule", schedule, "--pidfile", "", "--loglevel", "WARNING")
