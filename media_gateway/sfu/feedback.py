"""What a publishing connection tells its sender: arrivals, estimates, losses, reports."""

import time
from collections.abc import Collection
from typing import TYPE_CHECKING

from . import rtcp, rtp
from .extended_report import DelayReport, ReferenceTime
from .remb import RateEstimator
from .twcc import Recorder

if TYPE_CHECKING:
    from .incoming import IncomingStream
    from .publisher import PublishConnection

TWCC_EVERY = 0.1
REMB_EVERY = 0.2
MAX_BLOCKS = 31
"""Report blocks of one packet."""


class Feedback:
    """The state of one connection's feedback. `send` is the connection's, for whole RTCP packets."""

    def __init__(self, connection: "PublishConnection") -> None:
        self.connection = connection
        self.twcc = Recorder()
        self.remb: RateEstimator | None = None
        self.send_time_id = 0
        self.receiver_time = False
        self.round_trip: float | None = None
        self._twcc_at = self._remb_at = 0.0

    def estimate_rate(self, send_time_id: int) -> None:
        """The browser has no transport-wide feedback: estimate here and tell by REMB."""
        self.send_time_id = send_time_id
        if self.remb is None:
            self.remb = RateEstimator()

    def take_send_time(self, view: memoryview, length: int, now: float) -> None:
        """Note one packet for the estimate."""
        assert self.remb is not None
        stamp = rtp.read_extensions(view, length).get(self.send_time_id)
        if stamp is not None and len(stamp) == 3:
            self.remb.add(int.from_bytes(stamp, "big"), length, now)

    def tick(self, now: float, ssrcs: Collection[int]) -> None:
        """Every few ten milliseconds while packets come. `ssrcs` are those the connection knows."""
        connection = self.connection
        if now - self._twcc_at >= TWCC_EVERY:
            self._twcc_at = now
            for body in self.twcc.take():
                media = next(iter(ssrcs), 0)
                connection.send(rtcp.transport_feedback(connection.ssrc, media, body))
        if self.remb is not None and now - self._remb_at >= REMB_EVERY and ssrcs:
            self._remb_at = now
            rate = self.remb.estimate(now)
            connection.send(rtcp.Remb(connection.ssrc, rate, list(ssrcs)[:MAX_BLOCKS]).pack())

    def report(self, streams: "Collection[IncomingStream]", now: float) -> None:
        """Every second: what was received of each stream, and our time, if the browser answers that."""
        connection = self.connection
        blocks = [
            stream.receiver.report(stream.ssrc, now)
            for stream in streams
            if stream.ssrc is not None and stream.receiver.received
        ]
        if not blocks or not connection.transport.ready:
            return
        for at in range(0, len(blocks), MAX_BLOCKS):
            packet = rtcp.ReceiverReport(connection.ssrc, blocks[at : at + MAX_BLOCKS]).pack()
            if self.receiver_time and not at:
                packet += ReferenceTime(connection.ssrc, rtcp.ntp_time(time.time())).pack()
            connection.send(packet)

    def take_delays(self, report: DelayReport) -> None:
        """The sender's answer to our time: the round trip as we, the receiver, see it."""
        middle = rtcp.ntp_middle(rtcp.ntp_time(time.time()))
        for receiver, sent, delay in report.delays:
            if receiver == self.connection.ssrc and sent:
                trip = (middle - sent - delay) & 0xFFFFFFFF
                if trip < 10 * 65536:
                    self.round_trip = trip / 65536
                elif trip > 0xFFFF0000:  # a clock that was set back a little
                    self.round_trip = 0.0
