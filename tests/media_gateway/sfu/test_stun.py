"""Binding requests: read, checked, answered; everything else is refused cheaply."""

import secrets

import pytest
from aioice import stun as reference
from hypothesis import given
from hypothesis import strategies as st

from media_gateway.sfu import stun

PASSWORD = b"a-password-of-ours-1234"


def reference_request(password: str = PASSWORD.decode(), **attributes: object) -> bytes:
    message = reference.Message(reference.Method.BINDING, reference.Class.REQUEST)
    message.attributes["USERNAME"] = "ours:theirs"
    message.attributes["PRIORITY"] = 1
    message.attributes["ICE-CONTROLLING"] = 7
    message.attributes.update(attributes)
    message.add_message_integrity(password.encode())
    return bytes(message)


def test_a_browsers_request_is_read_and_authenticated() -> None:
    request = stun.parse_binding_request(reference_request())
    assert request is not None
    assert request.local_ufrag == b"ours"
    assert not request.use_candidate
    assert stun.authenticates(request, PASSWORD)
    assert not stun.authenticates(request, b"another-password-of-ours")


def test_nomination_is_seen() -> None:
    request = stun.parse_binding_request(reference_request(**{"USE-CANDIDATE": None}))
    assert request is not None and request.use_candidate


@pytest.mark.parametrize("address", [("192.0.2.7", 40001), ("2001:db8::17", 5)])
def test_the_answer_is_what_a_reference_implementation_expects(address: tuple[str, int]) -> None:
    transaction = secrets.token_bytes(12)
    answer = reference.parse_message(stun.binding_success(transaction, *address, PASSWORD))
    assert answer.message_class == reference.Class.RESPONSE
    assert answer.transaction_id == transaction
    assert answer.attributes["XOR-MAPPED-ADDRESS"] == address
    assert answer.check_message_integrity(PASSWORD)


def test_our_own_request_is_what_a_reference_implementation_expects() -> None:
    data = stun.binding_request(secrets.token_bytes(12), b"odd:x", PASSWORD, use_candidate=True)
    message = reference.parse_message(data)
    assert message.attributes["USERNAME"] == "odd:x"
    assert "USE-CANDIDATE" in message.attributes
    assert message.check_message_integrity(PASSWORD)


def test_one_changed_bit_is_noticed_anywhere() -> None:
    good = reference_request()
    for place in range(len(good) - 8):  # all but FINGERPRINT, whose absence is no offence
        bad = bytearray(good)
        bad[place] ^= 0x10
        request = stun.parse_binding_request(bytes(bad))
        assert request is None or not stun.authenticates(request, PASSWORD), place


def test_attributes_after_the_integrity_are_not_believed() -> None:
    good = reference_request()
    without_fingerprint = bytearray(good[:-8])
    without_fingerprint += stun.ATTRIBUTE.pack(stun.USE_CANDIDATE, 0)
    without_fingerprint[2:4] = (len(without_fingerprint) - 20).to_bytes(2, "big")
    request = stun.parse_binding_request(bytes(without_fingerprint))
    assert request is not None
    assert not request.use_candidate


def test_only_requests_with_username_and_integrity_count() -> None:
    plain = bytes(reference.Message(reference.Method.BINDING, reference.Class.REQUEST))
    response = reference.Message(reference.Method.BINDING, reference.Class.RESPONSE)
    response.attributes["USERNAME"] = "ours:theirs"
    response.add_message_integrity(PASSWORD)
    assert stun.parse_binding_request(plain) is None
    assert stun.parse_binding_request(bytes(response)) is None


def test_the_fragment_is_seen_before_all_else_where_browsers_write_it() -> None:
    assert stun.peek_ufrag(stun.binding_request(secrets.token_bytes(12), b"ours:theirs", PASSWORD)) == b"ours"
    assert stun.peek_ufrag(reference_request()) == b"ours"
    later = bytearray(reference_request())
    later[20:22] = b"\x00\x24"
    assert stun.peek_ufrag(bytes(later)) is None


@given(st.binary(max_size=600))
def test_looking_for_a_fragment_raises_nothing(data: bytes) -> None:
    found = stun.peek_ufrag(data)
    assert found is None or found in data


@given(st.binary(max_size=600))
def test_any_bytes_are_refused_without_an_error(data: bytes) -> None:
    assert stun.parse_binding_request(data) is None


@given(st.binary(max_size=64))
def test_any_bytes_after_a_good_header_raise_nothing(body: bytes) -> None:
    body = body[: len(body) & ~3]
    head = stun.HEADER.pack(stun.BINDING_REQUEST, len(body), stun.COOKIE, bytes(12))
    request = stun.parse_binding_request(head + body)
    assert request is None or not stun.authenticates(request, PASSWORD)
