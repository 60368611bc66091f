"""Frames that are no requests, too many, or too large: an error each, and the connection goes on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from meetings.live import connection, protocol
from meetings.live.protocol import BadFrame, TokenBucket, read_frame
from tests.meetings.live.conftest import Cast
from tests.meetings.live.tabs import Tab

pytestmark = pytest.mark.django_db(transaction=True)

BROKEN = [
    ("{", "bad_json"),
    ("", "bad_json"),
    ("nonsense", "bad_json"),
    ("NaN", "bad_json"),
    ('{"id": 1, "type": "ping", "data": {"t": Infinity}}', "bad_json"),
    ('{"id": 1, "type": "chat.send", "data": {"body": "\\ud800"}}', "bad_json"),
    ("[" * 30_000, "bad_json"),
    ('{"id":' + "9" * 10_000 + "}", "bad_json"),
    ("[]", "bad_message"),
    ("7", "bad_message"),
    ("{}", "bad_message"),
    ('{"id": 0, "type": "ping"}', "bad_message"),
    ('{"id": -1, "type": "ping"}', "bad_message"),
    ('{"id": true, "type": "ping"}', "bad_message"),
    ('{"id": 1.5, "type": "ping"}', "bad_message"),
    ('{"id": 9007199254740992, "type": "ping"}', "bad_message"),
    ('{"id": "1", "type": "ping"}', "bad_message"),
    ("x" * 65_537, "too_large"),
]


@pytest.mark.parametrize(("text", "code"), BROKEN, ids=range(len(BROKEN)))
def test_what_is_no_request_is_named(text: str, code: str) -> None:
    with pytest.raises(BadFrame) as bad:
        read_frame(text)
    assert bad.value.error.code == code and bad.value.re is None


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ({"id": 3}, "bad_message"),
        ({"id": 3, "type": 5}, "bad_message"),
        ({"id": 3, "type": "ping", "data": []}, "bad_message"),
        ({"id": 3, "type": "chat.send", "data": {"body": "x" * 17_000}}, "too_large"),
    ],
)
def test_a_bad_request_with_an_id_is_answered_to_that_id(frame: dict[str, Any], code: str) -> None:
    with pytest.raises(BadFrame) as bad:
        read_frame(json.dumps(frame))
    assert bad.value.error.code == code and bad.value.re == 3


def test_only_session_descriptions_may_be_long() -> None:
    long = json.dumps({"id": 1, "type": "media.publish", "data": {"sdp": "v" * 50_000}})
    assert read_frame(long).type == "media.publish"


def test_size_counts_bytes_not_letters() -> None:
    with pytest.raises(BadFrame):
        read_frame(
            json.dumps({"id": 1, "type": "chat.send", "data": {"body": "会" * 6000}}, ensure_ascii=False)
        )


async def test_broken_frames_leave_the_connection_alive(cast: Cast, tab: Any) -> None:
    helen = await tab("Helen", join={})
    for text, code in BROKEN:
        answer = await helen.ask_raw(text)
        assert (
            answer == {"re": None, "ok": False, "error": answer["error"]} and answer["error"]["code"] == code
        )
        assert "Traceback" not in json.dumps(answer)
    await helen.socket.send_to(bytes_data=b"\x00\xff\x00")
    assert (await helen.response())["error"]["code"] == "bad_message"
    unknown = await helen.ask_raw('{"id": 77, "type": "__init__", "data": {}}')
    assert unknown["re"] == 77 and unknown["error"]["code"] == "unknown_type"
    assert (await helen.ask("ping", t=12.5))["t"] == 12.5


@pytest.mark.parametrize("size", [1024 * 1024 + 1])
async def test_a_frame_over_a_mebibyte_closes_with_1009(cast: Cast, tab: Any, size: int) -> None:
    helen, carl = await tab("Helen", join={}), await tab("Carl", join={})
    await helen.socket.send_to(text_data="x" * size)
    assert await helen.close_code() == 1009
    assert (await carl.ask("ping", t=1))["t"] == 1


async def test_bytes_over_a_mebibyte_close_too(cast: Cast, tab: Any) -> None:
    helen = await tab("Helen")
    await helen.socket.send_to(bytes_data=b"x" * (1024 * 1024 + 1))
    assert await helen.close_code() == 1009


def test_the_bucket_refuses_over_its_burst_and_fills_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(protocol.time, "monotonic", lambda: now[0])
    bucket = TokenBucket()
    assert [bucket.take() for _ in range(61)].count(True) == 60
    assert bucket.strikes == 1
    now[0] += 0.5
    assert [bucket.take() for _ in range(11)].count(True) == 10


async def test_too_many_requests_are_refused_then_the_socket_is_closed(
    cast: Cast, tab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    helen = await tab("Helen")
    frozen = protocol.time.monotonic()
    monkeypatch.setattr(protocol.time, "monotonic", lambda: frozen)
    helen_codes = []
    for number in range(1, 71):
        await helen.socket.send_to(text_data=json.dumps({"id": number, "type": "ping", "data": {}}))
        frame = await helen.response(number)
        helen_codes.append("ok" if frame["ok"] else frame["error"]["code"])
    assert helen_codes.count("ok") == 60 and helen_codes[60:] == ["rate_limited"] * 10
    assert await helen.close_code() == 4429


async def test_silence_closes_with_4408(cast: Cast, tab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "SILENCE", 0.2)
    helen = await tab("Helen")
    assert await helen.close_code() == 4408


async def test_a_fault_in_a_service_is_told_by_number_and_not_by_traceback(
    cast: Cast, tab: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from meetings.live import services

    def broken(**kwargs: Any) -> None:
        raise RuntimeError("secret detail")

    helen = await tab("Helen", join={})
    monkeypatch.setattr(services, "mute_all", broken)
    answer = await helen.ask_raw('{"id": 9, "type": "participant.mute_all", "data": {}}')
    assert answer["error"]["code"] == "internal" and "secret" not in json.dumps(answer)
    fault = next(record for record in caplog.records if "fault" in record.message)
    assert fault.message.split()[1] in answer["error"]["message"]
    assert (await helen.ask("ping", t=1))["t"] == 1


@pytest.mark.parametrize(
    ("type", "data"),
    [
        ("join", {"mic": "yes"}),
        ("join", {"resume": 5}),
        ("join", {"resume": "x" * 101}),
        ("join", {"takeover": 1}),
        ("ping", {"t": "now"}),
        ("ping", {"t": 1e300}),
        ("ping", {"t": [1]}),
        ("me.update", {"mic": None}),
        ("me.update", {"hand": 1}),
        ("chat.send", {}),
        ("chat.send", {"body": 5}),
        ("chat.send", {"body": "a\x00b"}),
        ("chat.send", {"body": "   \n "}),
        ("chat.history", {"before": "5"}),
        ("chat.history", {"before": -1}),
        ("lobby.admit", {}),
        ("lobby.admit", {"participant": "1 OR 1=1"}),
        ("lobby.admit", {"participant": {"$ne": 1}}),
        ("participant.mute", {"participant": "p000000000000", "source": "soul"}),
        ("participant.promote", {"participant": "p000000000000", "role": "host"}),
        ("media.publish", {"generation": 1, "sdp": "v=0", "tracks": "x"}),
        ("media.publish", {"generation": 1, "sdp": "v=0", "tracks": [{"mid": "0", "source": "x"}]}),
        ("media.publish", {"generation": True, "sdp": "v=0", "tracks": []}),
        ("media.answer", {"generation": 1, "sdp": "v=0"}),
    ],
)
async def test_data_of_the_wrong_kind_is_refused(
    cast: Cast, tab: Any, type: str, data: dict[str, Any]
) -> None:
    helen = await tab("Helen", join=None if type == "join" else {})
    answer = await helen.ask_raw(json.dumps({"id": 500, "type": type, "data": data}))
    assert answer["re"] == 500 and answer["error"]["code"] in ("bad_message", "too_large"), answer
    assert (await helen.ask("ping", t=1))["t"] == 1


async def test_a_foreign_origin_is_refused_before_anything_is_said(cast: Cast) -> None:
    tab = Tab(cast.meeting.code, cast.cookies["Helen"])
    headers = dict(tab.socket.scope["headers"])
    headers[b"origin"] = b"https://evil.example"
    tab.socket.scope["headers"] = list(headers.items())
    connected, _ = await tab.socket.connect()
    assert not connected
