"""Sources of another worker, received over a relay (relay_out) and sent on to this worker's subscribers."""

import json
import logging
import secrets
from collections.abc import Callable
from typing import Any

from . import rtcp, rtp
from .burst import AUDIO_LEVEL_ID, DESCRIPTOR_ID
from .client import MediaClient
from .codecs import CODECS, SOURCES, Codec
from .identity import Identity
from .layer import Layer
from .receive import StreamReceiver
from .red import RedundantAudio
from .source import Source
from .svc import element

log = logging.getLogger(__name__)

GONE_AFTER = 5.0
"""Seconds without being told of a track after which it ended: the message that said so was lost."""
LOST_AFTER = 10.0
"""Seconds without any packet or answer after which the relay itself is lost."""
MAX_TRACKS = 2000


class Incoming:
    """One layer as it comes over the relay."""

    def __init__(self, relay: "RelayIn", ssrc: int, rtx: int, source: Source, layer: Layer) -> None:
        self.relay = relay
        self.ssrc = ssrc
        self.rtx = rtx
        self.source = source
        self.layer = layer
        self.receiver = StreamReceiver(source.codec.clock_rate)
        self.told_at = 0.0
        self.element_id = AUDIO_LEVEL_ID if source.kind == "audio" else DESCRIPTOR_ID
        self.deliver = layer.deliver
        layer.uplink = self
        layer.new_stream()
        plain = source.codec.plain
        if plain is not None:
            redundant = RedundantAudio(source, layer, source.plain_layer(), plain.payload_type)
            self.deliver = redundant.deliver

    def request_keyframe(self) -> bool:
        return self.relay.send_rtcp(rtcp.KeyFrameRequest(self.relay.ssrc, self.ssrc).pack())


class RelayIn:
    """The receiving end, one for each room and other worker.

    `opened(peer, name, source, codec)` gives the source to feed, `ended(source)` is called when its last
    layer went, `said(sender, topic, body)` gets messages, `hear(peer, level)` the level of each packet of
    sound, `lost()` is called once when the other worker does not answer any more.
    """

    def __init__(
        self,
        identity: Identity,
        opened: Callable[[str, str, str, Codec], Source],
        ended: Callable[[Source], None],
        said: Callable[[str, str, Any], None],
        hear: Callable[[str, int], None],
        lost: Callable[[], None],
    ) -> None:
        self.client = MediaClient(identity)
        self.client.on_rtp = self._rtp
        self.client.on_rtcp = self._rtcp
        self.client.on_data = self._data
        self.ssrc = secrets.randbelow(0xFFFFFFFE) + 1
        self.by_ssrc: dict[int, Incoming] = {}
        self.tracks: dict[int, Incoming] = {}
        self.now = 0.0
        self.heard_at = 0.0
        self.packets = 0
        self._opened, self._ended, self._said, self._lost = opened, ended, said, lost
        self._hear = hear
        self._is_lost = False

    def answer(self, offer: str, now: float) -> str:
        """The answer to the other worker's offer; connects. GatewayError `bad_sdp` for anything else."""
        self.now = self.heard_at = now
        return self.client.answer(offer)

    # -- tracks ------------------------------------------------------------

    def _data(self, data: bytes) -> None:
        """What the other worker says of a track."""
        try:
            told = json.loads(data)
            if "topic" in told:
                self._said(told["from"], told["topic"], told["body"])
                return
            ssrc = int(told["ssrc"])
            if told.get("ended"):
                self._end(ssrc)
                return
            track = self.tracks.get(ssrc) or self._open(ssrc, told)
            if track is None:
                return
            track.told_at = self.now
            track.source.set_blocked(paused=bool(told["paused"]))
            track.layer.width, track.layer.height = int(told["width"]), int(told["height"])
        except (ValueError, KeyError, TypeError) as error:
            log.warning("a relay told something unreadable: %r", error)

    def _open(self, ssrc: int, told: dict[str, Any]) -> Incoming | None:
        codec = next((codec for codec in CODECS if codec.name == told["codec"]), None)
        if codec is None or told["source"] not in SOURCES or len(self.tracks) >= MAX_TRACKS:
            return None
        source = self._opened(told["peer"], told["name"], told["source"], codec)
        layer = source.layer(told["rid"], place=int(told["place"]))
        track = self.tracks[ssrc] = Incoming(self, ssrc, int(told["rtx"]), source, layer)
        self.by_ssrc[ssrc] = self.by_ssrc[track.rtx] = track
        return track

    def _end(self, ssrc: int) -> None:
        track = self.tracks.pop(ssrc, None)
        if track is None:
            return
        self.by_ssrc.pop(track.ssrc, None)
        self.by_ssrc.pop(track.rtx, None)
        if track.layer.uplink is track:
            track.layer.uplink = None
        if not track.source.uplinked:
            self._ended(track.source)

    # -- packets ------------------------------------------------------------

    def _rtp(self, packet: bytes) -> None:
        self.heard_at = self.now
        self.packets += 1
        track = self.by_ssrc.get(int.from_bytes(packet[8:12], "big"))
        if track is None:
            return
        _, second, sequence, timestamp, ssrc = rtp.HEADER.unpack_from(packet)
        try:
            start, end, _, at, size = rtp.scan(memoryview(packet), len(packet), 0, track.element_id)
        except ValueError:
            return
        recovered = ssrc == track.rtx
        if recovered:
            if end - start < 2:
                return
            sequence = packet[start] << 8 | packet[start + 1]
            start += 2
        extended = track.receiver.receive(sequence, timestamp, self.now, recovered=recovered)
        if extended is None:
            return
        carried = b""
        if at and track.source.kind == "audio":
            carried = packet[at - 1 : at + size]
            self._hear(track.source.peer, packet[at] & 0x7F)
        elif at:
            carried = element(packet[at : at + size])
        payload = memoryview(packet)[start:end]
        track.deliver(extended, timestamp, second >> 7, payload, self.now, carried)

    def _rtcp(self, packet: bytes) -> None:
        try:
            for message in rtcp.parse(packet):
                if isinstance(message, rtcp.SenderReport):
                    track = self.by_ssrc.get(message.ssrc)
                    if track is not None:
                        track.receiver.sender_report(rtcp.ntp_middle(message.ntp), self.now)
                        track.source.take_sender_report(track.layer, message.ntp, message.rtp_timestamp)
        except ValueError:
            log.debug("unreadable RTCP on a relay")

    def send_rtcp(self, packet: bytes) -> bool:
        """Send feedback to the other worker; False before the connection stands."""
        if not self.client.connected.is_set():
            return False
        self.client.send_rtcp(packet)
        return True

    # -- time ------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Every few ten milliseconds: ask again for what is missing."""
        self.now = now
        for track in self.tracks.values():
            due = track.receiver.due(now) if track.receiver.missing else []
            if due and track.source.codec.rtx_payload_type is not None:
                self.send_rtcp(rtcp.Nack(self.ssrc, track.ssrc, due).pack())

    def every_second(self, now: float) -> None:
        self.now = now
        answers = self.client.binding_answers
        if answers:
            self.client.binding_answers = 0
            self.heard_at = now
        blocks = [
            track.receiver.report(track.ssrc, now)
            for track in self.tracks.values()
            if track.receiver.received
        ]
        for at in range(0, len(blocks), 31):
            self.send_rtcp(rtcp.ReceiverReport(self.ssrc, blocks[at : at + 31]).pack())
        for ssrc in [ssrc for ssrc, track in self.tracks.items() if now - track.told_at > GONE_AFTER]:
            self._end(ssrc)
        if now - self.heard_at > LOST_AFTER and not self._is_lost:
            self._is_lost = True
            self._lost()

    def describe(self) -> dict[str, object]:
        """For `room.stats`."""
        return {
            "packets": self.packets,
            "tracks": len(self.tracks),
            "connected": self.client.connected.is_set(),
        }

    def close(self) -> None:
        for ssrc in list(self.tracks):
            self._end(ssrc)
        self.client.close()
