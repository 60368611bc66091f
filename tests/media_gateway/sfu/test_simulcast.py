"""Simulcast: hostile names first, then what is answered, learned from packets, and passed on."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_gateway.sfu import rtcp, rtp, sdp, simulcast
from media_gateway.sfu.client import EXTENSIONS, MediaClient, OutTrack
from media_gateway.sfu.client_sdp import LAYER_EXTENSIONS, REPAIRED_RID_URI, RID_URI
from media_gateway.sfu.gateway import GatewayError
from media_gateway.sfu.simulcast import Rid
from tests.media_gateway.sfu.support import IDENTITY, Harness, RawPeer, until

SIZES = {"q": (320, 180), "h": (640, 360), "f": (1280, 720)}


def offer(rids: tuple[str, ...] = ("q", "h", "f"), change: tuple[str, str] = ("", "")) -> str:
    """A simulcast camera's offer; `change` is a part of it and what stands there instead."""
    client = MediaClient(IDENTITY)
    client.add_track("camera", rids=rids)
    old, new = change
    return client.offer().replace(old, new) if old else client.offer()


# -- refusals ------------------------------------------------------------


def hostile() -> dict[str, tuple[str, str]]:
    lines = "a=rid:q send\r\na=rid:h send\r\na=rid:f send\r\n"
    line = "a=simulcast:send q;h;f"
    return {
        "a rid with a space of its own": (lines, lines.replace("rid:q", "rid:q\x0b")),
        "a rid that is markup": (lines, lines.replace("rid:q ", "rid:<q> ")),
        "a rid of 17 characters": (lines, lines.replace("rid:q", "rid:" + "q" * 17)),
        "no direction": (lines, lines.replace("rid:q send", "rid:q")),
        "a strange direction": (lines, lines.replace("rid:q send", "rid:q sideways")),
        "a rid twice": (lines, lines + "a=rid:q send\r\n"),
        "a hundred rids": (lines, lines + "".join(f"a=rid:r{n} send\r\n" for n in range(100))),
        "payload types that are none": (lines, lines.replace("rid:q send", "rid:q send pt=x")),
        "a width that is none": (lines, lines.replace("rid:q send", "rid:q send max-width=wide")),
        "a rid that is not declared": (line, line + ";z"),
        "a rid twice in the line": (line, line + ";q"),
        "an empty stream": (line, line + ";"),
        "no stream": (line, "a=simulcast:send"),
        "a direction twice": (line, line + " sideways q"),
        "two lines": (line, line + "\r\n" + line),
        "three parts": (line, line + " recv"),
    }


@pytest.mark.parametrize("what", list(hostile()))
async def test_hostile_layers_are_refused_and_change_nothing(harness: Harness, what: str) -> None:
    await harness.call("peer.add", "ann", generation=1, name="Ann", publish=["camera"])
    before = json.dumps(await harness.call("room.stats"), sort_keys=True)
    with pytest.raises(GatewayError) as caught:
        await harness.call(
            "peer.publish", "ann", generation=1, sdp=offer(change=hostile()[what]),
            tracks=[{"mid": "0", "source": "camera"}],
        )  # fmt: skip
    assert caught.value.code == "bad_sdp"
    assert json.dumps(await harness.call("room.stats"), sort_keys=True) == before


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in (simulcast.read_rid, simulcast.read_simulcast):
        try:
            read(text)
        except ValueError:
            pass


# -- reading ------------------------------------------------------------


def test_lines_are_read() -> None:
    assert simulcast.read_rid("h send") == Rid("h")
    assert simulcast.read_rid("hi send pt=96,98;max-width=1280;max-height=720;max-fps=30") == Rid(
        "hi", (96, 98), 1280, 720
    )
    assert simulcast.read_rid("x recv") is None
    assert simulcast.read_simulcast("send q;h;f") == ["q", "h", "f"]
    assert simulcast.read_simulcast("recv a;b send ~q;h,g") == ["q", "h"]
    assert simulcast.read_simulcast("recv a;b") == []


@pytest.mark.parametrize(
    ("rids", "expected"),
    [
        ("qhf", "qhf"),
        ("fhq", "qhf"),
        ("hml", "lmh"),
        ("lsm", "sml"),
        ("210", "012"),
        ("hq", "qh"),
        ("xay", "xay"),
    ],
)
def test_names_tell_the_quality_if_they_are_known(rids: str, expected: str) -> None:
    assert simulcast.by_quality([Rid(rid) for rid in rids]) == list(expected)


def test_size_limits_tell_the_quality_before_names() -> None:
    assert simulcast.by_quality([Rid("q", (), 1280, 720), Rid("h", (), 320, 180)]) == ["h", "q"]
    assert simulcast.by_quality([Rid("a", (), 640), Rid("b", (), 320), Rid("c", (), 1280)]) == list("bac")
    assert simulcast.by_quality([Rid("f"), Rid("q", (), 320)]) == ["q", "f"], "one does not tell"


# -- answers ------------------------------------------------------------


async def publish(harness: Harness, text: str) -> tuple[sdp.MediaSection, str]:
    await harness.call("peer.add", "ann", generation=1, name="Ann", publish=["camera"])
    tracks = [{"mid": "0", "source": "camera"}]
    reply = await harness.call("peer.publish", "ann", generation=1, sdp=text, tracks=tracks)
    return sdp.parse(reply["sdp"]).media[0], reply["sdp"]


async def layers(harness: Harness) -> list[str]:
    stats = await harness.call("room.stats")
    return [layer["rid"] for layer in stats["peers"][0]["publish"]["tracks"][0]["layers"]]


async def test_the_answer_takes_the_layers_with_the_browsers_ids(harness: Harness) -> None:
    section, text = await publish(harness, offer(("f", "h", "q")))
    for line in ("a=rid:f recv", "a=rid:h recv", "a=rid:q recv", "a=simulcast:recv f;h;q"):
        assert line + "\r\n" in text
    assert section.extensions[RID_URI] == LAYER_EXTENSIONS[RID_URI]
    assert section.extensions[REPAIRED_RID_URI] == LAYER_EXTENSIONS[REPAIRED_RID_URI]
    assert await layers(harness) == ["q", "h", "f"], "lowest first"


async def test_of_more_than_three_layers_the_first_three_are_taken(harness: Harness) -> None:
    _, text = await publish(harness, offer(("a", "b", "c", "d", "e")))
    assert "a=simulcast:recv a;b;c\r\n" in text and "a=rid:d" not in text
    assert await layers(harness) == ["a", "b", "c"]


async def test_layers_for_another_codec_are_left_out(harness: Harness) -> None:
    change = ("a=rid:f send", "a=rid:f send pt=45")
    _, text = await publish(harness, offer(change=change))
    assert "a=simulcast:recv q;h\r\n" in text


async def test_rids_without_a_simulcast_line_or_an_extension_are_one_stream(harness: Harness) -> None:
    change = ("a=simulcast:send q;h;f\r\n", "")
    _, text = await publish(harness, offer(change=change))
    assert "a=rid" not in text and "simulcast" not in text and await layers(harness) == [""]
    await harness.call("peer.remove", "ann")
    change = (RID_URI, "urn:x")
    _, text = await publish(harness, offer(change=change))
    assert "simulcast" not in text and await layers(harness) == [""]


async def test_layers_may_be_named_by_ssrc(harness: Harness) -> None:
    """As Safari and OBS do it: SIM groups, lowest first, each with its own retransmissions."""
    lines = "".join(
        f"a=ssrc-group:FID {ssrc} {ssrc + 10}\r\na=ssrc:{ssrc} cname:x\r\na=ssrc:{ssrc + 10} cname:x\r\n"
        for ssrc in (1, 2, 3)
    )
    text = offer(()).split("a=ssrc-group")[0] + "a=ssrc-group:SIM 1 2 3\r\n" + lines
    _, answer = await publish(harness, text)
    assert "rid" not in answer
    assert await layers(harness) == ["0", "1", "2"]
    connection = harness.gateway._rooms["room"].peers["ann"].publish
    assert connection is not None
    assert {ssrc: stream.rid for ssrc, stream in connection.by_ssrc.items()} == {
        1: "0", 11: "0", 2: "1", 12: "1", 3: "2", 13: "2",
    }  # fmt: skip


# -- packets ------------------------------------------------------------


class LayerSender:
    """Makes the packets of one layer: MID and RID in its first ones, as browsers send them."""

    def __init__(self, client: MediaClient, track: OutTrack, rid: str, sequence: int) -> None:
        self.client, self.track, self.rid = client, track, rid
        self.size = SIZES[rid]
        self.sequence, self.timestamp = sequence, 5000
        self.rtx_sequence = 7
        self.payloads: dict[int, bytes] = {}

    def _packet(self, uri: str, ssrc: int, payload_type: int, sequence: int, payload: bytes) -> bytes:
        number = self.client.transport_number
        self.client.transport_number += 1
        elements = bytes((EXTENSIONS[rtp.TRANSPORT_CC_URI] << 4 | 1,)) + number.to_bytes(2, "big")
        elements += bytes((EXTENSIONS[rtp.MID_URI] << 4, ord(self.track.mid)))
        elements += bytes((LAYER_EXTENSIONS[uri] << 4 | len(self.rid) - 1,)) + self.rid.encode("latin-1")
        elements += bytes(-len(elements) % 4)
        head = rtp.HEADER.pack(0x90, 0x80 | payload_type, sequence & 0xFFFF, self.timestamp, ssrc)
        return head + rtp.EXTENSION_HEAD.pack(rtp.ONE_BYTE_PROFILE, len(elements) // 4) + elements + payload

    def frame(self, key: bool, *, send: bool = True) -> bytes:
        width, height = self.size
        tag = f"{self.rid} {self.sequence}".encode()
        payload = b"\x10\x01" + bytes(9) + tag
        if key:
            size = width.to_bytes(2, "little") + height.to_bytes(2, "little")
            payload = b"\x10\x00\x00\x00\x9d\x01\x2a" + size + tag
        self.payloads[self.sequence] = payload
        packet = self._packet(
            RID_URI, self.track.layers[self.rid], self.track.codec.payload_type, self.sequence, payload
        )
        self.sequence += 1
        self.timestamp += 3000
        if send:
            self.client.send_rtp(packet)
        return payload

    def repair(self, sequence: int, payload: bytes | None = None) -> None:
        assert self.track.codec.rtx_payload_type is not None
        inner = sequence.to_bytes(2, "big") + self.payloads[sequence] if payload is None else payload
        ssrc = self.track.layers[self.rid] + 1
        self.rtx_sequence += 1
        self.client.send_rtp(
            self._packet(REPAIRED_RID_URI, ssrc, self.track.codec.rtx_payload_type, self.rtx_sequence, inner)
        )


async def publisher(harness: Harness) -> tuple[RawPeer, dict[str, LayerSender]]:
    ann = await harness.join("ann")
    client = ann.publisher = MediaClient(IDENTITY)
    track = client.add_track("camera", rids=("q", "h", "f"))
    await ann.negotiate()
    await asyncio.wait_for(client.connected.wait(), 5)
    senders = {rid: LayerSender(client, track, rid, 100 * place) for place, rid in enumerate("qhf", 1)}
    return ann, senders


async def published(harness: Harness) -> dict[str, dict[str, object]]:
    """What is known of each layer, and of the stream that carries it."""
    stats = await harness.call("room.stats")
    (peer,) = [peer for peer in stats["peers"] if peer["peer"] == "ann"]
    (track,) = peer["publish"]["tracks"]
    return {
        layer["rid"]: {**layer, **stream}
        for layer, stream in zip(track["layers"], track["streams"], strict=True)
    }


async def test_layers_are_learned_from_their_packets(harness: Harness) -> None:
    viewer = await harness.join("bob")
    _, senders = await publisher(harness)
    await until(lambda: "ann camera" in viewer.names.values())
    for _ in range(5):
        for sender in senders.values():
            sender.frame(True)
        await asyncio.sleep(0.02)
    await until(lambda: viewer.got("ann camera"))
    found = await published(harness)
    assert list(found) == ["q", "h", "f"]
    for rid, layer in found.items():
        assert (layer["width"], layer["height"]) == SIZES[rid]
        assert layer["received"] == layer["packets"] == 5 and layer["lost"] == 0
    names = {payload.split()[-2][-1:] for payload in viewer.got("ann camera")}
    assert names == {b"f"}, "one layer at a time, at first the best"
    assert len({packet.ssrc for packet in viewer.received["ann camera"]}) == 1


async def test_losses_of_one_layer_are_asked_for_and_repaired(harness: Harness) -> None:
    await harness.join("bob")
    ann, senders = await publisher(harness)
    assert ann.publisher is not None
    got: list[rtcp.Packet] = []
    ann.publisher.on_rtcp = lambda packet: got.extend(rtcp.parse(packet))
    for sender in senders.values():
        sender.frame(True)
    lost = senders["h"].sequence
    senders["h"].frame(False, send=False)
    senders["h"].frame(False)
    senders["h"].frame(False)
    await until(lambda: [packet for packet in got if isinstance(packet, rtcp.Nack)])
    (nack, *_) = [packet for packet in got if isinstance(packet, rtcp.Nack)]
    assert nack.sequences == [lost] and nack.media == senders["h"].track.layers["h"]
    senders["h"].repair(lost)

    async def repaired() -> bool:
        return (await published(harness))["h"]["recovered"] == 1

    while not await repaired():
        await asyncio.sleep(0.02)
    found = await published(harness)
    assert [found[rid]["lost"] for rid in "qhf"] == [0, 0, 0]


async def test_probes_count_for_the_feedback_and_for_nothing_else(harness: Harness) -> None:
    ann, senders = await publisher(harness)
    assert ann.publisher is not None
    reported: list[int] = []

    def listen(packet: bytes) -> None:
        for message in rtcp.parse(packet):
            if isinstance(message, rtcp.TransportFeedback):
                reported.append(int.from_bytes(message.body[2:4], "big"))

    ann.publisher.on_rtcp = listen
    sender = senders["q"]
    sender.repair(0, payload=b"")  # before any media: how a browser tries the line out
    sender.frame(True)
    old = sender.sequence - 1
    sender.repair(0, payload=b"")
    sender.repair(old)  # one that was received: a probe made of what there is
    sender.payloads[old - 2000 & 0xFFFF] = b"long ago"
    sender.repair(old - 2000 & 0xFFFF)
    sender.payloads[old - 1999 & 0xFFFF] = b"long ago"
    sender.repair(old - 1999 & 0xFFFF)
    sender.frame(False)
    await until(lambda: sum(reported) >= 7)
    layer = (await published(harness))["q"]
    assert (layer["packets"], layer["received"], layer["lost"]) == (2, 2, 0)


async def test_a_silent_layer_is_no_loss(harness: Harness) -> None:
    ann, senders = await publisher(harness)
    assert ann.publisher is not None
    got: list[rtcp.Packet] = []
    ann.publisher.on_rtcp = lambda packet: got.extend(rtcp.parse(packet))
    senders["f"].frame(True)
    for _ in range(20):
        senders["q"].frame(True)
        await asyncio.sleep(0.02)
    senders["f"].timestamp += 90000
    senders["f"].frame(True)
    await until(lambda: [packet for packet in got if isinstance(packet, rtcp.ReceiverReport)], timeout=8)
    assert not [packet for packet in got if isinstance(packet, rtcp.Nack)]
    found = await published(harness)
    assert (found["f"]["packets"], found["f"]["lost"]) == (2, 0)
    reported = {
        block.ssrc for packet in got if isinstance(packet, rtcp.ReceiverReport) for block in packet.reports
    }
    assert {senders[rid].track.layers[rid] for rid in "qf"} <= reported, "a block for each layer"


async def test_a_layer_that_comes_with_another_ssrc_goes_on(harness: Harness) -> None:
    _, senders = await publisher(harness)
    sender = senders["q"]
    sender.frame(True)
    await asyncio.sleep(0.05)
    sender.track.layers["q"] += 100
    sender.sequence, sender.timestamp = 9000, 123456
    sender.frame(True)
    sender.frame(False)
    for _ in range(100):
        if (await published(harness))["q"]["packets"] == 3:
            break
        await asyncio.sleep(0.02)
    layer = (await published(harness))["q"]
    assert (layer["packets"], layer["received"], layer["lost"]) == (3, 2, 0)


async def test_strange_rids_and_types_find_no_layer(harness: Harness) -> None:
    _, senders = await publisher(harness)
    sender = senders["q"]
    codec = sender.track.codec
    good = sender.track.layers["q"]
    assert codec.rtx_payload_type is not None
    strange = [
        ("x", RID_URI, codec.payload_type),
        ("q\xff", RID_URI, codec.payload_type),
        ("q", RID_URI, 63),
        ("q", RID_URI, codec.rtx_payload_type),  # media by the layer's name, repetitions by the repaired one
    ]
    for place, (rid, uri, payload_type) in enumerate(strange):
        sender.rid = rid
        packet = sender._packet(uri, 70 + place, payload_type, 1, b"\x10\x00\x00\x00")
        sender.client.send_rtp(packet)
    sender.rid = "q"
    sender.frame(True)
    for _ in range(100):
        if (await published(harness))["q"]["packets"]:
            break
        await asyncio.sleep(0.02)
    connection = harness.gateway._rooms["room"].peers["ann"].publish
    assert connection is not None and list(connection.by_ssrc) == [good]


async def test_the_larger_picture_is_the_better_whatever_the_names_say(harness: Harness) -> None:
    """OBS numbers its layers from the best down."""
    await harness.join("bob")
    _, senders = await publisher(harness)
    sizes = [SIZES["f"], SIZES["h"], SIZES["q"]]
    for rid, size in zip("qhf", sizes, strict=True):
        senders[rid].size = size
    deadline = asyncio.get_running_loop().time() + 10
    while list(await published_layers(harness)) != ["f", "h", "q"]:
        for sender in senders.values():
            sender.frame(True)
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.05)


async def published_layers(harness: Harness) -> list[str]:
    stats = await harness.call("room.stats")
    (peer,) = [peer for peer in stats["peers"] if peer["peer"] == "ann"]
    return [layer["rid"] for layer in peer["publish"]["tracks"][0]["layers"]]
