"""A WHIP client made of GStreamer's webrtcbin: a green picture, a 700 Hz tone. Runs in the system's Python.

    /usr/bin/python3 gst_whip.py URL TOKEN

Ends by SIGINT, with a DELETE. Prints "published" and "deleted" with the statuses.
"""

import signal
import sys
import urllib.parse
import urllib.request

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

PIPELINE = """
webrtcbin name=out bundle-policy=max-bundle
videotestsrc is-live=true pattern=green ! video/x-raw,width=320,height=240,framerate=15/1 ! videoconvert
  ! queue ! vp8enc deadline=1 keyframe-max-dist=60 ! rtpvp8pay pt=96 picture-id-mode=2 ! queue
  ! application/x-rtp,media=video,encoding-name=VP8,payload=96 ! out.
audiotestsrc is-live=true freq=700 ! audioconvert ! audioresample ! queue ! opusenc ! rtpopuspay pt=111
  ! queue  ! application/x-rtp,media=audio,encoding-name=OPUS,payload=111 ! out.
"""


class Client:
    def __init__(self, url: str, token: str) -> None:
        self.url, self.headers = url, {"Authorization": f"Bearer {token}"}
        self.location = ""
        self.loop = GLib.MainLoop()
        self.pipeline = Gst.parse_launch(PIPELINE)
        self.webrtc = self.pipeline.get_by_name("out")
        for transceiver in range(2):
            found = self.webrtc.emit("get-transceiver", transceiver)
            found.set_property("direction", GstWebRTC.WebRTCRTPTransceiverDirection.SENDONLY)
        self.webrtc.connect("on-negotiation-needed", self.offer)
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", self.failed)

    def failed(self, _bus: object, message: Gst.Message) -> None:
        print("error", message.parse_error(), flush=True)
        self.loop.quit()

    def offer(self, webrtc: Gst.Element) -> None:
        webrtc.emit("create-offer", None, Gst.Promise.new_with_change_func(self.offered, None))

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
            print("published", response.status, flush=True)
        _result, sdp = GstSdp.SDPMessage.new_from_text(answer.decode())
        description = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, sdp)
        self.webrtc.emit("set-remote-description", description, Gst.Promise.new())

    def run(self) -> None:
        GLib.unix_signal_add(GLib.PRIORITY_HIGH, signal.SIGINT, self.loop.quit)
        self.pipeline.set_state(Gst.State.PLAYING)
        self.loop.run()
        if self.location:
            request = urllib.request.Request(self.location, headers=self.headers, method="DELETE")
            with urllib.request.urlopen(request) as response:
                print("deleted", response.status, flush=True)
        self.pipeline.set_state(Gst.State.NULL)


if __name__ == "__main__":
    Gst.init(None)
    Client(sys.argv[1], sys.argv[2]).run()
