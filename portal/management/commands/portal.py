from __future__ import annotations

import asyncio
import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from portal.supervisor import preflight, valkey
from portal.supervisor.plan import PARTS, Plan, UnknownPart
from portal.supervisor.prepare import first_admin_file, prepare
from portal.supervisor.supervisor import Supervisor


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


class Command(BaseCommand):
    help = "Run the portal: all its processes under one supervisor, until Ctrl-C or SIGTERM."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--only", type=_names, default=[], help=f"run these parts alone ({', '.join(PARTS)})"
        )
        parser.add_argument("--without", type=_names, default=[], help="run all but these parts")
        parser.add_argument(
            "--no-prepare", action="store_true", help="neither migrate nor collect static files"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._run(options)
        except (preflight.CannotStart, UnknownPart) as error:
            # One line, without a traceback and without colour codes in a log.
            raise CommandError(f"Plenum cannot start: {error}") from error

    def _run(self, options: dict[str, Any]) -> None:
        plan = Plan.choose(options["only"], options["without"])
        preflight.check_folder(settings.DATA_DIR)
        run = settings.DATA_DIR / "run"
        locks = preflight.Locks(run)
        locks.take(plan.locks())
        if "web" in plan.parts:
            preflight.check_tcp(settings.HOST, settings.PORT)
        if "media" in plan.parts:
            for index in range(settings.MEDIA_WORKERS):
                preflight.check_udp(settings.MEDIA_HOST, settings.MEDIA_PORT + index)
                if settings.MEDIA_TCP:
                    port = settings.MEDIA_PORT + index
                    preflight.check_tcp(settings.MEDIA_HOST, port, variable="MEDIA_PORT")
        if not options["no_prepare"]:
            prepare(self.stdout.write)
        connections.close_all()
        supervisor_of = self._supervisor(plan)
        try:
            asyncio.run(supervisor_of)
        finally:
            locks.release()

    async def _supervisor(self, plan: Plan) -> None:
        run = settings.DATA_DIR / "run"
        await Supervisor(
            plan.services(),
            state_file=run / f"portal-{os.getpid()}.json",
            broker=valkey.configure(settings.DATA_DIR) if "valkey" in plan.parts else None,
            health=(settings.LOCAL_HOST.strip("[]"), settings.PORT) if "web" in plan.parts else None,
            welcome=welcome(),
        ).run()
        sys.stdout.flush()


def welcome() -> str:
    """The address, and who can sign in."""
    lines = ["", f"  Plenum is ready: {settings.PUBLIC_URL}/"]
    path = first_admin_file()
    if path.exists():
        lines.append(f"  Sign in as {path.read_text().split()[0]}; its first password is in {path}")
    if settings.ENV["SIGNUP"]:
        lines.append(f"  New people sign up at {settings.PUBLIC_URL}/accounts/signup/")
    if not settings.ENV["SMTP_URL"]:
        lines.append(
            f"  Mails are not sent but kept: administrators read them at {settings.PUBLIC_URL}/mail/"
        )
    lines.append("  Ctrl-C stops it.")
    return "\n".join([*lines, ""])
