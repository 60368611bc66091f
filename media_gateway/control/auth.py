"""Workers prove that they know the shared secret: docs/protocol.md section 2.

The signature covers node, instance and time. The first two are only told in the worker's first message, so
the handshake checks form and time, and `Proof.covers` checks the signature before that message is believed.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from dataclasses import dataclass

WINDOW_SECONDS = 60
_HEADER = re.compile(r"Plenum ([0-9a-f]{8})\.([0-9]{1,12})\.([0-9a-f]{64})", re.ASCII)


class BadProof(Exception):
    """The header is missing, malformed, of another secret or too old; the text tells the log which."""


def key_id(secret: str) -> str:
    """Eight hex digits that name `secret` without telling it, so that a mix-up can be told apart."""
    return hashlib.sha256(b"plenum control key " + secret.encode()).hexdigest()[:8]


def signature(secret: str, node: str, instance: str, at: int) -> str:
    return hmac.new(secret.encode(), f"{node}.{instance}.{at}".encode(), hashlib.sha256).hexdigest()


def sign(secret: str, node: str, instance: str, now: float | None = None) -> str:
    """The Authorization header a worker sends; `now` is Unix time."""
    at = int(time.time() if now is None else now)
    return f"Plenum {key_id(secret)}.{at}.{signature(secret, node, instance, at)}"


@dataclass(frozen=True)
class Proof:
    """A header of the right form, key and age; `digest` is not yet checked."""

    at: int
    digest: str

    def covers(self, secret: str, node: str, instance: str) -> bool:
        return hmac.compare_digest(self.digest, signature(secret, node, instance, self.at))


def read_header(header: str, secret: str, now: float | None = None) -> Proof:
    """The proof in an Authorization header. Raises BadProof."""
    match = _HEADER.fullmatch(header)
    if match is None:
        raise BadProof("no Plenum authorization" if not header else "malformed authorization")
    key, at, digest = match[1], int(match[2]), match[3]
    if not hmac.compare_digest(key, key_id(secret)):
        raise BadProof("signed with another secret: MEDIA_SECRET differs between web tier and worker")
    age = (time.time() if now is None else now) - at
    if abs(age) > WINDOW_SECONDS:
        raise BadProof(f"signed {age:.0f} s ago: check the clocks of both machines")
    return Proof(at, digest)


class ReplayLog:
    """Remembers signatures for one window, to notice a header used twice.

    A worker signs anew for each dial, but two dials within one second look alike, so a repeat is told to the
    log rather than refused.
    """

    def __init__(self) -> None:
        self._seen: dict[str, float] = {}

    def repeated(self, proof: Proof, now: float | None = None) -> bool:
        now = time.time() if now is None else now
        self._seen = {digest: at for digest, at in self._seen.items() if now - at <= 2 * WINDOW_SECONDS}
        known = proof.digest in self._seen
        self._seen[proof.digest] = now
        return known
