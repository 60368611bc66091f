"""Run the recording worker: it journals every track of a recorded meeting as it arrives."""

from __future__ import annotations

import asyncio
import secrets
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from media_gateway.link import ControlLink, WorkerIdentity
from media_gateway.worker import Duty, node_name, serve
from portal.supervisor.child import STARTS_ANEW


class Command(BaseCommand):
    help = "Runs the recording worker of this machine until it is told to stop."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            drained = asyncio.run(self._run())
        except OSError as error:
            raise CommandError(f"the recording worker cannot start: {error}") from None
        if drained:
            sys.exit(STARTS_ANEW)

    async def _run(self) -> bool:
        from media_gateway.recorder.service import RecorderService

        recorder = RecorderService(settings.RECORDINGS_DIR)

        async def handle(op: str, room: str | None, peer: str | None, data: dict[str, Any]) -> dict[str, Any]:
            return await recorder.handle(op, data)

        duty = Duty(handle, lambda: recorder.recordings, recorder.load)

        def make_link() -> ControlLink:
            name = node_name(settings.NODE_NAME, "recorder")
            self.stdout.write(f"{name}: feed on {recorder.address[0]}:{recorder.address[1]}")
            return ControlLink(
                url=settings.CONTROL_URL,
                secret=settings.MEDIA_SECRET,
                identity=WorkerIdentity("recorder", name, secrets.token_hex(8), settings.NODE_NAME),
                handle=duty.handle,
                rooms=duty.rooms,
                load=duty.load,
                state=duty.state,
            )

        return await serve(recorder, make_link, duty)
