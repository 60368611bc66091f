"""A WHEP client made of GStreamer's webrtcbin, with payload types of its own. Runs in the system's Python.

    /usr/bin/python3 gst_whep.py URL TOKEN

Prints what it decodes, a JSON object a line: `{"colour": [r, g, b]}`, `{"pitch": Hz}`. Ends by SIGINT, with a
DELETE.
"""

import itertools
import json
import signal
import sys
import urllib.parse
import urllib.request

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

LINES = (
    "application/x-rtp,media=audio,encoding-name=OPUS,payload=101,clock-rate=48000,encoding-params=(string)2",
    "application/x-rtp,media=video,encoding-name=VP8,payload=103,clock-rate=90000",
)
RATE = 48_000
DECODERS = {
    "video": "queue ! rtpvp8depay ! vp8dec ! videoconvert ! videoscale "
    "! video/x-raw,format=RGB,width=32,height=24 ! appsink name=out emit-signals=true sync=false",
    "audio": "queue ! rtpopusdepay ! opusdec ! audioconvert ! audioresample "
    f"! audio/x-raw,format=S16LE,channels=1,rate={RATE} ! appsink name=out emit-signals=true sync=false",
}


class Player:
    def __init__(self, url: str, token: str) -> None:
        self.url, self.headers = url, {"Authorization": f"Bearer {token}"}
        self.location = ""
        self.samples = b""
        self.loop = GLib.MainLoop()
        self.pipeline = Gst.Pipeline.new()
        self.webrtc = Gst.ElementFactory.make("webrtcbin")
        self.webrtc.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
        self.pipeline.add(self.webrtc)
        self.webrtc.connect("pad-added", self.arrived)
        for caps in LINES:
            direction = GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY
            self.webrtc.emit("add-transceiver", direction, Gst.Caps.from_string(caps))
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", self.failed)

    def failed(self, _bus: object, message: Gst.Message) -> None:
        print("error", message.parse_error(), flush=True)
        self.loop.quit()

    def arrived(self, _webrtc: Gst.Element, pad: Gst.Pad) -> None:
        if pad.get_direction() != Gst.PadDirection.SRC:
            return
        media = pad.get_current_caps().get_structure(0).get_string("media")
        decoder = Gst.parse_bin_from_description(DECODERS[media], True)
        decoder.get_by_name("out").connect("new-sample", self.saw if media == "video" else self.heard)
        self.pipeline.add(decoder)
        decoder.sync_state_with_parent()
        pad.link(decoder.get_static_pad("sink"))

    def saw(self, sink: Gst.Element) -> Gst.FlowReturn:
        buffer = sink.emit("pull-sample").get_buffer()
        pixels = buffer.extract_dup(0, buffer.get_size())
        print(json.dumps({"colour": [sum(pixels[at::3]) * 3 // len(pixels) for at in range(3)]}), flush=True)
        return Gst.FlowReturn.OK

    def heard(self, sink: Gst.Element) -> Gst.FlowReturn:
        buffer = sink.emit("pull-sample").get_buffer()
        self.samples += buffer.extract_dup(0, buffer.get_size())
        if len(self.samples) >= 2 * RATE:
            signs = [high < 128 for high in self.samples[1::2]]
            crossings = sum(a != b for a, b in itertools.pairwise(signs))
            print(json.dumps({"pitch": crossings * RATE / len(signs) / 2}), flush=True)
            self.samples = b""
        return Gst.FlowReturn.OK

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
        _result, sdp = GstSdp.SDPMessage.new_from_text(answer.decode())
        description = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, sdp)
        self.webrtc.emit("set-remote-description", description, Gst.Promise.new())

    def run(self) -> None:
        GLib.unix_signal_add(GLib.PRIORITY_HIGH, signal.SIGINT, self.loop.quit)
        self.pipeline.set_state(Gst.State.PLAYING)
        self.webrtc.emit("create-offer", None, Gst.Promise.new_with_change_func(self.offered, None))
        self.loop.run()
        if self.location:
            request = urllib.request.Request(self.location, headers=self.headers, method="DELETE")
            urllib.request.urlopen(request).close()
        self.pipeline.set_state(Gst.State.NULL)


if __name__ == "__main__":
    Gst.init(None)
    Player(sys.argv[1], sys.argv[2]).run()
