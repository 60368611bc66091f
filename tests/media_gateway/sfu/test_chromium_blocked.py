"""Real Chromium in networks that let no UDP out, or whose addresses change in the middle of a call."""

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from playwright.async_api import async_playwright

from meetings.live.media import ice_servers
from tests.e2e.conftest import FLAGS
from tests.media_gateway.sfu.support import Harness, until
from tests.media_gateway.sfu.test_chromium import BLUE, RED, Building, Tab, canvas
from tests.services import coturn as turn
from tests.services import netns
from tests.services.browser import chromium_path
from tests.services.certificate import make_certificate

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(netns.why_not() is not None, reason=str(netns.why_not())),
]

Opener = Callable[..., AbstractAsyncContextManager[Building]]


@pytest.fixture(scope="module")
def network() -> Iterator[netns.Namespace]:
    with netns.namespace() as made:
        made.block_udp()
        yield made


@pytest.fixture
def blocked(network: netns.Namespace, tmp_path: Path) -> Opener:
    """A browser inside, the gateway outside. `config` is what tabs give to RTCPeerConnection."""

    @asynccontextmanager
    async def open_building(
        *, tcp: bool, config: dict[str, Any] | None = None, args: tuple[str, ...] = ()
    ) -> AsyncIterator[Building]:
        program = network.wrapper(tmp_path, chromium_path())
        async with async_playwright() as driver:
            browser = await driver.chromium.launch(executable_path=program, args=[*FLAGS, *args])
            async with Harness(host="0.0.0.0", advertised_ips=[network.outside], tcp=tcp) as harness:
                made = Building(harness, browser)
                made.config = config or {}
                yield made
                for tab in list(made.tabs):
                    await tab.close()
                assert made.errors == []
            await browser.close()

    return open_building


async def talk(building: Building) -> tuple[Tab, Tab]:
    """Two who see and hear each other, in both directions, with what they see and hear checked."""
    ann, bob = await building.enter("ann"), await building.enter("bob")
    await ann.run(f"publish({{mic: toneStream(440), camera: {canvas(RED, 1280, 720, moving=True)}}})")
    await bob.run(f"publish({{mic: toneStream(880), camera: {canvas(BLUE)}}})")
    look = await bob.sees("ann camera", RED)
    await ann.sees("bob camera", BLUE)
    await bob.until("look('ann camera')", lambda now: now["frames"] > look["frames"] + 60)
    assert (await bob.run("pitch('ann mic')"))["frequency"] == pytest.approx(440, abs=10)
    assert (await ann.run("pitch('bob mic')"))["frequency"] == pytest.approx(880, abs=10)
    return ann, bob


async def selected_pair(tab: Tab, connection: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The local and the remote candidate that media takes."""
    stats = {entry["id"]: entry for entry in await tab.run(f"stats('{connection}')")}
    transport = next(entry for entry in stats.values() if entry["type"] == "transport")
    pair = stats[transport["selectedCandidatePairId"]]
    return stats[pair["localCandidateId"]], stats[pair["remoteCandidateId"]]


async def test_a_call_goes_on_when_all_addresses_change(tmp_path: Path) -> None:
    """A NAT forgets everything in the middle of the call: no signalling, no check in time, only media."""
    with netns.namespace() as network:
        program = network.wrapper(tmp_path, chromium_path())
        async with async_playwright() as driver:
            browser = await driver.chromium.launch(executable_path=program, args=list(FLAGS))
            async with Harness(host="0.0.0.0", advertised_ips=[network.outside], tcp=False) as harness:
                building = Building(harness, browser)
                ann, bob = await talk(building)
                await bob.run(WATCH)
                paths = {t: t.address for t in set(harness.gateway._started.by_address.values())}
                assert len(paths) == 4
                network.rebind()
                changed = time.monotonic()
                took = await until(
                    lambda: (
                        all(t.address != path for t, path in paths.items()) and time.monotonic() - changed
                    ),
                    15,
                )
                assert harness.gateway._started.strangers.moved > 0
                frames = (await bob.run("look('ann camera')"))["frames"]
                await bob.until("look('ann camera')", lambda now: now["frames"] > frames + 60)
                gap = await bob.run("state.longestGap")
                print(f"all four paths moved after {1000 * took:.0f} ms; no picture for {gap:.0f} ms at most")
                assert gap < 5000
                assert {t.state for t in paths} == {"connected"}
                await bob.sees("ann camera", RED)
                await ann.sees("bob camera", BLUE)
                for tab in (ann, bob):
                    await tab.close()
                assert building.errors == []
            await browser.close()


WATCH = """() => {
  const { element } = state.tracks['ann camera'];
  let last = performance.now();
  state.longestGap = 0;
  const next = () => {
    const now = performance.now();
    state.longestGap = Math.max(state.longestGap, now - last);
    last = now;
    element.requestVideoFrameCallback(next);
  };
  element.requestVideoFrameCallback(next);
}"""


async def test_a_call_over_ice_tcp(blocked: Opener, network: netns.Namespace) -> None:
    async with blocked(tcp=True) as building:
        for tab in await talk(building):
            for connection in ("publish", "subscribe"):
                local, remote = await selected_pair(tab, connection)
                assert (local["protocol"], remote["protocol"]) == ("tcp", "tcp")
                assert local["candidateType"] in ("host", "prflx")
        assert building.harness.gateway._started.socket.received == 0, "no UDP came through"


async def test_a_call_through_coturn_over_tcp(
    blocked: Opener, network: netns.Namespace, settings: Any
) -> None:
    """With the credentials the portal gives, the gateway itself being reached by UDP from the relay only."""
    if turn.program() is None:
        pytest.skip("coturn is not installed")
    with turn.coturn(network.outside) as server:
        settings.TURN_URLS, settings.TURN_SECRET = [f"{server.url}?transport=tcp"], server.secret
        servers = ice_servers(SimpleNamespace(public_id="ann"))  # type: ignore[arg-type]
        async with blocked(tcp=False, config={"iceServers": servers}) as building:
            for tab in await talk(building):
                for connection in ("publish", "subscribe"):
                    local, _ = await selected_pair(tab, connection)
                    assert (local["candidateType"], local["relayProtocol"]) == ("relay", "tcp")
        assert "realm <meet.example.org>" in server.log()


async def test_a_call_through_coturn_over_tls(
    blocked: Opener, network: netns.Namespace, settings: Any, tmp_path: Path
) -> None:
    """What is left in networks that let nothing out but TLS."""
    if turn.program() is None:
        pytest.skip("coturn is not installed")
    certificate = make_certificate(tmp_path, network.outside)
    with turn.coturn(network.outside, certificate) as server:
        settings.TURN_URLS, settings.TURN_SECRET = [f"{server.url}?transport=tcp"], server.secret
        servers = ice_servers(SimpleNamespace(public_id="ann"))  # type: ignore[arg-type]
        trusted = (f"--ignore-certificate-errors-spki-list={certificate.pin}",)
        async with blocked(tcp=False, config={"iceServers": servers}, args=trusted) as building:
            for tab in await talk(building):
                for connection in ("publish", "subscribe"):
                    local, _ = await selected_pair(tab, connection)
                    assert (local["candidateType"], local["relayProtocol"]) == ("relay", "tls")


async def test_coturn_refuses_credentials_that_ended_and_ones_of_another_secret(
    blocked: Opener, network: netns.Namespace, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if turn.program() is None:
        pytest.skip("coturn is not installed")
    with turn.coturn(network.outside) as server:
        settings.TURN_URLS, settings.TURN_SECRET = [f"{server.url}?transport=tcp"], "another secret"
        wrong = ice_servers(SimpleNamespace(public_id="ann"))  # type: ignore[arg-type]
        settings.TURN_SECRET = server.secret
        monkeypatch.setattr("meetings.live.media.TURN_SECONDS", -60)
        ended = ice_servers(SimpleNamespace(public_id="ann"))  # type: ignore[arg-type]
        monkeypatch.undo()
        good = ice_servers(SimpleNamespace(public_id="ann"))  # type: ignore[arg-type]
        async with blocked(tcp=False) as building:
            page = await (await building.browser.new_context()).new_page()
            found = {}
            for name, servers in (("wrong", wrong), ("ended", ended), ("good", good)):
                found[name] = await page.evaluate(GATHER, servers)
        assert found == {"wrong": [], "ended": [], "good": ["relay"]}


GATHER = """async (iceServers) => {
  const pc = new RTCPeerConnection({ iceServers, iceTransportPolicy: 'relay' });
  const kinds = [];
  const done = new Promise((resolve) => {
    pc.onicecandidate = ({ candidate }) => {
      if (!candidate || !candidate.candidate) resolve(); else kinds.push(candidate.type);
    };
  });
  pc.createDataChannel('x');
  await pc.setLocalDescription();
  await Promise.race([done, new Promise((resolve) => setTimeout(resolve, 8000))]);
  pc.close();
  return kinds;
}"""
