"""Empty a media or recording worker: for an upgrade, or to take a machine away."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Q

from media_gateway import draining, nodes
from media_gateway.models import MediaNode

POLL_SECONDS = 1.0


class Command(BaseCommand):
    help = (
        "Gives a worker no new rooms; those it has go on. NODE is a worker's name (media-1-media-0) or a "
        "machine's, for all its workers. With --restart a worker ends when it is empty, and its supervisor "
        "starts it again with the program as it lies on disk then."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("node", metavar="NODE", help="name of a worker or of a machine")
        parser.add_argument(
            "--restart", action="store_true", help="start anew when empty, and take rooms again"
        )
        parser.add_argument(
            "--wait", action="store_true", help="return when it is empty, or has started anew"
        )
        parser.add_argument("--timeout", type=float, default=0, help="seconds to wait at most; 0 is for ever")
        parser.add_argument("--undo", action="store_true", help="give it rooms again")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["undo"] and (options["restart"] or options["wait"]):
            raise CommandError("--undo goes alone")
        name = options["node"]
        rows = list(MediaNode.objects.filter(Q(name=name) | Q(host=name)).order_by("name"))
        if not rows:
            known = ", ".join(MediaNode.objects.values_list("name", flat=True)) or "none yet"
            raise CommandError(f"there is no worker or machine {name}; workers are: {known}")
        present = [row for row in rows if row.state != MediaNode.State.DOWN]
        if not present:
            raise CommandError(f"{name} is gone: there is nothing to empty")
        for row in present:
            if options["undo"]:
                changed, word = draining.undrain(row), "takes rooms again"
            else:
                changed = draining.drain(row, restart=options["restart"])
                word = "restarts when it is empty" if options["restart"] else "takes no new rooms"
            self.stdout.write(f"{row.name} {word}" + ("" if changed else " already"))
        if options["wait"]:
            self._wait(present, options["timeout"])

    def _wait(self, rows: list[MediaNode], timeout: float) -> None:
        """Until each is empty or gone, or, if it was to restart, back as another instance."""
        began = time.monotonic()
        waiting = {row.name: row for row in rows}
        told: dict[str, int] = {}
        while waiting:
            for now in MediaNode.objects.filter(name__in=waiting):
                if done := self._is_done(waiting[now.name], now):
                    self.stdout.write(f"{now.name} {done}")
                    del waiting[now.name]
                elif told.get(now.name) != (rooms := int(nodes.figure(now, "rooms"))):
                    told[now.name] = rooms
                    self.stdout.write(f"{now.name} has {rooms} rooms")
            if timeout and waiting and time.monotonic() - began > timeout:
                raise CommandError(f"not empty after {timeout:g} s: {', '.join(sorted(waiting))}")
            if waiting:
                time.sleep(POLL_SECONDS)

    def _is_done(self, then: MediaNode, now: MediaNode) -> str:
        if now.instance != then.instance:
            return "has started anew"
        if now.state == MediaNode.State.UP:
            return "takes rooms again: somebody has changed this"
        if then.state == MediaNode.State.RESTARTING:
            return ""
        if now.state == MediaNode.State.DOWN:
            return "is gone"
        # A heartbeat from before the order may not know of a room that was placed just then.
        fresh = bool(now.load.get("draining")) if isinstance(now.load, dict) else False
        return "is empty" if fresh and not nodes.figure(now, "rooms") else ""
