"""Run one media worker: one process, one event loop, one UDP and one TCP port, many rooms."""

from __future__ import annotations

import asyncio
import errno
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from media_gateway.link import ControlLink, WorkerIdentity
from media_gateway.worker import Duty, advertised_addresses, node_name, serve
from portal.supervisor.child import STARTS_ANEW


class Command(BaseCommand):
    help = (
        "Runs one media worker until it is told to stop. It needs no database, only the web tier's address."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--index", type=int, default=0, help="which of this machine's workers: port MEDIA_PORT + INDEX"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        index = options["index"]
        port = settings.MEDIA_PORT + index
        if index < 0 or port > 65535:
            raise CommandError(f"--index {index} leads to port {port}, which does not exist")
        try:
            drained = asyncio.run(self._run(index, port))
        except OSError as error:
            raise CommandError(_explain(error, settings.MEDIA_HOST, port)) from None
        if drained:
            sys.exit(STARTS_ANEW)

    async def _run(self, index: int, port: int) -> bool:
        from media_gateway.sfu.gateway import Gateway, GatewayConfig

        addresses = advertised_addresses(settings.MEDIA_HOST, settings.MEDIA_IPS)
        config = GatewayConfig(
            port=port,
            host=settings.MEDIA_HOST,
            advertised_ips=addresses,
            # The web server's own port is left to it.
            tcp=False if port == settings.PORT else settings.MEDIA_TCP,
            max_rooms=settings.MEDIA_MAX_ROOMS,
            max_peers=settings.MEDIA_MAX_PEERS,
            max_peers_per_room=settings.MEDIA_MAX_PEERS_PER_ROOM,
            max_bitrate=settings.MEDIA_MAX_BITRATE,
            loudest=settings.MEDIA_AUDIO_LOUDEST,
            data_rate=settings.ROOM_DATA_RATE,
        )
        links: list[ControlLink] = []
        gateway = Gateway(config, lambda event: links[0].emit(event))
        duty = Duty(gateway.handle, gateway.rooms, gateway.load, max_peers=config.max_peers)

        def make_link() -> ControlLink:
            name = node_name(settings.NODE_NAME, f"media-{index}")
            self.stdout.write(
                f"{name}: {'UDP and TCP' if gateway.tcp_port else 'UDP'} "
                f"{settings.MEDIA_HOST}:{gateway.port}, browsers use {', '.join(addresses)}"
            )
            link = ControlLink(
                url=settings.CONTROL_URL,
                secret=settings.MEDIA_SECRET,
                identity=WorkerIdentity(
                    "media", name, gateway.instance, settings.NODE_NAME, config.max_rooms
                ),
                handle=duty.handle,
                rooms=duty.rooms,
                load=duty.load,
                state=duty.state,
            )
            links.append(link)
            return link

        return await serve(gateway, make_link, duty)


def _explain(error: OSError, host: str, port: int) -> str:
    protocol = "TCP" if (error.strerror or "").startswith("TCP") else "UDP"
    if error.errno == errno.EADDRINUSE:
        do = "stop what uses it, or choose another with MEDIA_PORT=…"
        return f"{protocol} port {port} on {host} is in use: {do}"
    if error.errno == errno.EACCES:
        needed = "needs rights that this user has not"
        return f"{protocol} port {port} {needed}: choose one above 1023 with MEDIA_PORT=…"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is no address of this machine: set MEDIA_HOST to one that is"
    return f"{protocol} port {port} on {host} cannot be opened: {error.strerror or error}"
