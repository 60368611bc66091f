"""A person in Firefox: a camera that shows their picture code, a microphone that hears their pitch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict

from tests.e2e.codes import BAR_BOTTOM, BAR_LEFT, BAR_RIGHT, BAR_TOP, Person, pitch_of
from tests.e2e.room import wait_until
from tests.e2e.sound import record
from tests.services.firefox import FirefoxPage, firefox

# Firefox takes no camera from a file. Its own fake devices are opened, so everything around them is as it is
# for people; the camera's picture alone is replaced by one like that of `codes.picture`, large enough for
# three layers. `peers` are the connections the page made.
_CAMERA = """
() => {
  if (!navigator.mediaDevices) return;
  window.peers = [];
  const Connection = RTCPeerConnection;
  window.RTCPeerConnection = class extends Connection {
    constructor(...given) { super(...given); window.peers.push(this); }
  };
  const { person, bar } = CONFIG;
  const picture = (size, paint) => {
    const canvas = Object.assign(document.createElement("canvas"), size);
    const pen = canvas.getContext("2d");
    let step = 0;
    const draw = () => paint(pen, canvas, step++);
    draw();
    const timer = setInterval(draw, 66);
    const [track] = canvas.captureStream(15).getVideoTracks();
    const stop = track.stop.bind(track);
    track.stop = () => { clearInterval(timer); stop(); };
    return track;
  };
  const code = (pen, { width, height }, step) => {
    pen.fillStyle = `rgb(${person.colour})`;
    pen.fillRect(0, 0, width, height);
    const cell = (width * (bar.right - bar.left)) / 8;
    for (let bit = 0; bit < 8; bit++) {
      pen.fillStyle = (person.number >> (7 - bit)) & 1 ? "white" : "black";
      const left = width * bar.left + bit * cell;
      pen.fillRect(left, height * bar.top, cell + 1, height * (bar.bottom - bar.top));
    }
    pen.fillStyle = "rgb(240, 240, 90)";
    pen.fillRect((step * 34) % (width - 80), height * 0.72, 80, height * 0.08);
  };
  const devices = navigator.mediaDevices;
  const open = devices.getUserMedia.bind(devices);
  devices.getUserMedia = async (constraints) => {
    const stream = await open(constraints);
    for (const camera of stream.getVideoTracks()) {
      const track = picture({ width: 1280, height: 720 }, code);
      const stop = track.stop;
      track.stop = () => { camera.stop(); stop(); };
      stream.removeTrack(camera);
      stream.addTrack(track);
    }
    return stream;
  };
  devices.getDisplayMedia = async () => new MediaStream([picture({ width: 1280, height: 720 }, code)]);
}
"""


@contextmanager
def firefox_of(person: Person) -> Iterator[FirefoxPage]:
    """The tab of a new Firefox whose devices, and whose screen, are the person's."""
    with firefox(media__navigator__audio__fake_frequency=person.pitch) as browser:
        bar = {"top": BAR_TOP, "bottom": BAR_BOTTOM, "left": BAR_LEFT, "right": BAR_RIGHT}
        config = json.dumps({"person": asdict(person), "bar": bar})
        browser.page.add_init_script(_CAMERA.replace("CONFIG", config))
        yield browser.page


def wait_room(page: FirefoxPage, phase: str, *, seconds: float = 20) -> None:
    """As `room.wait_phase`."""
    page.wait_for(
        "(phase) => document.documentElement.dataset.roomState === phase", phase, seconds=seconds, what=phase
    )


def participant_in(page: FirefoxPage, name: str) -> str:
    """As `room.participant_id`."""
    return str(
        page.wait_for(
            "(name) => [...document.querySelectorAll('article.tile[data-source=camera]')]"
            ".find((tile) => tile.textContent.includes(name))?.dataset.participant",
            name,
            what=f"the tile of {name}",
        )
    )


def enter(page: FirefoxPage, url: str, name: str) -> None:
    """Through the pre-join page as a guest, camera and microphone on."""
    page.goto(url)
    wait_room(page, "prejoin")
    page.locate("#preview[data-state=video]")
    page.fill("#join-name", name)
    page.click("#join-button")
    wait_room(page, "in")


def hears_in(page: FirefoxPage, participant: str, person: Person, others: Iterable[Person]) -> None:
    """As `room.hears`. By a recorder, because Firefox starts no AudioContext where there is no sound card."""
    candidates = (person.pitch, *(other.pitch for other in others))
    selector = f'audio[data-participant="{participant}"][data-source="mic"]'
    track = f"[document.querySelector('{selector}')].find((it) => !it?.paused)?.srcObject?.getTracks()[0]"

    def heard() -> bool:
        recorded = record(page, track)
        if recorded is None:
            return False
        strength = pitch_of(*recorded, candidates)
        own = strength.pop(person.pitch)
        return own > 30 and all(own > other + 12 for other in strength.values())

    wait_until(heard, f"{participant} sounds at {person.pitch} Hz, and not at {candidates[1:]}")
