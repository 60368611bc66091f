"""What a page of any browser hears of a track, as samples: recorded there, decoded here."""

from __future__ import annotations

import base64
import io

import av
import numpy as np

from tests.e2e.room import Evaluates

RATE = 48_000

_RECORD = """
async (seconds) => {
  const track = TRACK;
  if (!track) return null;
  const recorder = new MediaRecorder(new MediaStream([track]));
  const parts = [];
  recorder.ondataavailable = ({ data }) => parts.push(data);
  const stopped = new Promise((resolve) => { recorder.onstop = resolve; });
  recorder.start();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  recorder.stop();
  await stopped;
  const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(text);
}
"""


def record(page: Evaluates, track: str, *, seconds: float = 2.0) -> tuple[np.ndarray, int] | None:
    """Samples (mono float) and their rate; None while the JavaScript expression `track` gives none."""
    recorded = page.evaluate(_RECORD.replace("TRACK", track), seconds)
    if not recorded:
        return None
    with av.open(io.BytesIO(base64.b64decode(recorded))) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        parts = [
            out.to_ndarray().ravel()
            for frame in container.decode(audio=0)
            for out in resampler.resample(frame)
        ]
    return np.concatenate(parts), RATE
