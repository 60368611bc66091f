"""Servers in a process of their own: our gateway, aiortc's objects, aiortc's MediaRelay.

python -m benchmarks.sfu.serve gateway|objects|relay [options as JSON]
"""

import dataclasses
import gc
import json
import sys
from typing import Any

from .aiortc_servers import objects, relay
from .processes import Event, Handler, main


async def gateway(emit: Event) -> Handler:
    """Our media server, as a worker runs it. Options are fields of GatewayConfig."""
    from media_gateway.sfu.gateway import Gateway, GatewayConfig

    given: dict[str, Any] = json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}
    options: dict[str, Any] = {"host": "127.0.0.1", "max_peers_per_room": 4000, "max_peers": 4000} | given
    known = {field.name for field in dataclasses.fields(GatewayConfig)}
    server = Gateway(GatewayConfig(**{key: value for key, value in options.items() if key in known}), emit)
    await server.start()
    gc.collect()
    gc.freeze()

    async def handle(request: dict[str, Any]) -> dict[str, Any]:
        if request["op"] == "counters":
            socket = server._started.socket
            return {
                "sent": socket.sent,
                "sends": getattr(socket, "sends", 0),
                "drops": socket.send_drops,
                "segmentation": "gso" in known,
                "load": server.load(),
            }
        return await server.handle(request["op"], "bench", request.get("peer"), request.get("data", {}))

    return handle


if __name__ == "__main__":
    main({"gateway": gateway, "objects": objects, "relay": relay}[sys.argv[1]], server=True)
