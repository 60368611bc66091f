"""One ICE-lite + DTLS-SRTP transport: the server's end of one browser peer connection.

It knows credentials, addresses, keys and consent, and nothing of what the packets mean: that is the `Owner`.
"""

import logging
import secrets
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol

from .allowance import Allowance
from .dtls import DtlsAssociation
from .sdp_write import Candidate, TransportLines
from .srtp import Profile, SrtpContext
from .tcp import TcpStream
from .udp import Address, Slot, Stream

if TYPE_CHECKING:
    from .endpoint import Endpoint

log = logging.getLogger(__name__)

DISCONNECTED_AFTER = 7.0
"""Seconds without a valid STUN request or report; Chromium asks every ~2.5 s, Firefox every 4 to 6 s, at
random as RFC 7675 section 5.1 has it."""
LOST_AFTER = 30.0
"""Consent is gone (RFC 7675)."""
MAX_ADDRESSES = 16
"""Addresses a transport may collect; the oldest is forgotten."""
ADDRESS_IDLE = 10.0
"""Seconds without a valid STUN request after which an address that is not the path is forgotten."""
STREAM_IDLE = 60.0
"""The same for a TCP connection, which browsers keep in reserve with a check every 25 s."""
CONFIRM_WITHIN = 5.0
"""Seconds in which STUN must confirm a path that authenticated media moved, else the one before is back."""
MOVE_GAP = 1.0
"""Seconds between two paths that media chose: packets that arrive late must not move it back and forth."""
DISTRUST = 60.0
"""Seconds for which media moves no path after a move that was not confirmed."""
LATE = 0.5
"""Seconds in which a nomination of the path just left is taken for a late one."""
RTCP_BYTES_PER_SECOND = 200_000
"""Reports a peer may send; browsers send a tenth even while they ask for lost packets of many pictures."""
MAX_SSRCS = 192
"""SSRCs a peer may use on one transport, media and reports; libsrtp keeps state for each."""
MAX_CREDENTIALS = 4
"""The current credentials and those of the ICE restarts just before."""


class Owner(Protocol):
    """What a transport tells its peer connection."""

    def rtp_received(self, slot: Slot, length: int, now: float) -> None: ...
    def rtcp_received(self, packet: bytes, now: float) -> None: ...
    def transport_state(self, state: str) -> None: ...
    def path_changed(self, now: float) -> None: ...
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
        self.addresses: dict[Address, float] = {}
        """where valid STUN requests came from, and when the last one did"""
        self.last_consent = 0.0
        self.previous: Address | None = None
        self.moved_at = 0.0
        self.unconfirmed = False
        """media moved the path and STUN has not confirmed it yet"""
        self.moves_after = 0.0
        self.ssrcs: set[int] = set()
        self.excess_rtcp = 0
        """RTCP packets beyond the allowance, not even decrypted"""
        self._rtcp_allowance = Allowance(RTCP_BYTES_PER_SECOND, RTCP_BYTES_PER_SECOND)
        self.heard_at = 0.0
        """monotonic time of the last valid RTCP"""
        self.srtp_in: SrtpContext | None = None
        self.srtp_out: SrtpContext | None = None
        self.srtp_handle: Any = None
        self.tag = 0
        """bytes that encrypting an RTP packet adds"""
        self.stream: Stream | None = None
        """the way to a peer that is reached over TCP"""
        self.path_changes = 0
        self.dtls = DtlsAssociation(endpoint.identity, self._send_dtls, self._on_keys, self._on_dtls_closed)
        self.restart()

    @property
    def current(self) -> Credentials:
        return self.credentials[-1]

    @property
    def ready(self) -> bool:
        """Whether media can be sent now; stays true while merely disconnected, the way back may work."""
        return self.srtp_handle is not None and self.address is not None

    def restart(self) -> Credentials:
        """New ICE credentials. The last few stay valid, so that checks under way are still answered."""
        fresh = Credentials()
        self.credentials.append(fresh)
        self.endpoint.register(fresh.ufrag, self)
        while len(self.credentials) > MAX_CREDENTIALS:
            self.endpoint.unregister(self.credentials.pop(0).ufrag)
        return fresh

    def lines(self, candidates: tuple[Candidate, ...]) -> TransportLines:
        """What our SDP says of this end of the transport, as it is now."""
        current = self.current
        return TransportLines(current.ufrag, current.pwd, self.endpoint.identity.fingerprint, candidates)

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

        The first one sets the path, later ones move it when they nominate, or when the path itself has been
        silent. Every authenticated address is mapped, because browsers change interface while DTLS is under
        way.
        """
        self.last_consent = now
        self._keep(address, now)
        if self.address is None:
            self._set_path(address)
            self._set_state("connecting")
        elif address == self.address:
            self.unconfirmed = False
        elif self._may_move(address, now, use_candidate):
            self._move(address, now)
            self.unconfirmed = False
        if self.state == "disconnected":
            self._set_state("connected" if self.srtp_handle is not None else "connecting")

    def _may_move(self, address: Address, now: float, use_candidate: bool) -> bool:
        if use_candidate:
            return address != self.previous or now - self.moved_at > LATE
        return now - self.addresses.get(self.address, 0.0) > DISCONNECTED_AFTER

    def _keep(self, address: Address, now: float) -> None:
        self.addresses[address] = now
        if len(self.addresses) > MAX_ADDRESSES:
            known = (other for other in self.addresses if other not in (self.address, address))
            self._forget(min(known, key=self.addresses.__getitem__))
        self.endpoint.map(address, self)

    def _forget(self, address: Address) -> None:
        del self.addresses[address]
        self.endpoint.unmap(address, self)

    def _set_path(self, address: Address) -> None:
        self.address = address
        if isinstance(address, TcpStream):
            self.stream, self.destination = address, None
        else:
            self.stream, self.destination = None, self.endpoint.socket.destination(address)

    def _move(self, address: Address, now: float) -> None:
        self.previous, self.moved_at = self.address, now
        self._set_path(address)
        self.path_changes += 1
        self.owner.path_changed(now)

    def _media_from(self, address: Address, now: float) -> None:
        """Media from an unknown address authenticated: the peer's address changed, STUN will follow.

        Until it does the path is on probation, for a stolen packet could have been sent in somebody else's
        name.
        """
        if self.address is not None and not self.unconfirmed:
            # Soon forgotten, so that media from there would move the path back.
            self.addresses[self.address] = now - ADDRESS_IDLE + 1
        elif self.address is not None:
            self._forget(self.address)
        before = self.previous if self.unconfirmed else self.address
        self._keep(address, now)
        self._move(address, now)
        self.previous = before
        self.unconfirmed = True
        self.moves_after = now + MOVE_GAP

    def media_heard(self, now: float) -> None:
        """Authentic media, or a player's report, came lately.

        It counts like a check: GStreamer's libnice makes none once it is connected. Browsers to which media
        is sent are held to their checks (RFC 7675); a player's reports can come from nobody else either, and
        none of them counts twice.
        """
        if self.unconfirmed:
            return
        self.last_consent = now
        if self.address in self.addresses:
            self.addresses[self.address] = now
        if self.state == "disconnected":
            self._set_state("connected")

    def check_consent(self, now: float) -> None:
        """Called about once a second."""
        if self.address is None or self.state in ("failed", "closed"):
            return
        if self.unconfirmed and now - self.moved_at > CONFIRM_WITHIN:
            self._move_back(now)
        for address, checked in list(self.addresses.items()):
            idle = STREAM_IDLE if isinstance(address, TcpStream) else ADDRESS_IDLE
            if now - checked > idle and address != self.address:
                self._forget(address)
        silence = now - self.last_consent
        if silence > LOST_AFTER:
            self._set_state("failed")
        elif min(silence, now - self.heard_at) > DISCONNECTED_AFTER and self.state in (
            "connected",
            "connecting",
        ):
            self._set_state("disconnected")

    def _move_back(self, now: float) -> None:
        self.unconfirmed = False
        self.moves_after = now + DISTRUST
        refused, before = self.address, self.previous
        if before is not None:
            self._keep(before, now - DISCONNECTED_AFTER)
            self._move(before, now)
        self._forget(refused)

    def lost(self, stream: TcpStream, now: float) -> None:
        """A TCP connection of ours was closed. If it was the path, the address checked last becomes it.

        Without any it stays, as a path that leads nowhere, until a check comes from elsewhere.
        """
        self.addresses.pop(stream, None)
        if self.previous is stream:
            self.previous = None
        if self.address is stream and self.addresses:
            self._move(max(self.addresses, key=self.addresses.__getitem__), now)
            self.previous = None

    def rtp(self, slot: Slot, length: int, now: float, address: Address | None = None) -> bool:
        """An encrypted RTP packet from one of our addresses, or from a strange `address`.

        Whether it was authentic.
        """
        context = self.srtp_in
        # libsrtp keeps state for each SSRC that authenticates; the owner bounds how many there may be.
        if context is None or length < 12:
            return False
        ssrc = int.from_bytes(slot.view[8:12], "big")
        if not self.owner.accepts_ssrc(ssrc):
            return False
        if address is not None and now < self.moves_after:
            return False
        size = context.unprotect(slot.pointer, length)
        if size < 12:
            return False
        if ssrc not in self.ssrcs:
            self._learn(ssrc)
        if address is not None:
            self._media_from(address, now)
        self.owner.rtp_received(slot, size, now)
        return True

    def rtcp(self, slot: Slot, length: int, now: float, address: Address | None = None) -> bool:
        """An encrypted RTCP compound from one of our addresses, or from a strange `address`.

        Whether it was authentic.
        """
        context = self.srtp_in
        if context is None or length < 8:
            return False
        ssrc = int.from_bytes(slot.view[4:8], "big")
        strange = ssrc not in self.ssrcs
        if (strange and len(self.ssrcs) >= MAX_SSRCS) or (address is not None and now < self.moves_after):
            return False
        if not self._rtcp_allowance.take(now, length):
            self.excess_rtcp += 1
            return False
        size = context.unprotect_rtcp(slot.pointer, length)
        if not size:
            return False
        if strange:
            self._learn(ssrc)
        self.heard_at = now
        if address is not None:
            self._media_from(address, now)
        self.owner.rtcp_received(bytes(slot.view[:size]), now)
        return True

    def _learn(self, ssrc: int) -> None:
        if len(self.ssrcs) < MAX_SSRCS:
            self.ssrcs.add(ssrc)
            self.endpoint.strangers.learn(ssrc, self)

    def send_rtcp(self, packet: bytes) -> None:
        """Queue an RTCP compound; without keys or an address it is dropped."""
        if self.srtp_out is None or self.address is None:
            return
        data = self.srtp_out.protect_rtcp(packet)
        if data is not None:
            self.endpoint.socket.dispatch(self, data)

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
        for ssrc in self.ssrcs:
            self.endpoint.strangers.forget(ssrc, self)
        self.ssrcs.clear()
        self.srtp_in = self.srtp_out = self.srtp_handle = None
        self.endpoint.request_flush()

    def _send_dtls(self, datagram: bytes) -> None:
        if self.address is not None:
            self.endpoint.socket.dispatch(self, datagram)
            self.endpoint.request_flush()

    def _on_keys(self, profile: Profile, receive_key: bytes, send_key: bytes) -> None:
        self.srtp_in = SrtpContext(profile, receive_key, outbound=False)
        self.srtp_out = SrtpContext(profile, send_key, outbound=True)
        self.srtp_handle = self.srtp_out.handle
        self.tag = profile.tag
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
