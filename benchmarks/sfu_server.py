"""The server side of bench_sfu, in a process of its own: our gateway, or aiortc's MediaRelay.

Reads one JSON request a line from standard input, writes one JSON reply a line; events go between replies.
"""

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

Handler = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


async def serve(make: Callable[[Callable[[dict[str, Any]], None]], Awaitable[Handler]]) -> None:
    """Answer requests until standard input ends."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=1 << 22)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)

    def write(message: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()

    handler = await make(lambda event: write({"event": event}))
    write({"ready": True})
    while line := await reader.readline():
        request = json.loads(line)
        if request["op"] == "cpu":
            write({"reply": {"cpu": time.process_time(), "wall": time.monotonic()}})
        else:
            write({"reply": await handler(request)})


async def gateway(emit: Callable[[dict[str, Any]], None]) -> Handler:
    """Our media server, as a worker runs it."""
    from media_gateway.sfu.gateway import Gateway, GatewayConfig

    server = Gateway(GatewayConfig(host="127.0.0.1"), emit)
    await server.start()

    async def handle(request: dict[str, Any]) -> dict[str, Any]:
        if request["op"] == "counters":
            socket = server._started.socket
            return {"sent": socket.sent, "drops": socket.send_drops, "load": server.load()}
        return await server.handle(request["op"], "bench", request.get("peer"), request.get("data", {}))

    return handle


async def relay(emit: Callable[[dict[str, Any]], None]) -> Handler:
    """A forwarding server as aiortc's examples build it.

    Decode once, MediaRelay, encode for each subscriber.
    """
    from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
    from aiortc.contrib.media import MediaRelay

    configuration = RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
    fan = MediaRelay()
    sources: list[Any] = []
    connections: dict[str, RTCPeerConnection] = {}

    async def handle(request: dict[str, Any]) -> dict[str, Any]:
        op, peer = request["op"], request.get("peer", "")
        if op == "publish":
            connection = connections[peer] = RTCPeerConnection(configuration)
            connection.on("track", sources.append)
            await connection.setRemoteDescription(RTCSessionDescription(request["sdp"], "offer"))
            await connection.setLocalDescription(await connection.createAnswer())
            return {"sdp": connection.localDescription.sdp}
        if op == "subscribe":
            connection = connections[peer] = RTCPeerConnection(configuration)
            connection.addTransceiver(fan.subscribe(sources[0]), direction="sendonly")
            await connection.setLocalDescription(await connection.createOffer())
            return {"sdp": connection.localDescription.sdp}
        if op == "answer":
            await connections[peer].setRemoteDescription(RTCSessionDescription(request["sdp"], "answer"))
            return {}
        sent = 0
        for connection in connections.values():
            for stats in (await connection.getStats()).values():
                if stats.type == "outbound-rtp":
                    sent += stats.packetsSent
        return {"sent": sent}

    return handle


def main() -> None:
    kind, core = sys.argv[1], int(sys.argv[2])
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})
    # The parent ends us by closing the pipe, or with an interrupt while we write to it.
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        asyncio.run(serve(gateway if kind == "gateway" else relay))


if __name__ == "__main__":
    main()
