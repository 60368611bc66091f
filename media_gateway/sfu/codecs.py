"""The codecs a room may carry, and the little the forwarding path must know of each.

The common codec of a room is VP8: it is the one every browser both sends and receives, so a publisher that
offers it is asked for it. A further codec is one more row here and one module beside: forwarding never
decodes, it only has to recognise where a decoder may start, how large the picture is and, where one stream
holds several layers, which packet belongs to which.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from . import av1, h264, vp8, vp9

SOURCES: dict[str, str] = {"mic": "audio", "camera": "video", "screen": "video", "screen_audio": "audio"}
"""Every source a participant may publish, with its kind."""

Buffer = bytes | memoryview


def _any(parameters: dict[str, str]) -> int:
    return 1


@dataclass(frozen=True, slots=True)
class Codec:
    """One codec. Payload types are those of our own offers; publishers keep the numbers they offered.

    `starts_keyframe(payload)` is None where any packet will do to start with; `keyframe_size(payload)` gives
    (width, height) or None; `locate_picture(payload, offset)` says where a payload that stands at that offset
    counts pictures (`vp8.locate_picture`). `fits(fmtp parameters)` is 0 for a variant we do not forward, and
    higher the better a variant suits. `plain` is what receivers get that do not take the codec; `layered`
    says that one stream may hold several spatial layers, `described` that its packets are told apart by the
    dependency descriptor.
    """

    name: str
    kind: str
    clock_rate: int
    channels: int
    payload_type: int
    rtx_payload_type: int | None
    fmtp: str
    feedback: tuple[str, ...] = ()
    publish_fmtp: str = ""
    plain: "Codec | None" = None
    layered: bool = False
    described: bool = False
    starts_keyframe: Callable[[Buffer], bool] | None = field(default=None, compare=False)
    keyframe_size: Callable[[Buffer], tuple[int, int] | None] | None = field(default=None, compare=False)
    locate_picture: Callable[[Buffer, int], tuple[int, int, int, int] | None] | None = field(
        default=None, compare=False
    )
    fits: Callable[[dict[str, str]], int] = field(default=_any, compare=False)

    @property
    def rtpmap(self) -> str:
        tail = f"/{self.channels}" if self.kind == "audio" and self.channels > 1 else ""
        return f"{self.name}/{self.clock_rate}{tail}"


VIDEO_FEEDBACK = ("ccm fir", "nack", "nack pli")
START_BITRATE = "x-google-start-bitrate=2500"
"""Without a start rate a 720p camera begins at 480x270 and stays there for long."""
H264_FMTP = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"

OPUS = Codec(
    name="opus",
    kind="audio",
    clock_rate=48000,
    channels=2,
    payload_type=111,
    rtx_payload_type=None,
    fmtp="minptime=10;useinbandfec=1",
    publish_fmtp="minptime=10;useinbandfec=1",
)
RED = Codec(
    name="red",
    kind="audio",
    clock_rate=48000,
    channels=2,
    payload_type=63,
    rtx_payload_type=None,
    fmtp=f"{OPUS.payload_type}/{OPUS.payload_type}",
    plain=OPUS,
)
VP8 = Codec(
    name="VP8",
    kind="video",
    clock_rate=90000,
    channels=1,
    payload_type=96,
    rtx_payload_type=97,
    fmtp="",
    feedback=VIDEO_FEEDBACK,
    publish_fmtp=START_BITRATE,
    starts_keyframe=vp8.starts_keyframe,
    keyframe_size=vp8.keyframe_size,
    locate_picture=vp8.locate_picture,
)
H264 = Codec(
    name="H264",
    kind="video",
    clock_rate=90000,
    channels=1,
    payload_type=102,
    rtx_payload_type=103,
    fmtp=H264_FMTP,
    feedback=VIDEO_FEEDBACK,
    publish_fmtp=f"{H264_FMTP};{START_BITRATE}",
    starts_keyframe=h264.starts_keyframe,
    keyframe_size=h264.keyframe_size,
    fits=h264.profile_fits,
)
VP9 = Codec(
    name="VP9",
    kind="video",
    clock_rate=90000,
    channels=1,
    payload_type=98,
    rtx_payload_type=99,
    fmtp="profile-id=0",
    feedback=VIDEO_FEEDBACK,
    publish_fmtp=f"profile-id=0;{START_BITRATE}",
    layered=True,
    starts_keyframe=vp9.starts_keyframe,
    keyframe_size=vp9.keyframe_size,
    fits=vp9.profile_fits,
)
AV1 = Codec(
    name="AV1",
    kind="video",
    clock_rate=90000,
    channels=1,
    payload_type=45,
    rtx_payload_type=46,
    fmtp="level-idx=5;profile=0;tier=0",
    feedback=VIDEO_FEEDBACK,
    publish_fmtp=f"level-idx=5;profile=0;tier=0;{START_BITRATE}",
    layered=True,
    described=True,
    starts_keyframe=av1.starts_keyframe,
    keyframe_size=av1.keyframe_size,
    fits=av1.profile_fits,
)

CODECS: tuple[Codec, ...] = (OPUS, RED, VP8, H264, VP9, AV1)
"""In order of preference within a kind."""


def preferred_codec(kind: str) -> Codec:
    """The first codec of a kind: what the server's own offers carry where nothing asks for another."""
    return next(codec for codec in CODECS if codec.kind == kind)
