"""Offers and answers: what is accepted, what is refused, and that a refusal changes nothing."""

import asyncio
import json
from typing import Any

import pytest
from aiortc.sdp import SessionDescription
from hypothesis import given, settings
from hypothesis import strategies as st

from media_gateway.sfu import sdp, subscriber
from media_gateway.sfu.client import MediaClient
from media_gateway.sfu.gateway import Gateway, GatewayConfig, GatewayError
from tests.media_gateway.sfu.support import ALL, IDENTITY, Harness, RawPeer, Sender, until


async def refused(harness: Harness, code: str, op: str, peer: str | None = None, **data: object) -> str:
    with pytest.raises(GatewayError) as caught:
        await harness.call(op, peer, **data)
    assert caught.value.code == code, caught.value
    return caught.value.message


async def state(harness: Harness) -> str:
    return json.dumps(await harness.call("room.stats"), sort_keys=True)


# -- peers and rooms ------------------------------------------------------------


async def test_the_first_offer_has_lines_to_connect_with(harness: Harness) -> None:
    reply = await harness.call("peer.add", "ann", generation=1, name="Ann", publish=ALL)
    assert reply["subscribe"]["version"] == 1
    offer = SessionDescription.parse(reply["subscribe"]["sdp"])
    assert [media.kind for media in offer.media] == ["audio", "video"]
    assert {media.direction for media in offer.media} == {"inactive"}
    assert "a=ice-lite" in reply["subscribe"]["sdp"] and "a=setup:actpass" in reply["subscribe"]["sdp"]
    assert harness.gateway.rooms() == ["room"]


async def test_adding_the_same_generation_again_gives_the_same_offer(harness: Harness) -> None:
    first = await harness.call("peer.add", "ann", generation=3, name="Ann", publish=ALL)
    assert await harness.call("peer.add", "ann", generation=3, name="Ann", publish=ALL) == first
    await refused(harness, "stale_generation", "peer.add", "ann", generation=2, name="Ann", publish=ALL)
    await refused(harness, "stale_generation", "peer.publish", "ann", generation=2, sdp="", tracks=[])
    await refused(harness, "stale_generation", "peer.answer", "ann", generation=4, version=1, sdp="")


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"generation": "1", "name": "x", "publish": []},
        {"generation": True, "name": "x", "publish": []},
        {"generation": -1, "name": "x", "publish": []},
        {"generation": 1, "name": 5, "publish": []},
        {"generation": 1, "name": "x" * 201, "publish": []},
        {"generation": 1, "name": "x", "publish": "mic"},
        {"generation": 1, "name": "x", "publish": ["radio"]},
        {"generation": 1, "name": "x", "publish": [["mic"]]},
    ],
)
async def test_a_bad_peer_leaves_no_room_behind(harness: Harness, data: dict[str, object]) -> None:
    await refused(harness, "bad_request", "peer.add", "ann", **data)
    assert harness.gateway.rooms() == []


async def test_bad_names_and_operations(harness: Harness) -> None:
    for op, room, peer, data in (
        ("peer.fly", "room", "ann", {}),
        ("peer.add", "ro om", "ann", {}),
        ("peer.add", "room", None, {}),
        ("peer.add", "room", "a b", {}),
        ("peer.add", "room", "a\r\na=x", {}),
        ("peer.add", "room", "x" * 65, {}),
        ("peer.add", "room", "ann", []),
        ("peer.add", None, "ann", {}),
    ):
        with pytest.raises(GatewayError) as caught:
            await harness.gateway.handle(op, room, peer, data)  # type: ignore[arg-type]
        assert caught.value.code == "bad_request"
    assert harness.gateway.rooms() == []


async def test_unknown_rooms_and_peers(harness: Harness) -> None:
    for op in ("peer.publish", "peer.answer", "peer.permit", "peer.pause", "room.record", "room.stats"):
        await refused(harness, "not_found", op, "ann", generation=1, publish=[], recording="r")
    await harness.call("peer.add", "bob", generation=1, name="", publish=[])
    await refused(harness, "not_found", "peer.permit", "ann", publish=[])
    assert await harness.call("peer.remove", "ann") == {}, "removing is idempotent"
    assert await harness.gateway.handle("room.close", "elsewhere", None, {}) == {}


async def test_limits_are_kept(harness: Harness) -> None:
    harness.gateway.config.max_peers_per_room = 2
    harness.gateway.config.max_rooms = 1
    for name in ("a", "b"):
        await harness.call("peer.add", name, generation=1, name=name, publish=[])
    await refused(harness, "overloaded", "peer.add", "c", generation=1, name="c", publish=[])
    await harness.call("peer.add", "a", generation=2, name="a", publish=[])
    with pytest.raises(GatewayError):
        await harness.gateway.handle("peer.add", "other", "c", {"generation": 1, "name": "", "publish": []})
    assert harness.gateway.rooms() == ["room"]


def test_a_configuration_needs_addresses() -> None:
    for ips in ([], ["example.org"]):
        with pytest.raises(ValueError):
            Gateway(GatewayConfig(advertised_ips=ips), lambda event: None)


# -- publish offers -------------------------------------------------------------


def offer_for(*sources: str) -> tuple[str, list[dict[str, str]]]:
    client = MediaClient(IDENTITY)
    for source in sources:
        client.add_track(source)
    return client.offer(), client.published()


async def test_the_answer_is_good_sdp_with_what_was_asked_for(harness: Harness) -> None:
    await harness.join("ann")
    text, tracks = offer_for("mic", "camera")
    reply = await harness.call("peer.publish", "ann", generation=1, sdp=text, tracks=tracks)
    answer = SessionDescription.parse(reply["sdp"])
    audio, video = answer.media
    assert (audio.direction, video.direction) == ("recvonly", "recvonly")
    assert [codec.mimeType for codec in audio.rtp.codecs] == ["audio/opus"]
    assert [codec.mimeType for codec in video.rtp.codecs] == ["video/VP8", "video/rtx"]
    for line in ("usedtx=1", "useinbandfec=1", "x-google-start-bitrate=", "a=setup:passive", "a=ice-lite"):
        assert line in reply["sdp"]
    feedback = {(fb.type, fb.parameter) for fb in video.rtp.codecs[0].rtcpFeedback}
    assert {("nack", None), ("nack", "pli"), ("ccm", "fir"), ("transport-cc", None)} <= feedback
    assert [event["data"] for event in harness.named("track.added", "ann")] == [
        {"source": "mic", "kind": "audio", "codec": "opus"},
        {"source": "camera", "kind": "video", "codec": "VP8"},
    ]


def damaged(text: str) -> dict[str, str]:
    video = text.index("m=video")
    return {
        "empty": "",
        "not sdp": "hello\r\n",
        "no version": text.replace("v=0\r\n", "", 1),
        "no media": text[: text.index("m=")],
        "no fingerprint": "\r\n".join(x for x in text.split("\r\n") if "fingerprint" not in x),
        "short fingerprint": text.replace("a=fingerprint:sha-256 ", "a=fingerprint:sha-256 zz"),
        "unknown digest": text.replace("sha-256", "md5"),
        "no ufrag": "\r\n".join(x for x in text.split("\r\n") if "ice-ufrag" not in x),
        "no password": "\r\n".join(x for x in text.split("\r\n") if "ice-pwd" not in x),
        "strange ufrag": text.replace("a=ice-ufrag:", "a=ice-ufrag:\x00\u00e9"),
        "passive": text.replace("actpass", "passive"),
        "no mux": text.replace("a=rtcp-mux\r\n", ""),
        "no bundle": "\r\n".join(x for x in text.split("\r\n") if "BUNDLE" not in x),
        "two mids": text.replace("a=mid:1", "a=mid:0"),
        "bad mid": text.replace("a=mid:1", "a=mid:1 2"),
        "no mid": text.replace("a=mid:1\r\n", ""),
        "plain rtp": text.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP"),
        "bad payload type": text[:video] + text[video:].replace("SAVPF 96 97", "SAVPF 96 970"),
        "bad rtpmap": text.replace("VP8/90000", "VP8/many"),
        "no known codec": text.replace("VP8/90000", "VP7/90000"),
        "bad ssrc": text.replace("a=ssrc:", "a=ssrc:99999999999"),
        "bad extmap": text.replace("a=extmap:1 ", "a=extmap:x "),
        "huge": text + "a=x:" + "y" * 70000 + "\r\n",
        "many lines": text + "a=x\r\n" * 7000,
        "many sections": text + "m=audio 0 UDP/TLS/RTP/SAVPF 0\r\n" * 200,
    }


@pytest.mark.parametrize("what", list(damaged("m=video")))
async def test_a_damaged_offer_is_refused_and_changes_nothing(harness: Harness, what: str) -> None:
    await harness.call("peer.add", "ann", generation=1, name="Ann", publish=ALL)
    text, tracks = offer_for("mic", "camera")
    before = await state(harness)
    endpoint = harness.gateway._started
    ufrags = set(endpoint.by_ufrag)
    message = await refused(
        harness, "bad_sdp", "peer.publish", "ann", generation=1, sdp=damaged(text)[what], tracks=tracks
    )
    assert message
    assert await state(harness) == before
    assert set(endpoint.by_ufrag) == ufrags
    assert not harness.named("track.added")


@pytest.mark.parametrize(
    "tracks",
    [
        None,
        "mic",
        [{"mid": "0"}],
        [{"mid": 0, "source": "mic"}],
        [{"mid": "0", "source": "radio"}],
        [{"mid": "0", "source": ["mic"]}],
        [{"mid": "7", "source": "mic"}],
        [{"mid": "0", "source": "camera"}],
        [{"mid": "0", "source": "mic"}, {"mid": "0", "source": "screen_audio"}],
        [{"mid": "0", "source": "mic"}, {"mid": "1", "source": "mic"}],
        ["0"],
    ],
)
async def test_tracks_must_fit_the_offer(harness: Harness, tracks: object) -> None:
    await harness.call("peer.add", "ann", generation=1, name="Ann", publish=ALL)
    text, _ = offer_for("mic", "camera")
    before = await state(harness)
    await refused(harness, "bad_request", "peer.publish", "ann", generation=1, sdp=text, tracks=tracks)
    assert await state(harness) == before


async def test_a_firefox_offer_is_answered_with_its_own_numbers(harness: Harness) -> None:
    """Other payload types, transport attributes a section, directions in extmap, RTX for several codecs."""
    await harness.join("ann")
    tracks = [{"mid": "0", "source": "mic"}, {"mid": "1", "source": "screen"}]
    reply = await harness.call("peer.publish", "ann", generation=1, sdp=FIREFOX, tracks=tracks)
    answer = SessionDescription.parse(reply["sdp"])
    assert [media.fmt for media in answer.media] == [[109], [120, 124]]
    assert "a=rtpmap:109 opus/48000/2" in reply["sdp"] and "a=fmtp:124 apt=120" in reply["sdp"]
    assert "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level" in reply["sdp"]
    assert "a=extmap:7 http://www.ietf.org/id/draft-holmer" in reply["sdp"]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_randomly_damaged_offer_is_read_or_refused(data: st.DataObject) -> None:
    text = BASE
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text) - 1))
        length = data.draw(st.integers(0, 20))
        text = text[:at] + data.draw(st.text(max_size=8)) + text[at + length :]
    try:
        description = sdp.parse(text)
    except GatewayError as error:
        assert error.code == "bad_sdp"
    else:
        assert description.media


async def test_lines_that_cannot_be_taken_are_rejected_alone(harness: Harness) -> None:
    await harness.join("ann")
    text, tracks = offer_for("mic")
    text += "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:data\r\na=sctp-port:5000\r\n"
    text += "m=video 9 UDP/TLS/RTP/SAVPF 45\r\na=mid:av2\r\na=rtcp-mux\r\na=rtpmap:45 AV2/90000\r\n"
    text = text.replace("a=group:BUNDLE 0", "a=group:BUNDLE 0 data av2")
    reply = await harness.call("peer.publish", "ann", generation=1, sdp=text, tracks=tracks)
    answer = SessionDescription.parse(reply["sdp"])
    assert [media.port for media in answer.media] == [9, 9, 0], "only the unknown codec's line"
    assert "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n" in reply["sdp"]
    assert "a=group:BUNDLE 0 data\r\n" in reply["sdp"]


async def test_a_changed_certificate_is_refused(harness: Harness) -> None:
    ann = await harness.join("ann")
    client = await ann.publish("mic")
    other = client.offer().replace(IDENTITY.fingerprint, ":".join(["AB"] * 32))
    await refused(
        harness, "bad_sdp", "peer.publish", "ann", generation=1, sdp=other, tracks=client.published()
    )
    assert client.closed_reason is None


async def test_a_removed_track_goes_and_a_new_one_takes_its_line(harness: Harness) -> None:
    viewer = await harness.join("bob")
    ann = await harness.join("ann")
    client = await ann.publish("mic", "camera")
    await until(lambda: len(set(viewer.names.values())) == 2)
    client.tracks[1].active = False
    await ann.negotiate()
    assert [event["data"] for event in harness.named("track.removed")] == [{"source": "camera"}]
    await until(lambda: len(viewer.offers) == 3)
    lines = SessionDescription.parse(viewer.offers[-1]).media
    assert [(line.rtp.muxId, line.direction) for line in lines] == [("0", "sendonly"), ("1", "inactive")]
    await asyncio.sleep(0.05)
    await ann.publish("screen")
    await until(lambda: "ann screen" in viewer.names.values())
    assert len(SessionDescription.parse(viewer.offers[-1]).media) == 2, "the free line was used again"


async def test_ice_restart_keeps_the_media_flowing(harness: Harness) -> None:
    viewer = await harness.join("bob")
    ann = await harness.join("ann")
    client = await ann.publish("mic")
    sender = Sender(client, client.tracks[0])
    old = client.remote_ufrag, client.remote_pwd
    answered = client.binding_answers
    client.ufrag, client.pwd = "fresh", "fresh-password-of-the-browser"
    await ann.negotiate()
    assert client.remote_ufrag != old[0]
    client.move()
    await until(lambda: client.binding_answers > answered)
    sender.send(b"after the restart")
    await until(lambda: b"after the restart" in viewer.got("ann mic"))
    # Checks that were under way with the old credentials are still answered.
    answered = client.binding_answers
    client.remote_ufrag, client.remote_pwd = old
    client.ping()
    await until(lambda: client.binding_answers > answered)
    # A plain renegotiation is no restart.
    before = (await harness.call("room.stats"))["peers"][1]["publish"]["path_changes"]
    assert before == 1


# -- subscribe offers -----------------------------------------------------------


async def test_many_tracks_come_in_one_offer_and_one_offer_is_in_flight(harness: Harness) -> None:
    viewer = RawPeer(harness, "bob")
    harness.peers["bob"] = viewer
    reply = await viewer.call("peer.add", generation=1, name="bob", publish=ALL)
    harness.listeners.remove(viewer._event)
    ann = await harness.join("ann")
    await ann.publish("mic", "camera")
    cho = await harness.join("cho")
    await cho.publish("mic")
    await asyncio.sleep(0.1)
    assert harness.named("subscribe.offer", "bob") == [], "the first one is not answered yet"
    await viewer.take_offer(reply["subscribe"])
    await until(lambda: harness.named("subscribe.offer", "bob"))
    (offer,) = harness.named("subscribe.offer", "bob")
    assert offer["data"]["version"] == 2
    await viewer.take_offer(offer["data"])
    assert set(viewer.names.values()) == {"ann mic", "ann camera", "cho mic"}
    await asyncio.sleep(0.1)
    assert len(harness.named("subscribe.offer", "bob")) == 1


async def test_a_line_is_used_again_only_when_it_was_seen_inactive(harness: Harness) -> None:
    viewer = await harness.join("bob")
    ann = await harness.join("ann")
    await ann.publish("mic")
    await until(lambda: len(viewer.offers) == 2)
    harness.listeners.remove(viewer._event)
    await asyncio.sleep(0.05)
    await harness.call("peer.remove", "ann")
    cho = await harness.join("cho")
    await cho.publish("mic")
    await until(lambda: len(harness.named("subscribe.offer", "bob")) == 2)
    offer = harness.named("subscribe.offer", "bob")[-1]["data"]
    await viewer.take_offer(offer)
    directions = {m.rtp.muxId: m.direction for m in SessionDescription.parse(offer["sdp"]).media}
    assert directions["0"] == "inactive"
    assert list(directions.values()).count("sendonly") <= 1


async def test_an_offer_that_got_lost_is_sent_again(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriber, "OFFER_REPEAT", 0.2)
    viewer = await harness.join("bob")
    harness.listeners.remove(viewer._event)
    ann = await harness.join("ann")
    await ann.publish("mic")
    await until(lambda: len(harness.named("subscribe.offer", "bob")) >= 2)
    first, second = (event["data"] for event in harness.named("subscribe.offer", "bob")[:2])
    assert first == second and first["version"] == 2
    await viewer.take_offer(second)
    told = len(harness.named("subscribe.offer", "bob"))
    await asyncio.sleep(1.2)
    assert len(harness.named("subscribe.offer", "bob")) == told


@pytest.mark.parametrize("what", ["garbage", "lines missing", "passive", "no fingerprint", "other mids"])
async def test_a_bad_answer_is_refused_and_may_be_repeated(harness: Harness, what: str) -> None:
    reply = await harness.call("peer.add", "ann", generation=1, name="", publish=[])
    good = MediaClient(IDENTITY).answer(reply["subscribe"]["sdp"])
    bad = {
        "garbage": "x",
        "lines missing": good[: good.index("m=video")],
        "passive": good.replace("a=setup:active", "a=setup:passive"),
        "no fingerprint": "\r\n".join(x for x in good.split("\r\n") if "fingerprint" not in x),
        "other mids": good.replace("a=mid:0", "a=mid:x").replace("BUNDLE 0", "BUNDLE x"),
    }[what]
    before = await state(harness)
    await refused(harness, "bad_sdp", "peer.answer", "ann", generation=1, version=1, sdp=bad)
    assert await state(harness) == before
    await harness.call("peer.answer", "ann", generation=1, version=1, sdp=good)
    assert await harness.call("peer.answer", "ann", generation=1, version=1, sdp=good) == {}
    await refused(harness, "bad_request", "peer.answer", "ann", generation=1, version=2, sdp=good)


async def test_a_refused_line_gets_nothing(harness: Harness) -> None:
    ann = await harness.join("ann")
    client = await ann.publish("mic", "camera")
    viewer = RawPeer(harness, "bob")
    viewer.refuse = frozenset({"0"})
    harness.peers["bob"] = viewer
    await viewer.join()
    mic, camera = (Sender(client, track) for track in client.tracks)
    for tag in range(30):
        mic.send(b"voice")
        camera.frame(True, tag)
        await asyncio.sleep(0.01)
    await until(lambda: viewer.got("ann camera"))
    assert viewer.got("ann mic") == []


async def test_a_full_room_stays_within_a_signalling_frame(harness: Harness) -> None:
    for number in range(25):
        name = f"participant-{number:02}"
        await harness.call("peer.add", name, generation=1, name=name, publish=ALL)
        text, tracks = offer_for("mic", "camera", "screen")
        await harness.call("peer.publish", name, generation=1, sdp=text, tracks=tracks)
    reply = await harness.call("peer.add", "viewer", generation=1, name="", publish=[])
    assert len(SessionDescription.parse(reply["subscribe"]["sdp"]).media) == 75
    assert len(reply["subscribe"]["sdp"]) < 60_000


BASE = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=ice-ufrag:abcd\r\n"
    "a=ice-pwd:0123456789012345678901\r\na=fingerprint:sha-256 " + ":".join(["AB"] * 32) + "\r\n"
    "a=setup:actpass\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=sendonly\r\na=rtcp-mux\r\n"
    "a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\na=ssrc:1 cname:x\r\n"
    "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=mid:1\r\na=sendonly\r\na=rtcp-mux\r\na=extmap:3 urn:x\r\n"
    "a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:* transport-cc\r\na=rtpmap:97 rtx/90000\r\n"
    "a=fmtp:97 apt=96\r\na=ssrc-group:FID 2 3\r\na=ssrc:2 cname:x\r\na=ssrc:3 cname:x\r\na=rid:q send\r\n"
)

_TRANSPORT = (
    "a=ice-pwd:4bf9e2ed5e7bbf8ab5c8a3b6f8e1d9c0\r\na=ice-ufrag:1f2e3d4c\r\na=mid:{mid}\r\n"
    "a=setup:actpass\r\na=rtcp-mux\r\na=rtcp-rsize\r\na=sendonly\r\n"
    "a=msid:{{b1a5c0de-1}} {{b1a5c0de-2}}\r\na=ssrc:{ssrc} cname:{{c0ffee}}\r\n"
)
FIREFOX = (
    "v=0\r\no=mozilla...THIS_IS_SDPARTA-99.0 4011 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=sendrecv\r\n"
    "a=fingerprint:sha-256 " + ":".join(["AB"] * 32) + "\r\na=group:BUNDLE 0 1\r\n"
    "a=ice-options:trickle\r\na=msid-semantic:WMS *\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 109 9 0 8 101\r\nc=IN IP4 0.0.0.0\r\n"
    "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n"
    "a=extmap:2/recvonly urn:ietf:params:rtp-hdrext:csrc-audio-level\r\n"
    "a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
    "a=fmtp:109 maxplaybackrate=48000;stereo=1;useinbandfec=1\r\na=fmtp:101 0-15\r\n"
    + _TRANSPORT.format(mid=0, ssrc=1111)
    + "a=rtpmap:109 opus/48000/2\r\na=rtpmap:9 G722/8000/1\r\na=rtpmap:0 PCMU/8000\r\n"
    "a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000/1\r\n"
    "m=video 9 UDP/TLS/RTP/SAVPF 120 124 121 125 126 127\r\nc=IN IP4 0.0.0.0\r\n"
    "a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
    "a=extmap:4 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\n"
    "a=extmap:7 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n"
    "a=fmtp:126 profile-level-id=42e01f;level-asymmetry-allowed=1;packetization-mode=1\r\n"
    "a=fmtp:120 max-fs=12288;max-fr=60\r\na=fmtp:124 apt=120\r\na=fmtp:125 apt=121\r\na=fmtp:127 apt=126\r\n"
    "a=rtcp-fb:120 nack\r\na=rtcp-fb:120 nack pli\r\na=rtcp-fb:120 ccm fir\r\na=rtcp-fb:120 transport-cc\r\n"
    + _TRANSPORT.format(mid=1, ssrc=2222)
    + "a=ssrc-group:FID 2222 3333\r\na=ssrc:3333 cname:{c0ffee}\r\n"
    "a=rtpmap:120 VP8/90000\r\na=rtpmap:124 rtx/90000\r\na=rtpmap:121 VP9/90000\r\n"
    "a=rtpmap:125 rtx/90000\r\na=rtpmap:126 H264/90000\r\na=rtpmap:127 rtx/90000\r\n"
)


async def test_a_peer_is_added_with_what_is_paused() -> None:
    """The list is whole: what an older generation had paused and is not in it goes on."""
    async with Harness() as harness:
        ann = await harness.join("ann")
        await ann.publish("mic", "camera")
        await ann.call("peer.pause", sources=["mic"], paused=True)
        room = harness.gateway._rooms["room"]

        async def paused(**data: Any) -> set[str]:
            await ann.call("peer.add", name="ann", publish=["mic", "camera"], **data)
            peer = room.peers["ann"]
            blocked = {name for name, source in peer.sources.items() if source.paused}
            assert blocked == peer.paused & set(peer.sources)
            return peer.paused

        assert await paused(generation=2, pause=["camera", "screen"]) == {"camera", "screen"}
        assert await paused(generation=3) == {"camera", "screen"}
        assert await paused(generation=4, pause=[]) == set()
        with pytest.raises(GatewayError, match="pause must be"):
            await ann.call("peer.add", generation=5, name="ann", publish=[], pause=["everything"])
        assert room.peers["ann"].generation == 4
