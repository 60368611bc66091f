"""What a GStreamer client of WHIP and one of WHEP have in common. Runs in the system's Python."""

import signal
import urllib.parse
import urllib.request

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402


class Peer:
    """A `webrtcbin` in a pipeline. `run` offers it to the address and returns after SIGINT and a DELETE."""

    def __init__(self, url: str, token: str, pipeline: Gst.Pipeline, webrtc: Gst.Element) -> None:
        self.url, self.headers = url, {"Authorization": f"Bearer {token}"}
        self.location = ""
        self.pipeline, self.webrtc = pipeline, webrtc
        self.loop = GLib.MainLoop()
        bus = pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", self.failed)

    def failed(self, _bus: object, message: Gst.Message) -> None:
        print("error", message.parse_error(), flush=True)
        self.loop.quit()

    def told(self, what: str, status: int) -> None:
        """The server's answer to the offer ("answered") or the DELETE ("deleted")."""

    def offer(self, *_args: object) -> None:
        self.webrtc.emit("create-offer", None, Gst.Promise.new_with_change_func(self.offered, None))

    def offered(self, promise: Gst.Promise, _data: object) -> None:
        promise.wait()
        reply = promise.get_reply()  # owns the offer
        offer = reply.get_value("offer")
        self.webrtc.emit("set-local-description", offer, Gst.Promise.new())
        body = offer.sdp.as_text().encode()
        headers = {**self.headers, "Content-Type": "application/sdp"}
        with urllib.request.urlopen(urllib.request.Request(self.url, body, headers)) as response:
            answer = response.read()
            self.location = urllib.parse.urljoin(self.url, response.headers["Location"])
            self.told("answered", response.status)
        _result, sdp = GstSdp.SDPMessage.new_from_text(answer.decode())
        description = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, sdp)
        self.webrtc.emit("set-remote-description", description, Gst.Promise.new())

    def run(self) -> None:
        GLib.unix_signal_add(GLib.PRIORITY_HIGH, signal.SIGINT, self.loop.quit)
        self.pipeline.set_state(Gst.State.PLAYING)
        self.begin()
        self.loop.run()
        if self.location:
            request = urllib.request.Request(self.location, headers=self.headers, method="DELETE")
            with urllib.request.urlopen(request) as response:
                self.told("deleted", response.status)
        self.pipeline.set_state(Gst.State.NULL)

    def begin(self) -> None:
        """Once the pipeline plays."""
