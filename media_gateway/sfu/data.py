"""The data channel of one publishing connection: SCTP (RFC 8831) by aiortc over our DTLS, no task.

aiortc's SCTP is written as coroutines that wait for nothing but its transport's `_send_data`; ours is done at
once, so each call runs to its end right where the datagram came in.
"""

import json
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from aiortc import RTCDataChannel
from aiortc.rtcsctptransport import WEBRTC_STRING, RTCSctpCapabilities, RTCSctpTransport

from .allowance import Allowance

log = logging.getLogger(__name__)

LABEL = "plenum"
TOPICS = frozenset({"cursor", "stroke", "reaction"})
MAX_MESSAGE = 1024
"""Bytes of a message's JSON text."""
RATE, BURST = 60.0, 90.0
"""Messages a second from one peer, and at once."""
MAX_BUFFERED = 64 * 1024
"""Bytes waiting for a slow receiver; beyond that it misses messages, which are of no use when late."""
MAX_DEPTH = 8
"""Lists and objects of a body within each other."""
MAX_NUMBER = 2**53
"""Beyond it browsers and what passes messages on have no whole numbers."""
MAX_CHANNELS = 4
BYTES_PER_SECOND, BYTES_AT_ONCE = 150_000, 300_000
"""SCTP of one peer, twice what its messages may need; more is lost, as on a slow line."""
MAX_DISORDER = 512
"""Chunks that wait for earlier ones, and streams: aiortc itself keeps as many as a peer cares to send."""
WINDOW, MAX_WAITING = 1024 * 1024, 256 * 1024
"""aiortc's receive window, which it does not enforce, and what of it a peer may fill with pieces."""
SCTP_PORT = 5000


class BadMessage(ValueError):
    """A message that is not one of docs/protocol.md section 1.10."""


def parse(text: str | bytes) -> tuple[str, Any]:
    """(topic, body) of a message from a browser. BadMessage says what is wrong with it."""
    if isinstance(text, bytes):
        raise BadMessage("binary")
    if len(text.encode()) > MAX_MESSAGE:
        raise BadMessage(f"longer than {MAX_MESSAGE} bytes")
    try:
        message = json.loads(text)
        # Half a surrogate pair, NaN and infinity are read by Python alone: others would choke on them.
        json.dumps(message, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise BadMessage("not JSON") from error
    topic = message.get("topic") if isinstance(message, dict) else None
    if not isinstance(topic, str) or topic not in TOPICS:
        raise BadMessage("no known topic")
    if not _is_plain(message.get("body"), MAX_DEPTH):
        raise BadMessage("a body that not everybody can read")
    return topic, message.get("body")


def _is_plain(value: object, depth: int) -> bool:
    """Whether everything on the way can carry it."""
    if isinstance(value, int | float):
        return abs(value) < MAX_NUMBER
    if isinstance(value, list | dict):
        parts = value.values() if isinstance(value, dict) else value
        return depth > 0 and all(_is_plain(part, depth - 1) for part in parts)
    return True


class _Carrier:
    """What aiortc's SCTP takes for its DTLS transport."""

    state = "connected"
    _role = "server"

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send

    async def _send_data(self, data: bytes) -> None:
        self._send(data)

    def _register_data_receiver(self, receiver: object) -> None: ...
    def _unregister_data_receiver(self, receiver: object) -> None: ...


class DataLink:
    """One SCTP association. `feed` takes its datagrams, `send` gets those to send (as DTLS application data).

    `received(topic, body)` gets the peer's messages, at most `RATE` a second.
    """

    def __init__(
        self, remote_port: int, send: Callable[[bytes], None], received: Callable[[str, Any], None]
    ) -> None:
        self._received = received
        self._channel: RTCDataChannel | None = None
        self._closed = False
        self._sctp = RTCSctpTransport(_Carrier(send), SCTP_PORT)  # type: ignore[arg-type]
        self._sctp.on("datachannel", self._opened)
        self._allowance, self._allowance_at = BURST, 0.0
        self._now = 0.0
        self._bytes = Allowance(BYTES_PER_SECOND, BYTES_AT_ONCE)
        self._channels = 0
        self.messages_in = 0
        self.messages_out = 0
        self.refused = 0
        self._run(self._sctp.start(RTCSctpCapabilities(maxMessageSize=MAX_MESSAGE), remote_port))

    @property
    def open(self) -> bool:
        """Whether messages can be sent."""
        return self._channel is not None and self._channel.readyState == "open"

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            work.send(None)
        except StopIteration:
            return
        except Exception as error:
            # aiortc asserts what a hostile peer need not keep to.
            log.info("data channel closed: %s", error or type(error).__name__)
            self.close()
            return
        work.close()
        raise RuntimeError("the SCTP library waited for something")

    def feed(self, datagram: bytes, now: float) -> None:
        """One SCTP packet of the peer."""
        if self._closed or not self._bytes.take(now, len(datagram)):
            return
        self._now = now
        sctp = self._sctp
        self._run(sctp._handle_data(datagram))
        pieces = WINDOW - sctp._advertised_rwnd
        if max(len(sctp._sack_misordered), len(sctp._inbound_streams)) > MAX_DISORDER or pieces > MAX_WAITING:
            log.info("data channel closed: %d bytes of pieces without end", pieces)
            self.close()

    def _opened(self, channel: RTCDataChannel) -> None:
        self._channels += 1
        if self._channels > MAX_CHANNELS:
            self.close()
        elif channel.label == LABEL and self._channel is None:
            self._channel = channel
            channel.on("message", self._message)

    def _message(self, text: str | bytes) -> None:
        self._allowance = min(BURST, self._allowance + (self._now - self._allowance_at) * RATE)
        self._allowance_at = self._now
        if self._allowance < 1:
            self.refused += 1
            return
        self._allowance -= 1
        try:
            topic, body = parse(text)
        except BadMessage:
            self.refused += 1
            return
        self.messages_in += 1
        self._received(topic, body)

    def send(self, text: str) -> bool:
        """Send one message; False when this peer has no open channel, or cannot keep up."""
        channel = self._channel
        if channel is None or channel.readyState != "open" or channel.bufferedAmount > MAX_BUFFERED:
            return False
        data = text.encode()
        channel._addBufferedAmount(len(data))
        self._sctp._data_channel_queue.append((channel, WEBRTC_STRING, data))
        self._run(self._sctp._data_channel_flush())
        self.messages_out += 1
        return not self._closed

    def close(self) -> None:
        """Forget everything, timers too."""
        if self._closed:
            return
        self._closed = True
        self._channel = None
        self._run_quietly(self._sctp.stop())

    def _run_quietly(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            work.send(None)
        except StopIteration:
            return
        work.close()

    def describe(self) -> dict[str, object]:
        """For `room.stats`."""
        return {
            "open": self.open,
            "in": self.messages_in,
            "out": self.messages_out,
            "refused": self.refused,
        }
