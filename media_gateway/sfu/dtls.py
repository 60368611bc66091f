"""DTLS-SRTP (RFC 5764) on pyOpenSSL, driven by datagrams: no task, one timer while needed.

The gateway is always passive (server); the active side is for the headless client. OpenSSL works on memory
buffers, so this class owns what the kernel would: cutting its output into datagrams, the retransmission
timer, and answering a repeated flight at once.
"""

import asyncio
import time
from collections.abc import Callable

from OpenSSL import SSL

from .identity import DIGESTS, Identity, certificate_digest
from .sieve import Sieve
from .srtp import PROFILES, Profile, session_keys

MAX_DATAGRAM = 1200
MAX_RECORD = 16384
RECORD_HEADER = 13
HANDSHAKE_RECORD, APPLICATION_RECORD = 22, 23
RESEND_GAP = 0.03
"""Seconds within which a repeated client flight is taken for reordering, not loss."""
IMPATIENCE = (0.1, 0.2, 0.4)
"""Seconds of waiting for an answer after which a flight is sent again; OpenSSL's own timer begins at 1 s."""
HANDSHAKE_TIMEOUT = 30.0


class DtlsAssociation:
    """One association. `feed` takes datagrams, `send` gets them.

    `on_keys(profile, receive_key, send_key)` is called once the handshake is done *and* the peer's
    certificate matched the fingerprints given to `expect`, in whichever order the two come.
    `on_closed(reason)` is called once for a failed handshake, a wrong fingerprint or the peer's
    close_notify.
    """

    def __init__(
        self,
        identity: Identity,
        send: Callable[[bytes], None],
        on_keys: Callable[[Profile, bytes, bytes], None],
        on_closed: Callable[[str], None],
        *,
        server: bool = True,
    ) -> None:
        self._context = identity.context
        self._server = server
        self._begin()
        self._send = send
        self._on_keys = on_keys
        self._on_closed = on_closed
        self._timer: asyncio.TimerHandle | None = None
        self._last_flight: list[bytes] = []
        self._last_sent = 0.0
        self._impatience = 0
        self._started = 0.0
        self._fingerprints: list[tuple[str, str]] | None = None
        self.on_data: Callable[[bytes], None] = lambda data: None
        """gets application data (SCTP packets) of the authenticated peer"""
        self.handshaken = False
        self.connected = False
        self.resends = 0

    def _begin(self) -> None:
        """A handshake of which nothing has happened yet."""
        ssl = SSL.Connection(self._context)
        if self._server:
            ssl.set_accept_state()
        else:
            ssl.set_connect_state()
        ssl.set_ciphertext_mtu(MAX_DATAGRAM)
        self._ssl: SSL.Connection | None = ssl
        self._sieve = Sieve(server=self._server)

    @property
    def closed(self) -> bool:
        return self._ssl is None

    def expect(self, fingerprints: list[tuple[str, str]]) -> None:
        """Tell the (algorithm, value) pairs of the peer's SDP; at least one must be of a known algorithm."""
        self._fingerprints = [(name.lower(), value.upper()) for name, value in fingerprints]
        self._accept()

    def start(self) -> None:
        """As client: send the first flight."""
        ssl = self._ssl
        assert ssl is not None and not self._server
        self._started = time.monotonic()
        try:
            ssl.do_handshake()
        except SSL.WantReadError:
            pass
        self._flush()
        self._arm()

    def feed(self, datagram: bytes) -> None:
        """Take one received datagram of DTLS records."""
        ssl = self._ssl
        if ssl is None:
            return
        if not self._started:
            self._started = time.monotonic()
        if not self.handshaken or datagram[0] != APPLICATION_RECORD:
            datagram = self._sieve.pass_on(datagram)
            if not datagram:
                return
        try:
            ssl.bio_write(datagram)
            if self.handshaken:
                # Ends with WantReadError; alerts and repeated flights are handled on the way.
                while self._ssl is not None:
                    data = ssl.recv(MAX_RECORD)
                    if self.connected:
                        self.on_data(data)
            else:
                ssl.do_handshake()
                self.handshaken = True
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            self._close("closed by peer")
            return
        except SSL.Error as error:
            if self._server and not self._last_flight:
                # Not the peer's hello, or one that a better one may follow: nothing was answered yet. An
                # alert would end the handshake of the true peer.
                self._begin()
                self._arm()
                return
            self._flush()  # the alert
            self._close(f"failed: {error}")
            return
        if self._flush():
            self._impatience = 0
        elif datagram[0] == HANDSHAKE_RECORD:
            self._resend()
        self._arm()
        self._accept()

    def send_data(self, data: bytes) -> None:
        """Send application data. Nothing happens before the association stands."""
        ssl = self._ssl
        if ssl is None or not self.connected:
            return
        try:
            ssl.send(data)
        except SSL.Error as error:
            self._close(f"failed: {error}")
            return
        for datagram in self._written():
            self._send(datagram)

    def close(self) -> None:
        """Say goodbye (close_notify) and forget everything; no callback follows."""
        ssl = self._ssl
        if ssl is None:
            return
        if self.handshaken:
            try:
                ssl.shutdown()
            except SSL.Error:
                pass  # the peer may be half way through a handshake of its own; it has its own time-out
            self._flush()
        self._drop()

    def _drop(self) -> None:
        self._ssl = None
        self._last_flight = []
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _close(self, reason: str) -> None:
        self._drop()
        self._on_closed(reason)

    def _accept(self) -> None:
        """Check the certificate and export the keys, once both the handshake and the fingerprint are here."""
        ssl = self._ssl
        if ssl is None or self.connected or not self.handshaken or self._fingerprints is None:
            return
        certificate = ssl.get_peer_certificate(as_cryptography=True)
        known = [(name, value) for name, value in self._fingerprints if name in DIGESTS]
        if (
            certificate is None
            or not known
            or any(certificate_digest(certificate, name) != value for name, value in known)
        ):
            self._close("failed: the certificate does not match the fingerprint")
            return
        chosen = ssl.get_selected_srtp_profile()
        profile = next((profile for profile in PROFILES if profile.name == chosen), None)
        if profile is None:
            self._close("failed: no SRTP profile in common")
            return
        size = 2 * (profile.key_length + profile.salt_length)
        material = ssl.export_keying_material(b"EXTRACTOR-dtls_srtp", size)
        receive_key, send_key = session_keys(profile, material, server=self._server)
        self.connected = True
        self._on_keys(profile, receive_key, send_key)

    def _flush(self) -> bool:
        """Send what OpenSSL has written; whether there was anything. It is kept to be sent again."""
        flight = self._written()
        if not flight:
            return False
        self._last_flight = flight
        self._sieve.answered = True
        self._transmit()
        return True

    def _written(self) -> list[bytes]:
        """What OpenSSL has written, as datagrams of whole records."""
        ssl = self._ssl
        output = bytearray()
        while ssl is not None:
            try:
                output += ssl.bio_read(65536)
            except SSL.Error:
                break
        if not output:
            return []
        flight: list[bytes] = []
        datagram = bytearray()
        at = 0
        while at < len(output):
            end = at + RECORD_HEADER + int.from_bytes(output[at + 11 : at + 13], "big")
            if datagram and len(datagram) + end - at > MAX_DATAGRAM:
                flight.append(bytes(datagram))
                datagram.clear()
            datagram += output[at:end]
            at = end
        flight.append(bytes(datagram))
        return flight

    def _transmit(self) -> None:
        self._last_sent = time.monotonic()
        for datagram in self._last_flight:
            self._send(datagram)

    def _resend(self) -> None:
        """The peer repeats itself, so our last flight was lost: OpenSSL would wait a whole second."""
        if self._last_flight and time.monotonic() - self._last_sent > RESEND_GAP:
            self.resends += 1
            self._transmit()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._ssl is None or self.handshaken:
            return
        wait: float | None = self._ssl.DTLSv1_get_timeout()
        if wait is None and self._server and not self._last_flight:
            wait = self._started + HANDSHAKE_TIMEOUT - time.monotonic()
        elif wait is not None and self._impatience < len(IMPATIENCE):
            wait = min(wait, self._last_sent + IMPATIENCE[self._impatience] - time.monotonic())
        if wait is not None:
            self._timer = asyncio.get_running_loop().call_later(max(wait, 0.01), self._timeout)

    def _timeout(self) -> None:
        self._timer = None
        ssl = self._ssl
        if ssl is None:
            return
        if time.monotonic() - self._started > HANDSHAKE_TIMEOUT:
            self._close("failed: the handshake took too long")
            return
        # In steps of the loop's clock: a timer may fire a little early.
        waited = time.monotonic() - self._last_sent + 0.002
        if self._impatience < len(IMPATIENCE) and waited >= IMPATIENCE[self._impatience]:
            self._impatience += 1
            self.resends += 1
            self._transmit()
        try:
            ssl.DTLSv1_handle_timeout()
        except SSL.Error as error:
            self._close(f"failed: {error}")
            return
        self._flush()
        self._arm()
