"""Real Chromium whose ICE is restarted from the server's side, and whose handshake loses a flight."""

import time

import pytest

from media_gateway.sfu.dtls import DtlsAssociation
from tests.media_gateway.sfu.test_chromium import RED, Building, building, canvas

__all__ = ["building"]

pytestmark = [pytest.mark.browser, pytest.mark.slow]


async def test_the_server_restarts_ice_of_a_receiving_browser(building: Building) -> None:
    ann, bob = await building.enter("ann"), await building.enter("bob")
    await ann.run(f"publish({{camera: {canvas(RED)}}})")
    await bob.sees("ann camera", RED)
    ufrag = "/a=ice-ufrag:(\\S+)/.exec(state.pc.subscribe.currentRemoteDescription.sdp)[1]"
    before = await bob.run(ufrag)
    await building.harness.call("peer.restart", "bob", generation=1)
    await bob.until(ufrag, lambda now: now != before)
    await bob.until("state.pc.subscribe.signalingState", lambda state: state == "stable")
    frames = (await bob.run("look('ann camera')"))["frames"]
    await bob.until("look('ann camera')", lambda look: look["frames"] > frames + 30)
    assert await bob.run("state.pc.subscribe.connectionState") == "connected"
    await bob.sees("ann camera", RED)


class LostFlight:
    """Loses one flight of a browser's handshake: every datagram of it within 20 ms.

    `direction` "up" or "down", `place` 0 or 1: the first or second flight that way.
    """

    def __init__(self, direction: str, place: int) -> None:
        self.direction, self.place = direction, place
        self.flights: list[str] = []
        self.until = 0.0
        self.lost = 0
        self.began = self.done = 0.0

    def loses(self, direction: str) -> bool:
        now = time.monotonic()
        self.began = self.began or now
        if not self.flights or self.flights[-1] != direction:
            self.flights.append(direction)
        mine = direction == self.direction and self.flights.count(direction) == self.place + 1
        if mine and not self.lost:
            self.until = now + 0.02
        if mine and now <= self.until:
            self.lost += 1
            return True
        return False


@pytest.mark.parametrize(("direction", "place"), [("up", 0), ("down", 0), ("up", 1), ("down", 1)])
async def test_a_lost_flight_of_a_browsers_handshake_is_soon_repeated(
    building: Building, monkeypatch: pytest.MonkeyPatch, direction: str, place: int
) -> None:
    losing = LostFlight(direction, place)
    feed, transmit, accept = DtlsAssociation.feed, DtlsAssociation._transmit, DtlsAssociation._accept

    def lossy_feed(self: DtlsAssociation, datagram: bytes) -> None:
        if not losing.loses("up"):
            feed(self, datagram)

    def lossy_transmit(self: DtlsAssociation) -> None:
        if losing.loses("down"):
            self._last_sent = time.monotonic()
        else:
            transmit(self)

    def timed_accept(self: DtlsAssociation) -> None:
        accept(self)
        if self.connected:
            losing.done = losing.done or time.monotonic()

    monkeypatch.setattr(DtlsAssociation, "feed", lossy_feed)
    monkeypatch.setattr(DtlsAssociation, "_transmit", lossy_transmit)
    monkeypatch.setattr(DtlsAssociation, "_accept", timed_accept)
    ann = await building.enter("ann")
    took = 1000 * (losing.done - losing.began)
    browser = await ann.run("state.connectedAfter")
    print(f"Chromium, flight {direction} {place} lost: keys after {took:.0f} ms, connected {browser:.0f} ms")
    assert losing.lost, "something was lost"
    assert took < 900, "OpenSSL's own timer would take a second"
