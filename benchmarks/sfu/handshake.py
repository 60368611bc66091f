"""How long ICE and DTLS take until media may flow, when one flight of the DTLS handshake is lost."""

import asyncio
import statistics
import time

from media_gateway.sfu.client import MediaClient
from media_gateway.sfu.gateway import Gateway, GatewayConfig
from media_gateway.sfu.identity import Identity

FLIGHTS = {"none": 0, "client_hello": 1, "server_hello": 2, "client_finished": 3, "server_finished": 4}
"""name -> place in the handshake; odd ones are the client's"""
TOGETHER = 0.015
"""Seconds within which datagrams in one direction are one flight."""


class OneFlight:
    """Loses the first transmission of one flight, whole."""

    def __init__(self, lost: int) -> None:
        self.lost = lost
        self.flight = 0
        self.outward: bool | None = None
        self.since: float | None = None
        self.dropped = 0

    def __call__(self, datagram: bytes, outward: bool) -> bool:
        if not 20 <= datagram[0] < 64:
            return False
        now = time.monotonic()
        if outward is not self.outward:
            self.outward = outward
            self.flight += 1
        if self.dropped and (self.since is None or now - self.since > TOGETHER):
            return False
        if self.flight != self.lost:
            if self.dropped:
                self.since = None
            return False
        self.since = now if self.since is None else self.since
        self.dropped += 1
        return True


async def connect(gateway: Gateway, name: str, identity: Identity, lost: int) -> float:
    """Milliseconds from the first datagram to the client's keys. RuntimeError when nothing was lost."""
    client, flight = MediaClient(identity), OneFlight(lost)
    client.drop = lambda datagram: flight(datagram, False)
    client.drop_sent = lambda datagram: flight(datagram, True)
    add = {"generation": 1, "name": name, "publish": []}
    reply = await gateway.handle("peer.add", "room", name, add)
    started = time.monotonic()
    client.answer(reply["subscribe"]["sdp"])
    await asyncio.wait_for(client.connected.wait(), 30)
    took = 1000 * (time.monotonic() - started)
    client.close()
    await gateway.handle("peer.remove", "room", name, {})
    if lost and not flight.dropped:
        raise RuntimeError(f"flight {lost} never came")
    return took


async def lost_flights(rounds: int) -> dict[str, float]:
    """flight lost -> median milliseconds until connected."""
    gateway = Gateway(GatewayConfig(host="127.0.0.1"), lambda event: None)
    await gateway.start()
    identity = Identity()
    taken: dict[str, list[float]] = {name: [] for name in FLIGHTS}
    for number in range(rounds):
        for name, lost in FLIGHTS.items():
            taken[name].append(await connect(gateway, f"{name}-{number}", identity, lost))
    await gateway.stop()
    return {name: round(statistics.median(times), 1) for name, times in taken.items()}
