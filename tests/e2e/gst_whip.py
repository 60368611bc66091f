"""A WHIP client made of GStreamer's webrtcbin: a green picture, a 700 Hz tone. Runs in the system's Python.

    /usr/bin/python3 gst_whip.py URL TOKEN

Ends by SIGINT, with a DELETE. Prints "published" and "deleted" with the statuses.
"""

import sys

from gst_peer import Gst, GstWebRTC, Peer

PIPELINE = """
webrtcbin name=out bundle-policy=max-bundle
videotestsrc is-live=true pattern=green ! video/x-raw,width=320,height=240,framerate=15/1 ! videoconvert
  ! queue ! vp8enc deadline=1 keyframe-max-dist=60 ! rtpvp8pay pt=96 picture-id-mode=2 ! queue
  ! application/x-rtp,media=video,encoding-name=VP8,payload=96 ! out.
audiotestsrc is-live=true freq=700 ! audioconvert ! audioresample ! queue ! opusenc ! rtpopuspay pt=111
  ! queue  ! application/x-rtp,media=audio,encoding-name=OPUS,payload=111 ! out.
"""


class Client(Peer):
    def __init__(self, url: str, token: str) -> None:
        pipeline = Gst.parse_launch(PIPELINE)
        super().__init__(url, token, pipeline, pipeline.get_by_name("out"))
        for transceiver in range(2):
            found = self.webrtc.emit("get-transceiver", transceiver)
            found.set_property("direction", GstWebRTC.WebRTCRTPTransceiverDirection.SENDONLY)
        self.webrtc.connect("on-negotiation-needed", self.offer)

    def told(self, what: str, status: int) -> None:
        print("published" if what == "answered" else what, status, flush=True)


if __name__ == "__main__":
    Gst.init(None)
    Client(sys.argv[1], sys.argv[2]).run()
