"""Silence is named within five seconds, with the hop where media stopped, and healed step by step."""

import itertools
from typing import Any

import pytest

from media_gateway.sfu.diagnosis import LADDER, Diagnosis, Reports
from media_gateway.sfu.downtrack import DownTrack

from .support import Harness, Sender, until
from .wire import OPUS, VP8, World


class Case:
    """One source, one subscriber, both browsers' reports, and a clock."""

    def __init__(self, codec: Any = VP8, name: str = "camera") -> None:
        self.world = World(codec, name)
        self.world.source.exposed = True
        self.down = self.world.subscriber()
        self.audio = codec is OPUS
        if not self.audio:
            self.down.aim(self.world.source.layer(""))
            self.world.frame(key=True)
        self.told: list[tuple[float, str, str, str, bool]] = []
        self.healed: list[str] = []
        self.unable: set[str] = set()
        self.diagnosis = Diagnosis(self._tell, self._heal)
        self.publisher, self.subscriber = Reports(), Reports()
        self.sent = self.received = self.played = 0
        self.started = self.world.now

    def _tell(self, source: object, down: DownTrack | None, trouble: Any, state: str) -> None:
        self.told.append(
            (self.world.now - self.started, trouble.hop, trouble.action, state, down is not None)
        )

    def _heal(self, source: object, down: DownTrack | None, step: str) -> bool:
        self.healed.append(step)
        return step not in self.unable

    def run(
        self,
        seconds: int,
        *,
        sends: bool = True,
        comes: bool = True,
        goes: bool = True,
        arrives: bool = True,
        plays: bool = True,
        reports: bool = True,
    ) -> None:
        world = self.world
        for second in range(seconds):
            for _ in range(10):
                if sends:
                    self.sent += 1
                if sends and comes:
                    if not goes:
                        layer = self.down.layer or world.source.layer("")
                        self.down.leave()
                        layer.waiting = []
                    if self.audio:
                        world.voice()
                    else:
                        if goes and self.down.layer is None:
                            self.down.aim(world.source.layer(""))
                        world.frame(key=self.down.layer is None)
                world.pass_time(0.1)
            got = len(world.got(self.down))
            self.received += 10 if arrives and got else 0
            self.played += 10 if plays and arrives and not self.audio else 0
            if reports and second % 2 == 1:
                self._report()
            self.diagnosis.begin()
            self.diagnosis.look_up(world.source, self.publisher, world.now)
            self.diagnosis.look_down(self.down, 1, self.subscriber, True, world.now)
            self.diagnosis.end()

    def _report(self) -> None:
        self.publisher.take([{"source": self.world.source.name, "packets": self.sent}], [], self.world.now)
        stat = {"peer": "ann", "source": self.world.source.name, "packets": self.received}
        self.subscriber.take([], [stat | {"frames": self.played}], self.world.now)

    def hops(self) -> set[tuple[str, bool]]:
        return {(hop, down) for _, hop, _, state, down in self.told if state == "silent"}


@pytest.mark.parametrize("reports", [True, False])
@pytest.mark.parametrize(("codec", "name"), [(VP8, "camera"), (OPUS, "mic")])
def test_what_flows_is_left_alone(codec: Any, name: str, reports: bool) -> None:
    case = Case(codec, name)
    case.run(20, reports=reports)
    assert case.told == [] and case.healed == []


CASES = [
    pytest.param({"sends": False}, ("device", False), id="the camera gives nothing"),
    pytest.param({"comes": False}, ("uplink", False), id="nothing of what is sent comes in"),
    pytest.param({"goes": False}, ("server", True), id="nothing goes out"),
    pytest.param({"arrives": False}, ("downlink", True), id="nothing arrives"),
    pytest.param({"plays": False}, ("player", True), id="nothing is played"),
]


@pytest.mark.parametrize(("fault", "expected"), CASES)
def test_the_silent_hop_is_named_within_five_seconds_and_its_healing_told(
    fault: dict[str, bool], expected: tuple[str, bool]
) -> None:
    case = Case()
    case.run(10)
    case.run(5, **fault)
    assert case.hops() == {expected}, case.told
    assert case.told[0][0] <= 15.01
    case.run(4)
    assert case.told[-1][3] == "healed"
    before = len(case.told)
    case.run(10)
    assert len(case.told) == before


def test_sound_that_stops_on_the_way_down_is_found_too() -> None:
    case = Case(OPUS, "mic")
    case.unable = {"keyframe"}
    case.run(10)
    case.run(5, arrives=False)
    assert case.hops() == {("downlink", True)}
    assert case.told[0][2] == "resubscribe", "there are no key frames of sound"


def test_the_ladder_is_climbed_step_by_step_and_ends() -> None:
    case = Case()
    case.run(10)
    case.run(40, arrives=False)
    actions = [action for _, _, action, state, _ in case.told if state == "silent"]
    assert actions == list(LADDER) == case.healed
    times = [at for at, *_ in case.told]
    assert all(after - before >= 3 for before, after in itertools.pairwise(times))


def test_a_pause_is_no_trouble() -> None:
    case = Case()
    case.run(10)
    case.world.source.set_blocked(paused=True)
    case.run(10)
    case.world.source.set_blocked(paused=False)
    case.run(2)
    assert case.told == []


def test_a_still_screen_is_no_trouble_but_a_broken_uplink_is() -> None:
    case = Case(VP8, "screen")
    case.run(10)
    case.run(20, sends=False)
    assert case.told == []
    case.run(6, comes=False)
    assert case.hops() == {("uplink", False)}


async def test_both_sides_are_told_and_the_report_is_checked() -> None:
    async with Harness() as harness:
        bob, ann = await harness.join("bob"), await harness.join("ann")
        sender = Sender(await ann.publish("camera"), ann.publisher.tracks[0])  # type: ignore[union-attr]
        await until(lambda: sender.frame(True, 1) in bob.got("ann camera"))
        # The camera is on and nothing comes: told to its owner, whose browser says it sends.
        await ann.call(
            "peer.report",
            generation=1,
            publish=[
                dict.fromkeys(("packets", "bytes", "frames", "width", "height"), 5) | {"source": "camera"}
            ],
            subscribe=[],
        )
        event = (await until(lambda: harness.named("trouble", "ann"), 8))[0]
        assert event["data"]["peer"] == "ann" and event["data"]["source"] == "camera"
        assert event["data"]["hop"] in ("uplink", "device") and event["data"]["state"] == "silent"
        stats = await harness.call("room.stats")
        assert stats["troubles"] and stats["quality"]["ann"] >= 1
        for bad in ({"publish": 5}, {"publish": [{"source": "x"}]}, {"subscribe": [{"source": "mic"}]}):
            with pytest.raises(Exception, match="bad_request"):
                await ann.call("peer.report", **({"generation": 1, "publish": [], "subscribe": []} | bad))
