"""What a test sees and hears in the room page, as decoded by the browser."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import numpy as np
from playwright.sync_api import Page, expect

from tests.e2e.codes import Person, find_codes

_FRAME = """
(selector) => {
  const video = document.querySelector(selector);
  if (!video || video.readyState < 2 || !video.videoWidth) return null;
  const canvas = document.createElement("canvas");
  canvas.width = 320; canvas.height = Math.round(320 * video.videoHeight / video.videoWidth);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(video, 0, 0, canvas.width, canvas.height);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  let text = "";
  for (let i = 0; i < data.length; i += 8192) text += String.fromCharCode(...data.subarray(i, i + 8192));
  return { width: canvas.width, height: canvas.height, data: btoa(text) };
}
"""

_PITCHES = """
async ([participant, candidates, seconds]) => {
  const element = document.querySelector(`audio[data-participant="${participant}"][data-source="mic"]`);
  if (!element?.srcObject) return null;
  const context = new AudioContext();
  await context.resume();
  const analyser = context.createAnalyser();
  analyser.fftSize = 8192; analyser.smoothingTimeConstant = 0; analyser.minDecibels = -140;
  context.createMediaStreamSource(element.srcObject).connect(analyser);
  const bins = new Float32Array(analyser.frequencyBinCount);
  const step = context.sampleRate / analyser.fftSize;
  const best = candidates.map(() => -200);
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 60));
    analyser.getFloatFrequencyData(bins);
    candidates.forEach((hz, i) => {
      const at = Math.round(hz / step);
      best[i] = Math.max(best[i], ...bins.slice(at - 2, at + 3));
    });
  }
  await context.close();
  return best;
}
"""


class Evaluates(Protocol):
    """A page of whichever browser."""

    def evaluate(self, function: str, argument: Any) -> Any: ...


def phase(page: Page) -> str:
    """`prejoin`, `joining`, `lobby`, `in`, `ended`, …"""
    return page.locator("html").get_attribute("data-room-state") or ""


def wait_phase(page: Page, wanted: str, *, seconds: float = 20) -> None:
    expect(page.locator("html")).to_have_attribute("data-room-state", wanted, timeout=seconds * 1000)


def participant_id(page: Page, name: str) -> str:
    """The id of whom `page` shows under `name`."""
    tile = page.locator("article.tile[data-source=camera]", has_text=name).first
    tile.wait_for(state="attached")
    return str(tile.get_attribute("data-participant"))


def shown_by(page: Evaluates, selector: str) -> np.ndarray | None:
    """The decoded picture (h × w × 3) that a video element shows now, or None while there is none."""
    shot = page.evaluate(_FRAME, selector)
    if shot is None:
        return None
    rgba = np.frombuffer(base64.b64decode(shot["data"]), np.uint8).reshape(shot["height"], shot["width"], 4)
    return rgba[:, :, :3]


def frame_of(page: Evaluates, participant: str, source: str = "camera") -> np.ndarray | None:
    """The picture in somebody's tile."""
    tile = f'article.tile[data-participant="{participant}"][data-source="{source}"]'
    return shown_by(page, f"{tile} video")


def wait_until(condition: Callable[[], bool], what: str, *, seconds: float = 20, step: float = 0.2) -> float:
    """Seconds until `condition()` held; fails naming `what`."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, f"not within {seconds:g} s: {what}"
        time.sleep(step)
    return time.monotonic() - started


def sees(
    page: Evaluates, participant: str, person: Person, source: str = "camera", *, seconds: float = 25
) -> float:
    """Wait until `page` decodes the picture code of `person` in that tile; the seconds it took."""

    def seen() -> bool:
        frame = frame_of(page, participant, source)
        return frame is not None and person.number in find_codes(frame)

    return wait_until(seen, f"the picture {person.number} of {participant}", seconds=seconds)


def hears(page: Page, participant: str, person: Person, others: Iterable[Person]) -> None:
    """`page` hears `person`'s pitch from their microphone, and nobody else's there."""
    candidates = [person.pitch, *(other.pitch for other in others)]
    levels: list[float] = []
    for _ in range(5):
        levels = page.evaluate(_PITCHES, [participant, candidates, 2.5]) or []
        if levels and levels[0] > -60 and all(levels[0] > other + 12 for other in levels[1:]):
            return
    raise AssertionError(f"{participant} should sound at {person.pitch} Hz; dB at {candidates}: {levels}")
