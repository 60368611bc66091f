"""From the click on “Join now” to the first decoded frame of somebody else, in real Chromium on the whole
real portal, the room page and its server round trips included.

    python -m benchmarks.bench_join [--rounds 30]

A host with a moving camera is in the room; a guest joins `rounds` times, each time from a freshly loaded
page. Prints p50 and p95 of the whole and of each stage on the way, all counted from the click, and writes
benchmarks/results/join.json.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from benchmarks.join_stages import READ, SCRIPT, STAGES
from tests.e2e.codes import BLUE, RED, Person, write_camera, write_microphone
from tests.e2e.conftest import FLAGS
from tests.e2e.party import HOST, book_now
from tests.e2e.party import join as join_room
from tests.e2e.people import add_people, sign_in
from tests.services.browser import chromium_path
from tests.services.stack import portal_stack

RESULT = Path(__file__).parent / "results" / "join.json"


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least `share` of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, math.ceil(share * len(ordered)) - 1))]


def measure(rounds: int) -> list[dict[str, float]]:
    """Milliseconds from the click to each stage, a round each; `first_frame` is always there."""
    with tempfile.TemporaryDirectory() as folder, portal_stack() as stack, sync_playwright() as driver:

        def start(person: Person) -> Browser:
            camera = write_camera(Path(folder) / f"{person.number}.y4m", person)
            microphone = write_microphone(Path(folder) / f"{person.number}.wav", person)
            devices = (
                f"--use-file-for-fake-video-capture={camera}",
                f"--use-file-for-fake-audio-capture={microphone}",
            )
            return driver.chromium.launch(executable_path=chromium_path(), args=[*FLAGS, *devices])

        add_people(stack, (HOST, "Lin Mei", "staff"))
        url = stack.url + book_now(stack).path
        host = start(RED).new_context(permissions=["camera", "microphone"]).new_page()
        sign_in(host, stack, HOST)
        join_room(host, url)
        context = start(BLUE).new_context(permissions=["camera", "microphone"])
        context.add_init_script(SCRIPT)
        times: list[dict[str, float]] = []
        for number in range(rounds):
            page = context.new_page()
            join_room(page, url, f"Guest {number}")
            page.wait_for_function(READ, timeout=30_000)
            times.append(page.evaluate(READ))
            page.locator("#ctl-leave").click()
            page.wait_for_url("**/left/")
            page.close()
        return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    rounds = measure(parser.parse_args().rounds)
    stages = {}
    for stage in STAGES:
        times = [reached[stage] for reached in rounds if stage in reached]
        if times:
            stages[stage] = {"p50": round(statistics.median(times)), "p95": round(percentile(times, 0.95))}
    whole = [reached["first_frame"] for reached in rounds]
    figures = stages["first_frame"] | {"min": round(min(whole)), "max": round(max(whole))}
    result = {"rounds": len(rounds), "click_to_first_frame_ms": figures, "stages_ms": stages}
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(f"join, {len(rounds)} rounds, ms from the click  {'p50':>5} {'p95':>5}")
    for stage, told in stages.items():
        print(f"  {stage.replace('_', ' '):<36} {told['p50']:>5} {told['p95']:>5}")


if __name__ == "__main__":
    main()
