"""The part of STUN that an ICE-lite server needs: answer authenticated binding requests (RFC 8489, RFC 8445).

Written for cheap refusal: anything that is not a binding request costs a few comparisons and no allocation
that outlives the call. Nothing here is answered before its MESSAGE-INTEGRITY was checked.
"""

import binascii
import hmac
import socket
import struct
from dataclasses import dataclass

COOKIE = 0x2112A442
HEADER = struct.Struct("!HHI12s")
ATTRIBUTE = struct.Struct("!HH")
BINDING_REQUEST = 0x0001
BINDING_SUCCESS = 0x0101
USERNAME = 0x0006
MESSAGE_INTEGRITY = 0x0008
XOR_MAPPED_ADDRESS = 0x0020
PRIORITY = 0x0024
USE_CANDIDATE = 0x0025
FINGERPRINT = 0x8028
FINGERPRINT_XOR = 0x5354554E
MAX_LENGTH = 548
"""Binding requests of browsers are ~100 bytes; more than a minimal UDP payload is not one of them."""


@dataclass(frozen=True, slots=True)
class BindingRequest:
    """A binding request whose integrity is still to be checked by `authenticates`."""

    transaction: bytes
    username: bytes
    """`<receiver's ufrag>:<sender's ufrag>`"""
    use_candidate: bool
    covered: bytes
    """The bytes that MESSAGE-INTEGRITY covers, length field already adjusted."""
    integrity: bytes

    @property
    def local_ufrag(self) -> bytes:
        return self.username.partition(b":")[0]


def _with_length(data: bytes, length: int) -> bytes:
    return data[:2] + length.to_bytes(2, "big") + data[4:]


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
    use_candidate = False
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
        # Only FINGERPRINT may follow MESSAGE-INTEGRITY; anything else there is unauthenticated and not read.
        if attribute == FINGERPRINT and (length != 4 or fingerprint(data[:at]) != data[at + 4 : end]):
            return None
        at = end + (-length & 3)
    if integrity is None or covered is None or not username:
        return None
    return BindingRequest(transaction, username, use_candidate, covered, integrity)


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


def binding_success(transaction: bytes, ip: str, port: int, password: bytes) -> bytes:
    """A success answer with XOR-MAPPED-ADDRESS, MESSAGE-INTEGRITY (our own password) and FINGERPRINT."""
    value = xor_address(ip, port, transaction)
    body = ATTRIBUTE.pack(XOR_MAPPED_ADDRESS, len(value)) + value
    head = HEADER.pack(BINDING_SUCCESS, len(body) + 24, COOKIE, transaction) + body
    signed = head + ATTRIBUTE.pack(MESSAGE_INTEGRITY, 20) + hmac.digest(password, head, "sha1")
    return _with_length(signed, len(signed) - 20 + 8) + ATTRIBUTE.pack(FINGERPRINT, 4) + fingerprint(signed)


def binding_request(
    transaction: bytes, username: bytes, password: bytes, *, use_candidate: bool = False
) -> bytes:
    """A client's binding request, for health checks and load generators."""
    body = ATTRIBUTE.pack(USERNAME, len(username)) + username + bytes(-len(username) & 3)
    body += ATTRIBUTE.pack(PRIORITY, 4) + struct.pack("!I", 0x6E7F1EFF)
    if use_candidate:
        body += ATTRIBUTE.pack(USE_CANDIDATE, 0)
    head = HEADER.pack(BINDING_REQUEST, len(body) + 24, COOKIE, transaction) + body
    signed = head + ATTRIBUTE.pack(MESSAGE_INTEGRITY, 20) + hmac.digest(password, head, "sha1")
    return _with_length(signed, len(signed) - 20 + 8) + ATTRIBUTE.pack(FINGERPRINT, 4) + fingerprint(signed)
