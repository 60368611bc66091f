"""Real Chromium whose ICE is restarted from the server's side."""

import pytest

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
