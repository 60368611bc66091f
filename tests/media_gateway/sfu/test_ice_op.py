"""`peer.ice`: an ICE restart of a publishing connection without a new offer, as WHIP clients do it."""

import asyncio

import pytest

from media_gateway.sfu import transport
from media_gateway.sfu.client import MediaClient
from media_gateway.sfu.errors import GatewayError
from tests.media_gateway.sfu.support import IDENTITY, Harness, Sender, until


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({"generation": 1}, "bad_request"),
        ({"generation": 1, "ufrag": "a b"}, "bad_request"),
        ({"generation": 1, "ufrag": "abc"}, "bad_request"),
        ({"generation": 1, "ufrag": 7}, "bad_request"),
        ({"generation": 2, "ufrag": "abcd"}, "stale_generation"),
        ({"generation": 1, "ufrag": "abcd"}, "not_found"),
    ],
)
async def test_refusals(harness: Harness, data: dict[str, object], code: str) -> None:
    await harness.call("peer.add", "ann", generation=1, name="", publish=["camera"])
    with pytest.raises(GatewayError) as refused:
        await harness.call("peer.ice", "ann", **data)
    assert refused.value.code == code
    with pytest.raises(GatewayError, match="no such"):
        await harness.call("peer.ice", "bob", generation=1, ufrag="abcd")


async def test_media_goes_on_with_the_new_credentials_from_another_port(harness: Harness) -> None:
    ann, bob = await harness.join("ann"), await harness.join("bob")
    client = await ann.publish("camera")
    sender = Sender(client, client.tracks[0])
    await until(lambda: "ann camera" in bob.names.values())

    async def arrives(first: bytes) -> None:
        def sent() -> bool:
            sender.frame(True, 1)
            return any(payload.startswith(first[:4]) for payload in bob.got("ann camera"))

        await until(sent)

    await arrives(b"\x10\x00\x9d\x01")
    before = (client.remote_ufrag, client.remote_pwd)
    reply = await harness.call("peer.ice", "ann", generation=1, ufrag="newOne")
    assert (reply["ufrag"], reply["pwd"]) != before
    assert any(line.startswith("a=candidate:") for line in reply["candidates"])
    assert reply["candidates"][-1] == "a=end-of-candidates"
    client.ufrag, client.remote_ufrag, client.remote_pwd = "newOne", reply["ufrag"], reply["pwd"]
    answers = client.binding_answers
    client.move()
    await until(lambda: client.binding_answers > answers, what="a binding answer with the new password")
    count = len(bob.got("ann camera"))
    await until(lambda: sender.frame(False, 2) and len(bob.got("ann camera")) > count + 3)
    assert [
        s["pc"] for s in (e["data"] for e in harness.named("peer.state", "ann")) if s["state"] == "failed"
    ] == []


async def test_media_is_a_sign_of_life_of_who_only_sends(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some encoders make no checks once connected; they stay as long as they send, and go when they stop."""
    monkeypatch.setattr(transport, "DISCONNECTED_AFTER", 0.3)
    monkeypatch.setattr(transport, "LOST_AFTER", 1.5)
    harness.gateway.config.lost_after = 1.5
    await harness.call("peer.add", "ann", generation=1, name="", publish=["camera"])
    client = MediaClient(IDENTITY)
    client.add_track("camera")
    try:
        reply = await harness.call(
            "peer.publish", "ann", generation=1, sdp=client.offer(), tracks=client.published()
        )
        client.connect(reply["sdp"])
        await until(client.connected.is_set)
        client.pinging = False
        sender = Sender(client, client.tracks[0])
        for _ in range(30):
            sender.frame(True, 1)
            await asyncio.sleep(0.1)
        assert not harness.named("peer.gone", "ann")
        assert [e["data"]["state"] for e in harness.named("peer.state", "ann")][-1] == "connected"
        await until(lambda: harness.named("peer.gone", "ann"), 10)
        assert "disconnected" in [e["data"]["state"] for e in harness.named("peer.state", "ann")]
    finally:
        client.close()
