"""Which DTLS records of a handshake reach OpenSSL: those that could be the peer's next ones.

Until the handshake is over nothing is authenticated, and whoever can forge the peer's address can send
records. RFC 6347 section 4.1.2.7 has invalid ones silently discarded; OpenSSL ends the handshake for many.
Of records in the clear (epoch 0) there pass only handshake messages whose type belongs to their number and
whose lengths agree, later ones only when it is their turn, and a change of cipher once all of them came.
Alerts in the clear do not: a peer that gives up is silent from then on. Records get numbers of our own, as
one with a high number would make those of the peer look like repetitions (RFC 6347 section 4.1.2.6). What is
encrypted passes: OpenSSL discards what it cannot decrypt.
"""

import struct
from collections.abc import Iterator

CHANGE_CIPHER, HANDSHAKE = 20, 22
MAX_MESSAGE = 20_000
"""Bytes of a handshake message; certificates of browsers have a few hundred."""
_RECORD = struct.Struct("!BHHHIH")
"""type, version, epoch, sequence number in two parts, length"""
_MESSAGE_HEADER = 12
_VERSIONS = (0xFEFF, 0xFEFD)
CLIENT_HELLO, SERVER_HELLO, VERIFY_REQUEST, CERTIFICATE, SERVER_KEY = 1, 2, 3, 11, 12
CERTIFICATE_REQUEST, SERVER_DONE, CERTIFICATE_VERIFY, CLIENT_KEY = 13, 14, 15, 16

FROM_CLIENT = {0: {CLIENT_HELLO}, 1: {CERTIFICATE}, 2: {CLIENT_KEY}, 3: {CERTIFICATE_VERIFY}}
"""Message number → types. A client of DTLS 1.2 that was asked for its certificate, and for no cookie."""
FROM_SERVER = {
    0: {SERVER_HELLO, VERIFY_REQUEST}, 1: {SERVER_HELLO, CERTIFICATE}, 2: {CERTIFICATE, SERVER_KEY},
    3: {SERVER_KEY, CERTIFICATE_REQUEST}, 4: {CERTIFICATE_REQUEST, SERVER_DONE}, 5: {SERVER_DONE},
}  # fmt: skip
"""The same of a server, which may ask for a cookie first."""


class Sieve:
    """Of one association's incoming side; `server`: the peer is a client.

    Who forges a well-formed message of the right number, in the one round trip in which it is awaited, cannot
    be told from the peer before the signatures are checked.
    """

    def __init__(self, *, server: bool) -> None:
        self._expected = FROM_CLIENT if server else FROM_SERVER
        # The message after which a peer may change its cipher; a server's comes after the client's flight.
        self._last = {CERTIFICATE_VERIFY} if server else {SERVER_DONE}
        self._complete = False
        self._number = 0
        self.answered = not server
        """whether the peer can have more to say than its hello"""
        self.discarded = 0

    def pass_on(self, datagram: bytes) -> bytes:
        """What of a datagram may go on."""
        passed = bytearray()
        for kind, version, epoch, record in _records(datagram):
            if epoch:
                passed += record
                continue
            body = record[_RECORD.size :]
            if version not in _VERSIONS or not self._fits(kind, body):
                self.discarded += 1
                continue
            passed += _RECORD.pack(kind, version, 0, 0, self._number, len(body)) + body
            self._number += 1
        return bytes(passed)

    def _fits(self, kind: int, body: bytes) -> bool:
        if kind == CHANGE_CIPHER:
            return self._complete and body == b"\1"
        return kind == HANDSHAKE and self._are_messages(body)

    def _are_messages(self, body: bytes) -> bool:
        """Whether these are whole pieces of messages, and nothing else."""
        at, last = 0, False
        while at + _MESSAGE_HEADER <= len(body):
            kind, total = body[at], int.from_bytes(body[at + 1 : at + 4], "big")
            number = int.from_bytes(body[at + 4 : at + 6], "big")
            offset = int.from_bytes(body[at + 6 : at + 9], "big")
            size = int.from_bytes(body[at + 9 : at + 12], "big")
            if kind not in self._expected.get(number, ()) or total > MAX_MESSAGE or offset + size > total:
                return False
            if number and not self.answered:
                return False
            content = body[at + _MESSAGE_HEADER : at + _MESSAGE_HEADER + size]
            if size == total and not _is_consistent(kind, content):
                return False
            last |= kind in self._last
            at += _MESSAGE_HEADER + size
        fits = at == len(body) > 0
        self._complete |= fits and last
        return fits


def _is_consistent(kind: int, content: bytes) -> bool:
    """Whether the lengths within a message agree with its own (RFC 5246 7.4.2 and 7.4.8, RFC 8422 5.7)."""
    size = len(content)
    if kind == CERTIFICATE:
        return size >= 3 and int.from_bytes(content[:3], "big") == size - 3
    if kind == CLIENT_KEY:
        return size > 1 and content[0] == size - 1
    if kind == CERTIFICATE_VERIFY:
        return size > 4 and int.from_bytes(content[2:4], "big") == size - 4
    return True


def _records(datagram: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """(type, version, epoch, the whole record) of each; what is cut off is left out."""
    at = 0
    while at + _RECORD.size <= len(datagram):
        kind, version, epoch, _, _, length = _RECORD.unpack_from(datagram, at)
        end = at + _RECORD.size + length
        if end > len(datagram):
            return
        yield kind, version, epoch, datagram[at:end]
        at = end
