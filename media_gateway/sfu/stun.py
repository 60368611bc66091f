"""The part of STUN that an ICE-lite server needs: answer authenticated binding requests (RFC 8489, RFC 8445).

Written for cheap refusal: anything that is not a binding request costs a few comparisons and no allocation
that outlives the call. Nothing here is answered before its MESSAGE-INTEGRITY was checked, and no answer is
longer than its request: a valid one is at least 68 bytes and an answer to it at most that.
"""

import binascii
import hmac
import secrets
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass

COOKIE = 0x2112A442
HEADER = struct.Struct("!HHI12s")
ATTRIBUTE = struct.Struct("!HH")
BINDING_REQUEST = 0x0001
BINDING_SUCCESS = 0x0101
BINDING_ERROR = 0x0111
MAPPED_ADDRESS = 0x0001
USERNAME = 0x0006
MESSAGE_INTEGRITY = 0x0008
ERROR_CODE = 0x0009
UNKNOWN_ATTRIBUTES = 0x000A
XOR_MAPPED_ADDRESS = 0x0020
PRIORITY = 0x0024
USE_CANDIDATE = 0x0025
ICE_CONTROLLED = 0x8029
ICE_CONTROLLING = 0x802A
FINGERPRINT = 0x8028
FINGERPRINT_XOR = 0x5354554E
UNKNOWN_ATTRIBUTE = 420
ROLE_CONFLICT = 487
TIE_BREAKER = secrets.token_bytes(8)
COMPREHENSION_OPTIONAL = 0x8000
UNDERSTOOD = frozenset({MAPPED_ADDRESS, USERNAME, MESSAGE_INTEGRITY, PRIORITY, USE_CANDIDATE})
"""Attributes under 0x8000 that a request may carry; with any other it is refused (RFC 8489 section 6.3)."""
MAX_LENGTH = 548
"""Binding requests of browsers are ~100 bytes; more than a minimal UDP payload is not one of them."""


@dataclass(frozen=True, slots=True)
class BindingRequest:
    """A binding request whose integrity is still to be checked by `authenticates`."""

    transaction: bytes
    username: bytes
    """`<receiver's ufrag>:<sender's ufrag>`"""
    use_candidate: bool
    controlled: bool
    """The sender takes itself for the controlled side, which towards a lite agent it never is."""
    unknown: tuple[int, ...]
    """Attributes that it insists on and that nobody here understands."""
    fingerprint: bool
    covered: bytes
    """The bytes that MESSAGE-INTEGRITY covers, length field already adjusted."""
    integrity: bytes

    @property
    def local_ufrag(self) -> bytes:
        return self.username.partition(b":")[0]


def _with_length(data: bytes, length: int) -> bytes:
    return data[:2] + length.to_bytes(2, "big") + data[4:]


def peek_ufrag(data: bytes) -> bytes | None:
    """The receiver's ufrag of what may be a request, when USERNAME comes first as browsers write it.

    For a quick refusal: nothing else is checked.
    """
    if data[20:22] != b"\x00\x06" or len(data) < 24:
        return None
    return data[24 : 24 + (data[22] << 8 | data[23])].partition(b":")[0]


def parse_binding_request(data: bytes) -> BindingRequest | None:
    """Parse one datagram. None for anything but a whole binding request with USERNAME and MESSAGE-
    INTEGRITY.
    """
    size = len(data)
    if size < 20 or size > MAX_LENGTH or size & 3:
        return None
    kind, length, cookie, transaction = HEADER.unpack_from(data)
    if kind != BINDING_REQUEST or cookie != COOKIE or length != size - 20:
        return None
    username = b""
    use_candidate = controlled = fingerprinted = False
    unknown: list[int] = []
    covered = integrity = None
    at = 20
    while at + 4 <= size:
        attribute, length = ATTRIBUTE.unpack_from(data, at)
        end = at + 4 + length
        if end > size:
            return None
        if integrity is None:
            if attribute == USERNAME:
                username = data[at + 4 : end]
            elif attribute == USE_CANDIDATE:
                use_candidate = True
            elif attribute == MESSAGE_INTEGRITY:
                if length != 20:
                    return None
                integrity = data[at + 4 : end]
                covered = _with_length(data[:at], at + 24 - 20)
            elif attribute == ICE_CONTROLLED:
                controlled = True
            elif attribute < COMPREHENSION_OPTIONAL and attribute not in UNDERSTOOD:
                unknown.append(attribute)
        # Only FINGERPRINT may follow MESSAGE-INTEGRITY; anything else there is unauthenticated and not read.
        if attribute == FINGERPRINT:
            if length != 4 or fingerprint(data[:at]) != data[at + 4 : end]:
                return None
            fingerprinted = True
        at = end + (-length & 3)
    if integrity is None or covered is None or not username:
        return None
    return BindingRequest(
        transaction, username, use_candidate, controlled, tuple(unknown), fingerprinted, covered, integrity
    )


def authenticates(request: BindingRequest, password: bytes) -> bool:
    """Whether the request's MESSAGE-INTEGRITY was made with `password` (constant time)."""
    return hmac.compare_digest(hmac.digest(password, request.covered, "sha1"), request.integrity)


def fingerprint(data: bytes) -> bytes:
    """The FINGERPRINT value for a message that so far is `data` (RFC 8489 section 14.7)."""
    checked = _with_length(data, len(data) - 20 + 8)
    return struct.pack("!I", binascii.crc32(checked) ^ FINGERPRINT_XOR)


def xor_address(ip: str, port: int, transaction: bytes) -> bytes:
    """The value of XOR-MAPPED-ADDRESS for an address given as text."""
    mask = struct.pack("!I", COOKIE) + transaction
    family, raw = (2, socket.inet_pton(socket.AF_INET6, ip)) if ":" in ip else (1, socket.inet_aton(ip))
    masked = bytes(a ^ b for a, b in zip(raw, mask, strict=False))
    return struct.pack("!BBH", 0, family, port ^ (COOKIE >> 16)) + masked


def _signed(kind: int, transaction: bytes, body: bytes, password: bytes, *, fingerprinted: bool) -> bytes:
    head = HEADER.pack(kind, len(body) + 24, COOKIE, transaction) + body
    signed = head + ATTRIBUTE.pack(MESSAGE_INTEGRITY, 20) + hmac.digest(password, head, "sha1")
    if not fingerprinted:
        return signed
    return _with_length(signed, len(signed) - 20 + 8) + ATTRIBUTE.pack(FINGERPRINT, 4) + fingerprint(signed)


def binding_success(
    transaction: bytes, ip: str, port: int, password: bytes, *, fingerprinted: bool = True
) -> bytes:
    """A success answer with XOR-MAPPED-ADDRESS, MESSAGE-INTEGRITY (our own password) and FINGERPRINT."""
    value = xor_address(ip, port, transaction)
    body = ATTRIBUTE.pack(XOR_MAPPED_ADDRESS, len(value)) + value
    return _signed(BINDING_SUCCESS, transaction, body, password, fingerprinted=fingerprinted)


def binding_error(
    transaction: bytes, code: int, password: bytes, *, unknown: Iterable[int] = (), fingerprinted: bool = True
) -> bytes:
    """An error answer without words; `unknown` are the attributes that a 420 is about."""
    body = ATTRIBUTE.pack(ERROR_CODE, 4) + struct.pack("!HBB", 0, code // 100, code % 100)
    listed = b"".join(attribute.to_bytes(2, "big") for attribute in unknown)
    if listed:
        body += ATTRIBUTE.pack(UNKNOWN_ATTRIBUTES, len(listed)) + listed + bytes(-len(listed) & 3)
    return _signed(BINDING_ERROR, transaction, body, password, fingerprinted=fingerprinted)


def answer(request: BindingRequest, ip: str, port: int, password: bytes) -> tuple[bytes, bool]:
    """What an authenticated request gets, and whether it counts as a valid check.

    As a lite agent we are always the controlled side: whoever claims to be it is told to change its role (RFC
    8445 section 7.3.1.1), which is no valid check yet.
    """
    if request.unknown:
        return binding_error(
            request.transaction, UNKNOWN_ATTRIBUTE, password, unknown=request.unknown,
            fingerprinted=request.fingerprint,
        ), False  # fmt: skip
    if request.controlled:
        return binding_error(
            request.transaction, ROLE_CONFLICT, password, fingerprinted=request.fingerprint
        ), False
    return binding_success(request.transaction, ip, port, password, fingerprinted=request.fingerprint), True


def binding_request(
    transaction: bytes,
    username: bytes,
    password: bytes,
    *,
    use_candidate: bool = False,
    controlling: bool = True,
) -> bytes:
    """A client's binding request, for health checks and load generators."""
    body = ATTRIBUTE.pack(USERNAME, len(username)) + username + bytes(-len(username) & 3)
    body += ATTRIBUTE.pack(PRIORITY, 4) + struct.pack("!I", 0x6E7F1EFF)
    body += ATTRIBUTE.pack(ICE_CONTROLLING if controlling else ICE_CONTROLLED, 8) + TIE_BREAKER
    if use_candidate:
        body += ATTRIBUTE.pack(USE_CANDIDATE, 0)
    return _signed(BINDING_REQUEST, transaction, body, password, fingerprinted=True)
