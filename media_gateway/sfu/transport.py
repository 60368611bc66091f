"""One ICE-lite + DTLS-SRTP transport: the server's end of one browser peer connection.

It knows credentials, addresses, keys and consent, and nothing of what the packets mean: that is the `Owner`.
"""

import logging
import secrets
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol

from .dtls import DtlsAssociation
from .srtp import Profile, SrtpContext
from .udp import Address, Slot

if TYPE_CHECKING:
    from .endpoint import Endpoint

log = logging.getLogger(__name__)

DISCONNECTED_AFTER = 5.0
"""Seconds without a valid STUN request; Chromium pings every ~2.5 s."""
LOST_AFTER = 30.0
"""Consent is gone (RFC 7675)."""
MAX_ADDRESSES = 16
"""Addresses a transport may collect; the oldest is forgotten."""
MAX_CREDENTIALS = 4
"""The current credentials and those of the ICE restarts just before."""


class Owner(Protocol):
    """What a transport tells its peer connection."""

    def rtp_received(self, slot: Slot, length: int, now: float) -> None: ...
    def rtcp_received(self, packet: bytes, now: float) -> None: ...
    def transport_state(self, state: str) -> None: ...
    def accepts_ssrc(self, ssrc: int) -> bool: ...


class Credentials:
    """An ICE user fragment and password of ours."""

    __slots__ = ("pwd", "ufrag")

    def __init__(self) -> None:
        self.ufrag = secrets.token_hex(6)
        self.pwd = secrets.token_hex(16)


class Transport:
    """States: `new` → `connecting` (an address is known) → `connected` ⇄ `disconnected` → `failed` or
    `closed`.
    """

    def __init__(self, endpoint: "Endpoint", owner: Owner) -> None:
        self.endpoint = endpoint
        self.owner = owner
        self.state = "new"
        self.credentials: list[Credentials] = []
        self.address: Address | None = None
        self.destination: Any = None
        self.addresses: dict[Address, None] = {}
        self.last_consent = 0.0
        self.srtp_in: SrtpContext | None = None
        self.srtp_out: SrtpContext | None = None
        self.srtp_handle: Any = None
        self.path_changes = 0
        self.dtls = DtlsAssociation(endpoint.identity, self._send_dtls, self._on_keys, self._on_dtls_closed)
        self.restart()

    @property
    def current(self) -> Credentials:
        return self.credentials[-1]

    @property
    def ready(self) -> bool:
        """Whether media can be sent now; stays true while merely disconnected, the way back may work."""
        return self.srtp_handle is not None and self.destination is not None

    def restart(self) -> Credentials:
        """New ICE credentials. The last few stay valid, so that checks under way are still answered."""
        fresh = Credentials()
        self.credentials.append(fresh)
        self.endpoint.register(fresh.ufrag, self)
        while len(self.credentials) > MAX_CREDENTIALS:
            self.endpoint.unregister(self.credentials.pop(0).ufrag)
        return fresh

    def password_for(self, ufrag: str) -> bytes | None:
        for credentials in self.credentials:
            if credentials.ufrag == ufrag:
                return credentials.pwd.encode()
        return None

    def expect(self, fingerprints: list[tuple[str, str]]) -> None:
        """The peer's certificate fingerprints, out of its SDP."""
        self.dtls.expect(fingerprints)

    def consent(self, address: Address, now: float, *, use_candidate: bool) -> None:
        """An authenticated binding request came from `address`.

        The first one sets the path, later ones move it only when nominated. Every authenticated address is
        mapped, because browsers change interface while DTLS is under way.
        """
        self.last_consent = now
        if address not in self.addresses:
            self.addresses[address] = None
            if len(self.addresses) > MAX_ADDRESSES:
                oldest = next(known for known in self.addresses if known != self.address)
                del self.addresses[oldest]
                self.endpoint.unmap(oldest, self)
        self.endpoint.map(address, self)
        if self.address is None:
            self._set_path(address)
            self._set_state("connecting")
        elif use_candidate and address != self.address:
            self._set_path(address)
            self.path_changes += 1
        if self.state == "disconnected":
            self._set_state("connected" if self.srtp_handle is not None else "connecting")

    def _set_path(self, address: Address) -> None:
        self.address = address
        self.destination = self.endpoint.socket.destination(address)

    def check_consent(self, now: float) -> None:
        """Called about once a second."""
        if self.address is None or self.state in ("failed", "closed"):
            return
        silence = now - self.last_consent
        if silence > LOST_AFTER:
            self._set_state("failed")
        elif silence > DISCONNECTED_AFTER and self.state in ("connected", "connecting"):
            self._set_state("disconnected")

    def rtp(self, slot: Slot, length: int, now: float) -> None:
        """An encrypted RTP packet from one of our addresses."""
        context = self.srtp_in
        # libsrtp keeps state for each SSRC that authenticates; the owner bounds how many there may be.
        if context is None or length < 12:
            return
        ssrc = int.from_bytes(slot.view[8:12], "big")
        if not self.owner.accepts_ssrc(ssrc):
            return
        size = context.unprotect(slot.pointer, length)
        if size >= 12:
            self.owner.rtp_received(slot, size, now)

    def rtcp(self, slot: Slot, length: int, now: float) -> None:
        """An encrypted RTCP compound from one of our addresses."""
        context = self.srtp_in
        if context is None or length < 8:
            return
        size = context.unprotect_rtcp(slot.pointer, length)
        if size:
            self.owner.rtcp_received(bytes(slot.view[:size]), now)

    def send_rtcp(self, packet: bytes) -> None:
        """Queue an RTCP compound; without keys or an address it is dropped."""
        if self.srtp_out is None or self.destination is None:
            return
        data = self.srtp_out.protect_rtcp(packet)
        if data is not None:
            self.endpoint.socket.send(self.destination, data)

    def forget_ssrcs(self, ssrcs: Iterable[int]) -> None:
        if self.srtp_out is not None:
            for ssrc in ssrcs:
                self.srtp_out.forget(ssrc)

    def close(self) -> None:
        """Say goodbye and leave no trace in the endpoint. No callback follows."""
        if self.state == "closed":
            return
        self.state = "closed"
        self.dtls.close()
        self._detach()

    def _detach(self) -> None:
        for credentials in self.credentials:
            self.endpoint.unregister(credentials.ufrag)
        for address in self.addresses:
            self.endpoint.unmap(address, self)
        self.addresses.clear()
        self.srtp_in = self.srtp_out = self.srtp_handle = None
        self.endpoint.request_flush()

    def _send_dtls(self, datagram: bytes) -> None:
        if self.destination is not None:
            self.endpoint.socket.send(self.destination, datagram)
            self.endpoint.request_flush()

    def _on_keys(self, profile: Profile, receive_key: bytes, send_key: bytes) -> None:
        self.srtp_in = SrtpContext(profile, receive_key, outbound=False)
        self.srtp_out = SrtpContext(profile, send_key, outbound=True)
        self.srtp_handle = self.srtp_out.handle
        self.last_consent = max(self.last_consent, time.monotonic())
        self._set_state("connected")

    def _on_dtls_closed(self, reason: str) -> None:
        log.info("DTLS %s", reason)
        self._set_state("failed" if reason.startswith("failed") else "closed")

    def _set_state(self, state: str) -> None:
        if state == self.state:
            return
        self.state = state
        if state in ("failed", "closed"):
            self.dtls.close()
            self._detach()
        self.owner.transport_state(state)
