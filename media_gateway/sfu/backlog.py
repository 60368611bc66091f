"""What a slow reader on a stream still gets: sound before pictures, and whole pictures.

TCP delivers late what it cannot deliver in time, so waiting must be bounded by leaving out.
"""

from .codecs import CODECS
from .rtp import is_rtcp

WAITING = 64 * 1024
"""Bytes waiting above which no picture is begun; at 1 Mbit/s half a second."""
MAX_WAITING = 256 * 1024
"""Bytes at which nothing is taken any more: room for the rest of a large key frame, and for sound."""
MAX_SENDERS = 512
AUDIO_TYPES = frozenset(codec.payload_type for codec in CODECS if codec.kind == "audio")


class Backlog:
    """Decides for each outgoing datagram, from its unencrypted header, whether it may still wait.

    The rest of a picture that was left out is left out too: it could not be decoded. NACK brings it back
    later if there is room then.
    """

    __slots__ = ("_pictures", "dropped")

    def __init__(self) -> None:
        self.dropped = 0
        self._pictures: dict[int, tuple[int, bool]] = {}
        """SSRC -> timestamp of its picture under way, and whether it is being sent"""

    def admits(self, datagram: bytes, waiting: int) -> bool:
        """Whether `datagram` is to be sent while `waiting` bytes are not; counts those that are not."""
        admitted = waiting + len(datagram) <= MAX_WAITING
        if datagram[0] >= 128 and len(datagram) >= 12 and not is_rtcp(memoryview(datagram)):
            admitted = self._admits_media(datagram, waiting, room=admitted)
        if not admitted:
            self.dropped += 1
        return admitted

    def _admits_media(self, datagram: bytes, waiting: int, *, room: bool) -> bool:
        if datagram[1] & 0x7F in AUDIO_TYPES:
            return room
        timestamp, ssrc = int.from_bytes(datagram[4:8], "big"), int.from_bytes(datagram[8:12], "big")
        picture, sending = self._pictures.get(ssrc, (None, False))
        if picture != timestamp:
            sending = waiting <= WAITING
            if len(self._pictures) >= MAX_SENDERS:
                self._pictures.clear()
        sending = sending and room
        self._pictures[ssrc] = (timestamp, sending)
        return sending
