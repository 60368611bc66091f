"""What an offer is answered with: codecs, extensions, feedback. Refusals first."""

import pathlib
import re

import pytest

from media_gateway.sfu import dependency, planning, rtp, sdp, sdp_write
from media_gateway.sfu.codecs import AV1, H264, OPUS, RED, VP8, VP9
from media_gateway.sfu.errors import GatewayError
from media_gateway.sfu.planning import Plan

CHROMIUM = (pathlib.Path(__file__).parent / "captured" / "chromium_offer.sdp").read_bytes().decode()
SOURCES = {"0": "mic", "1": "camera"}


def plans(text: str = CHROMIUM, sources: dict[str, str] | None = None) -> list[Plan]:
    return planning.read_offer(text, SOURCES if sources is None else sources, [])[1]


def only(*codecs: str) -> str:
    """Chromium's offer with these video codecs only, as after `setCodecPreferences`."""
    keep = {"rtx", *codecs}
    found = re.findall(r"a=rtpmap:(\d+) (\w+)/90000", CHROMIUM)
    gone = [number for number, name in found if name not in keep]
    gone += [
        number for number, apt in re.findall(r"a=fmtp:(\d+) apt=(\d+)", CHROMIUM) if apt in gone
    ]  # fmt: skip
    text = CHROMIUM
    for number in gone:
        text = re.sub(rf"a=(rtpmap|rtcp-fb|fmtp):{number} [^\n]*\n", "", text)
        text = re.sub(rf"(m=video[^\r]*) {number}\b", r"\1", text)
    return text


# -- refusals ------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        only("ulpfec"),
        only("red"),  # redundant video is another thing
        only("H264").replace("packetization-mode=1", "packetization-mode=0"),
        re.sub(r"profile-level-id=\w+", "profile-level-id=640c1f", only("H264")),
        only("VP9").replace("profile-id=0", "profile-id=1"),
        only("AV1").replace("profile=0", "profile=1"),
    ],
    ids=["no codec", "video red", "mode 0", "high profile", "VP9 profile 1", "AV1 profile 1"],
)
def test_what_is_not_forwarded_is_refused(text: str) -> None:
    with pytest.raises(GatewayError) as caught:
        plans(text)
    assert caught.value.code == "bad_sdp" and "VP8/H264/VP9/AV1" in caught.value.message


def test_a_hostile_profile_is_not_echoed() -> None:
    text = only("H264").replace("profile-level-id=42e01f", "profile-level-id=42e01f;x=y\ta=z")
    (_, video) = plans(text)
    assert "x=y" not in video.formats[0].fmtp


# -- codecs ------------------------------------------------------------


def test_a_browsers_whole_offer_gets_vp8_in_layers_and_redundant_speech() -> None:
    audio, video = plans()
    assert (audio.codec, audio.payload_type, audio.plain_payload_type) == (RED, 63, 111)
    assert audio.formats[0].fmtp == "111/111" and "usedtx=1" in audio.formats[1].fmtp
    assert (video.codec, video.payload_type, video.rtx_payload_type) == (VP8, 96, 97)
    assert video.layers == video.rids == ("q", "h", "f")
    assert video.formats[0].feedback == ("transport-cc", "ccm fir", "nack", "nack pli")
    uris = {uri: ident for ident, uri in video.extensions}
    assert uris == {rtp.MID_URI: 4, rtp.RID_URI: 10, rtp.REPAIRED_RID_URI: 11, rtp.TRANSPORT_CC_URI: 3}
    assert {uri: ident for ident, uri in audio.extensions} == {
        rtp.MID_URI: 4, rtp.TRANSPORT_CC_URI: 3, rtp.AUDIO_LEVEL_URI: 1,
    }  # fmt: skip


def test_sound_of_a_shared_tab_is_plain_and_stereo() -> None:
    audio, _ = plans(sources={"0": "screen_audio"})
    assert audio.codec is OPUS and "stereo=1" in audio.formats[0].fmtp and audio.plain_payload_type is None


@pytest.mark.parametrize("parameters", ["111/9", "0/111", "", "x"])
def test_redundancy_around_something_else_is_not_taken(parameters: str) -> None:
    audio, _ = plans(CHROMIUM.replace("a=fmtp:63 111/111", f"a=fmtp:63 {parameters}"))
    assert audio.codec is OPUS and audio.payload_type == 111


def test_h264_is_answered_in_the_variant_that_suits_best() -> None:
    _, video = plans(only("H264"))
    assert (video.codec, video.payload_type, video.rtx_payload_type) == (H264, 108, 109)
    assert "profile-level-id=42e01f" in video.formats[0].fmtp
    _, video = plans(only("H264").replace("profile-level-id=42e01f", "profile-level-id=4d001f"))
    assert video.payload_type == 102 and "profile-level-id=42001f" in video.formats[0].fmtp


def test_vp9_and_av1() -> None:
    _, video = plans(only("VP9"))
    assert (video.codec, video.payload_type) == (VP9, 98) and "profile-id=0" in video.formats[0].fmtp
    assert dependency.URI not in dict(map(reversed, video.extensions)), "VP9 tells by itself"  # type: ignore[arg-type]
    _, video = plans(only("AV1"))
    assert (video.codec, video.payload_type) == (AV1, 45)
    assert (12, dependency.URI) in video.extensions


def test_the_answer_is_readable_and_takes_no_more_than_was_offered() -> None:

    lines = sdp_write.TransportLines("ufrag", "p" * 24, ":".join(["AB"] * 32), ())
    text = sdp_write.publish_answer(1, 1, lines, [plan.answer() for plan in plans()])
    answer, offer = sdp.parse(text), sdp.parse(CHROMIUM)
    for answered, offered in zip(answer.media, offer.media, strict=True):
        assert set(answered.formats) <= set(offered.formats)
        assert answered.extensions.items() <= offered.extensions.items()
        for number, form in answered.formats.items():
            assert form.feedback <= offered.formats[number].feedback
        assert answered.receiver_time and answered.mixed
    assert list(answer.media[0].formats) == [63, 111], "what comes first is what is sent"
    assert "a=simulcast:recv q;h;f" in text


# -- feedback ------------------------------------------------------------


def test_estimates_are_told_where_there_is_no_transport_wide_feedback() -> None:
    text = CHROMIUM.replace(" transport-cc\r\n", " x\r\n")
    audio, video = plans(text)
    assert video.asks("goog-remb") and not video.asks("transport-cc")
    assert (2, rtp.ABS_SEND_TIME_URI) in video.extensions
    assert not audio.asks("goog-remb")
    _, video = plans(text.replace(rtp.ABS_SEND_TIME_URI, "urn:x"))
    assert not video.asks("goog-remb"), "nothing to estimate from"


def test_retransmissions_need_nack() -> None:
    text = re.sub(r"a=rtcp-fb:96 nack\r\n", "", CHROMIUM)
    _, video = plans(text)
    assert video.rtx_payload_type is None and not video.asks("nack") and video.asks("nack pli")
