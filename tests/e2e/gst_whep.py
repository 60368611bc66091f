"""A WHEP client made of GStreamer's webrtcbin, with payload types of its own. Runs in the system's Python.

    /usr/bin/python3 gst_whep.py URL TOKEN

Prints what it decodes, a JSON object a line: `{"colour": [r, g, b]}`, `{"pitch": Hz}`. Ends by SIGINT, with a
DELETE.
"""

import itertools
import json
import sys

from gst_peer import Gst, GstWebRTC, Peer

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


class Player(Peer):
    def __init__(self, url: str, token: str) -> None:
        pipeline, webrtc = Gst.Pipeline.new(), Gst.ElementFactory.make("webrtcbin")
        super().__init__(url, token, pipeline, webrtc)
        self.samples = b""
        webrtc.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
        pipeline.add(webrtc)
        webrtc.connect("pad-added", self.arrived)
        for caps in LINES:
            direction = GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY
            webrtc.emit("add-transceiver", direction, Gst.Caps.from_string(caps))

    def begin(self) -> None:
        self.offer()

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


if __name__ == "__main__":
    Gst.init(None)
    Player(sys.argv[1], sys.argv[2]).run()
