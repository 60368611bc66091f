"""Programs that send by WHIP and play by WHEP, for tests: a browser's own connection, GStreamer."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from playwright.sync_api import Page

from tests.e2e.party import Booked
from tests.services.stack import PortalStack

SYSTEM_PYTHON = "/usr/bin/python3"
"""GStreamer's bindings belong to it; `make setup-test` installs them."""

# What an encoder in a page does: one offer by POST, an ICE restart by PATCH, DELETE. Only HTTP, no WebSocket.
_PUBLISH = """
async ([url, token]) => {
  const stream = await navigator.mediaDevices.getUserMedia({ video: true, audio: true });
  const pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  for (const track of stream.getTracks()) {
    const made = pc.addTransceiver(track, { direction: "sendonly", streams: [stream] });
    const codecs = RTCRtpSender.getCapabilities("video").codecs.filter((c) => /VP8|rtx/.test(c.mimeType));
    if (track.kind === "video") made.setCodecPreferences(codecs);
  }
  await pc.setLocalDescription(await pc.createOffer());
  const headers = { "Content-Type": "application/sdp", Authorization: `Bearer ${token}` };
  const response = await fetch(url, { method: "POST", headers, body: pc.localDescription.sdp });
  const answer = await response.text();
  if (response.status !== 201) return { status: response.status, answer };
  await pc.setRemoteDescription({ type: "answer", sdp: answer });
  const [location, etag] = [response.headers.get("Location"), response.headers.get("ETag")];
  window.whip = { pc, token, location, etag, answer };
  return { status: 201, location, etag };
}
"""

_RESTART = """
async () => {
  const { pc, token, location, answer } = window.whip;
  pc.restartIce();
  const offer = await pc.createOffer();
  await pc.setLocalDescription(offer);
  const gathered = () => pc.iceGatheringState === "complete";
  while (!gathered()) await new Promise((resolve) => setTimeout(resolve, 20));
  const kept = /^a=(group|mid|ice-ufrag|ice-pwd|ice-options|candidate|end-of-candidates)/;
  const lines = pc.localDescription.sdp.split("\\r\\n");
  const first = lines.findIndex((line) => line.startsWith("m="));
  const second = lines.findIndex((line, at) => at > first && line.startsWith("m="));
  const body = [...lines.slice(0, first).filter((line) => /^a=(group|ice-options)/.test(line)), lines[first],
    ...lines.slice(first + 1, second).filter((line) => kept.test(line)), ""].join("\\r\\n");
  const headers = {
    "Content-Type": "application/trickle-ice-sdpfrag", Authorization: `Bearer ${token}`, "If-Match": "*",
  };
  const response = await fetch(location, { method: "PATCH", headers, body });
  const fragment = await response.text();
  if (response.status !== 200) return { status: response.status, fragment };
  const value = (name) => fragment.match(new RegExp(`a=${name}:(.*)`))[1].trim();
  const candidates = fragment.match(/^a=candidate:.*$/gm).map((line) => line.trim());
  // The answer as before, with the new credentials and candidates (RFC 9725 section 4.3.3).
  let sdp = answer.replace(/a=ice-ufrag:.*/g, `a=ice-ufrag:${value("ice-ufrag")}`);
  sdp = sdp.replace(/a=ice-pwd:.*/g, `a=ice-pwd:${value("ice-pwd")}`);
  const ending = "a=end-of-candidates";
  sdp = sdp.replace(/a=candidate:.*\\r\\n/g, "").replace(ending, [...candidates, ending].join("\\r\\n"));
  await pc.setRemoteDescription({ type: "answer", sdp });
  return { status: 200, etag: response.headers.get("ETag") };
}
"""

_DELETE = """
async () => {
  const { token, location } = window.whip;
  const response = await fetch(location, { method: "DELETE", headers: { Authorization: `Bearer ${token}` } });
  return response.status;
}
"""

_PAIR = """
async () => {
  const stats = [...(await window.whip.pc.getStats()).values()];
  const transport = stats.find(({ type }) => type === "transport");
  const { iceLocalUsernameFragment: ufrag, dtlsState: dtls } = transport;
  return { state: window.whip.pc.connectionState, ufrag, dtls };
}
"""


def make_token(
    stack: PortalStack, booked: Booked, *, direction: str = "publish", source: str = "camera"
) -> dict[str, str]:
    """A key of the meeting's organiser: `token`, `code`, and for players `link`."""
    code = f"""
import json
from meetings.permissions.actor import Actor
from meetings.scheduling.models import Meeting
from meetings.streams.keys import make_key
from meetings.streams.tokens import player_link
meeting = Meeting.objects.select_related("organizer").get(pk={booked.pk})
made = make_key(meeting, actor=Actor(user=meeting.organizer), name="Lecture hall", direction={direction!r},
                source={source!r}, lifetime="week")
link = player_link(made.key) if {direction!r} == "play" else ""
print(json.dumps(dict(token=made.token, code=meeting.code, link=link)))
"""
    told = json.loads(stack.manage("shell", "--no-imports", "-c", code).splitlines()[-1])
    assert isinstance(told, dict)
    return told


class PageEncoder:
    """A WHIP client in a page of the portal, with the browser's fake camera."""

    def __init__(self, page: Page, stack: PortalStack, key: dict[str, str]) -> None:
        self.page = page
        page.goto(stack.url + "/healthz")
        self.key = key

    def publish(self) -> dict[str, object]:
        return self.page.evaluate(_PUBLISH, [f"/whip/{self.key['code']}/", self.key["token"]])  # type: ignore[no-any-return]

    def restart(self) -> dict[str, object]:
        return self.page.evaluate(_RESTART)  # type: ignore[no-any-return]

    def delete(self) -> int:
        return int(self.page.evaluate(_DELETE))

    def transport(self) -> dict[str, str]:
        return self.page.evaluate(_PAIR)  # type: ignore[no-any-return]


@contextmanager
def _gstreamer(script: str, url: str, key: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [SYSTEM_PYTHON, str(Path(__file__).with_name(script)), url, key["token"]]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
                process.wait(10)


def gstreamer(
    stack: PortalStack, key: dict[str, str], log: Path
) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """GStreamer's webrtcbin sending a green picture and a 700 Hz tone."""
    return _gstreamer("gst_whip.py", f"{stack.url}/whip/{key['code']}", key, log)


def gstreamer_player(
    stack: PortalStack, key: dict[str, str], log: Path
) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """GStreamer's webrtcbin playing; `log` gets what it decodes (gst_whep.py)."""
    return _gstreamer("gst_whep.py", f"{stack.url}/whep/{key['code']}", key, log)
