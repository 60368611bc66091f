"""What one gets who builds a forwarding server of aiortc's parts, in two ways."""

from typing import Any

import aioice.ice
from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaRelay
from aiortc.rtp import RtpPacket

from .processes import Event, Handler

CONFIGURATION = RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)


async def objects(emit: Event) -> Handler:
    """Forwarding with aiortc's own objects and without decoding: parse, rewrite, serialise, send.

    The cheapest that can be had of it: no resending, no reports, no key frame requests. One publisher.
    """
    # It leaves loopback out otherwise.
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
    connections: dict[str, RTCPeerConnection] = {}
    targets: list[tuple[Any, int, int]] = []
    sent = 0

    async def forward(data: bytes, arrival_time_ms: int) -> None:
        nonlocal sent
        extensions = connections["publisher"].getReceivers()[0].transport._rtp_header_extensions_map
        packet = RtpPacket.parse(data, extensions)
        for transport, packet.ssrc, packet.payload_type in targets:
            await transport._send_rtp(packet.serialize(transport._rtp_header_extensions_map))
            sent += 1

    async def handle(request: dict[str, Any]) -> dict[str, Any]:
        op, peer = request["op"], request.get("peer", "")
        if op == "publish":
            connection = connections["publisher"] = RTCPeerConnection(CONFIGURATION)
            await connection.setRemoteDescription(RTCSessionDescription(request["sdp"], "offer"))
            await connection.setLocalDescription(await connection.createAnswer())
            transport: Any = connection.getReceivers()[0].transport
            transport._handle_rtp_data = forward
            return {"sdp": connection.localDescription.sdp}
        if op == "subscribe":
            connection = connections[peer] = RTCPeerConnection(CONFIGURATION)
            connection.addTransceiver("video", direction="sendonly")
            await connection.setLocalDescription(await connection.createOffer())
            return {"sdp": connection.localDescription.sdp}
        if op == "answer":
            connection = connections[peer]

            def connected() -> None:
                if connection.connectionState == "connected":
                    transceiver = connection.getTransceivers()[0]
                    kind = transceiver._codecs[0].payloadType or 0
                    targets.append((transceiver.sender.transport, transceiver.sender._ssrc, kind))

            connection.on("connectionstatechange", connected)
            await connection.setRemoteDescription(RTCSessionDescription(request["sdp"], "answer"))
            return {}
        if op == "close":
            await close(connections)
        return {"sent": sent}

    return handle


async def close(connections: dict[str, RTCPeerConnection]) -> None:
    targets = list(connections.values())
    connections.clear()
    for connection in targets:
        await connection.close()


async def relay(emit: Event) -> Handler:
    """A forwarding server as aiortc's examples build it: decode once, MediaRelay, encode for each."""
    fan = MediaRelay()
    sources: list[Any] = []
    connections: dict[str, RTCPeerConnection] = {}

    async def handle(request: dict[str, Any]) -> dict[str, Any]:
        op, peer = request["op"], request.get("peer", "")
        if op == "publish":
            connection = connections[peer] = RTCPeerConnection(CONFIGURATION)
            connection.on("track", sources.append)
            await connection.setRemoteDescription(RTCSessionDescription(request["sdp"], "offer"))
            await connection.setLocalDescription(await connection.createAnswer())
            return {"sdp": connection.localDescription.sdp}
        if op == "subscribe":
            connection = connections[peer] = RTCPeerConnection(CONFIGURATION)
            connection.addTransceiver(fan.subscribe(sources[0]), direction="sendonly")
            await connection.setLocalDescription(await connection.createOffer())
            return {"sdp": connection.localDescription.sdp}
        if op == "answer":
            await connections[peer].setRemoteDescription(RTCSessionDescription(request["sdp"], "answer"))
            return {}
        if op == "close":
            await close(connections)
        sent = 0
        for connection in connections.values():
            for stats in (await connection.getStats()).values():
                if stats.type == "outbound-rtp":
                    sent += stats.packetsSent
        return {"sent": sent}

    return handle
