"""A headless client of the gateway: full ICE to a lite server, DTLS client, SRTP. No codecs, no browser.

For load generation, health checks and tests: what a browser does to the network, at a fraction of its cost.
One `MediaClient` is one peer connection. Media goes in and comes out as plain RTP packets.
"""

import asyncio
import secrets
import socket
import struct
import time
from collections.abc import Callable

from . import client_sdp, rtp, sdp, stun
from .client_sdp import EXTENSIONS, OutTrack
from .codecs import OPUS, SOURCES, VP8
from .dtls import DtlsAssociation
from .identity import Identity
from .srtp import Profile, SrtpContext
from .udp import Slot

PING_EVERY = 2.0
FIRST_PINGS = 0.1
SO_TIMESTAMPNS = 35
"""Linux; not in Python's socket module."""

__all__ = ["EXTENSIONS", "SO_TIMESTAMPNS", "MediaClient", "OutTrack"]


class MediaClient:
    """One transport to the gateway.

    `on_rtp(packet)` and `on_rtcp(packet)` get decrypted packets. `drop(datagram) -> bool` may swallow
    incoming datagrams, `drop_sent` outgoing ones: loss that is exactly repeatable.
    """

    def __init__(self, identity: Identity | None = None, *, kernel_times: bool = False) -> None:
        """`kernel_times`: `arrived_ns` holds the kernel's receive time (Unix ns) during `on_rtp` (Linux)."""
        self.identity = identity or Identity()
        self.kernel_times = kernel_times
        self.arrived_ns = 0
        self.ufrag = secrets.token_hex(4)
        self.pwd = secrets.token_hex(12)
        self.tracks: list[OutTrack] = []
        self.on_rtp: Callable[[bytes], None] = lambda packet: None
        self.on_rtcp: Callable[[bytes], None] = lambda packet: None
        self.on_data: Callable[[bytes], None] = lambda data: None
        """gets DTLS application data"""
        self.drop: Callable[[bytes], bool] | None = None
        self.drop_sent: Callable[[bytes], bool] | None = None
        self.connected = asyncio.Event()
        self.closed_reason: str | None = None
        self.remote_ufrag = self.remote_pwd = ""
        self.rtp_received = 0
        self.transport_number = 0
        """the next transport-wide sequence number, for callers that write the extension"""
        self.binding_answers = 0
        self.pinging = True
        self.controlling = True
        self._srtp_in: SrtpContext | None = None
        self._srtp_out: SrtpContext | None = None
        self._slot = Slot()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._dtls = DtlsAssociation(
            self.identity, self._send, self._on_keys, self._on_dtls_closed, server=False
        )
        self._dtls.on_data = lambda data: self.on_data(data)
        self._dtls_started = False
        self._sock: socket.socket | None = None
        self._remote: tuple[str, int] | None = None

    # -- negotiation ------------------------------------------------------------

    @property
    def _lines(self) -> client_sdp.ClientLines:
        return client_sdp.ClientLines(self.ufrag, self.pwd, self.identity.fingerprint)

    def add_track(self, source: str, rids: tuple[str, ...] = ()) -> OutTrack:
        """`rids` name the layers of a simulcast video, lowest quality first."""
        codec = OPUS if SOURCES[source] == "audio" else VP8
        rtx = None if codec.rtx_payload_type is None else secrets.randbits(31) + 1
        track = OutTrack(source, str(len(self.tracks)), codec, secrets.randbits(31) + 1, rtx, rids=rids)
        track.layers = {rid: secrets.randbits(31) + 1 for rid in rids}
        self.tracks.append(track)
        return track

    def offer(self, *, name_ssrcs: bool = True, setup: str = "actpass") -> str:
        """A publish offer for the tracks added so far.

        Without `name_ssrcs` the server must learn them by MID. This end is always the DTLS client; `setup`
        "active" tells so to servers that would choose to be it.
        """
        return client_sdp.offer(self._lines, self.tracks, name_ssrcs=name_ssrcs, setup=setup)

    def published(self) -> list[dict[str, str]]:
        """The `tracks` of `peer.publish`."""
        return [{"mid": track.mid, "source": track.source} for track in self.tracks if track.active]

    def answer(self, text: str, *, refuse: frozenset[str] = frozenset()) -> str:
        """Answer a subscribe offer, taking everything but the mids in `refuse`; connects on the first one."""
        answer = client_sdp.answer(self._lines, sdp.parse(text), refuse)
        self.connect(text)
        return answer

    def connect(self, text: str, *, address: tuple[str, int] | None = None) -> None:
        """Take credentials, fingerprint and candidate out of the gateway's SDP and start pinging."""
        section = sdp.parse(text).transport_section()
        self.remote_ufrag, self.remote_pwd = section.ice_ufrag, section.ice_pwd
        if self._sock is not None:
            return
        if address is None:
            parts = next(line for line in text.splitlines() if line.startswith("a=candidate:")).split()
            address = parts[4], int(parts[5])
        self._remote = address
        self._dtls.expect(section.fingerprints)
        self._open_socket()
        self._ping_again(FIRST_PINGS)

    def _open_socket(self) -> None:
        assert self._remote is not None
        family = socket.AF_INET6 if ":" in self._remote[0] else socket.AF_INET
        sock = self._sock = socket.socket(family, socket.SOCK_DGRAM)
        sock.setblocking(False)
        if self.kernel_times:
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        sock.connect(self._remote)
        self._loop.add_reader(sock.fileno(), self._readable)

    def release_socket(self) -> socket.socket:
        """Stop reading: from now on the caller reads the socket and hands `feed` what is not media."""
        assert self._sock is not None
        self._loop.remove_reader(self._sock.fileno())
        return self._sock

    def feed(self, datagram: bytes) -> None:
        """Take a datagram as if it had just arrived. Longer ones than a slot are cut."""
        length = min(len(datagram), len(self._slot.view))
        self._slot.view[:length] = datagram[:length]
        self._datagram(length)

    def move(self, *, ping: bool = True) -> None:
        """Go on from another local port, as after a change of network; without `ping`, by media alone."""
        self._close_socket()
        self._open_socket()
        if ping:
            self.ping()

    # -- network ----------------------------------------------------------------

    def ping(self) -> None:
        """One binding request; nominates this path as long as the server leaves that to us."""
        username = f"{self.remote_ufrag}:{self.ufrag}".encode()
        request = stun.binding_request(
            secrets.token_bytes(12),
            username,
            self.remote_pwd.encode(),
            use_candidate=self.controlling,
            controlling=self.controlling,
        )
        self._send(request)

    def _answer_ping(self, datagram: bytes) -> None:
        """Servers that are not lite, or not quite, check the path from their end too."""
        request = stun.parse_binding_request(datagram)
        if (
            request is not None
            and self._remote is not None
            and stun.authenticates(request, self.pwd.encode())
        ):
            self._send(stun.binding_success(request.transaction, *self._remote, self.pwd.encode()))

    def _ping_again(self, delay: float) -> None:
        if self.pinging:
            self.ping()
        following = PING_EVERY if self.connected.is_set() else FIRST_PINGS
        self._timer = self._loop.call_later(delay, self._ping_again, following)

    def _send(self, datagram: bytes) -> None:
        if self._sock is None or (self.drop_sent is not None and self.drop_sent(datagram)):
            return
        try:
            self._sock.send(datagram)
        except (BlockingIOError, ConnectionRefusedError):
            pass  # as lost as any datagram may be

    def _readable(self) -> None:
        sock = self._sock
        for _ in range(64):
            if sock is None or sock is not self._sock:
                return
            try:
                if self.kernel_times:
                    length, ancillary, _, _ = sock.recvmsg_into([self._slot.view], 64)
                    for _, _, data in ancillary:
                        seconds, nanoseconds = struct.unpack("qq", data)
                        self.arrived_ns = seconds * 1_000_000_000 + nanoseconds
                else:
                    length = sock.recv_into(self._slot.view)
            except (BlockingIOError, ConnectionRefusedError):
                return
            self._datagram(length)

    def _datagram(self, length: int) -> None:
        view = self._slot.view
        if length < 2 or (self.drop is not None and self.drop(bytes(view[:length]))):
            return
        first = view[0]
        if first < 4:
            if view[1] == stun.BINDING_REQUEST and first == 0:
                self._answer_ping(bytes(view[:length]))
                return
            if int.from_bytes(view[:2], "big") == stun.BINDING_ERROR:
                # The one error we give occasion to is a role conflict: a server that is not lite controls.
                self.controlling = False
                return
            self.binding_answers += 1
            if not self._dtls_started:
                self._dtls_started = True
                self._dtls.start()
        elif first < 64:
            self._dtls.feed(bytes(view[:length]))
        elif self._srtp_in is not None:
            if rtp.is_rtcp(view):
                size = self._srtp_in.unprotect_rtcp(self._slot.pointer, length)
                if size:
                    self.on_rtcp(bytes(view[:size]))
            else:
                size = self._srtp_in.unprotect(self._slot.pointer, length)
                if size:
                    self.rtp_received += 1
                    self.on_rtp(bytes(view[:size]))

    def _on_keys(self, profile: Profile, receive_key: bytes, send_key: bytes) -> None:
        self._srtp_in = SrtpContext(profile, receive_key, outbound=False)
        self._srtp_out = SrtpContext(profile, send_key, outbound=True)
        self.profile = profile
        self.connected_at = time.monotonic()
        self.connected.set()

    def _on_dtls_closed(self, reason: str) -> None:
        self.closed_reason = reason

    def send_rtp(self, packet: bytes) -> None:
        """Send one plain RTP packet. RuntimeError before the connection stands."""
        self._send_protected(packet, rtcp_packet=False)

    def send_rtcp(self, packet: bytes) -> None:
        self._send_protected(packet, rtcp_packet=True)

    def _send_protected(self, packet: bytes, *, rtcp_packet: bool) -> None:
        if self._srtp_out is None:
            raise RuntimeError("not connected")
        protect = self._srtp_out.protect_rtcp if rtcp_packet else self._srtp_out.protect
        data = protect(packet)
        if data is not None:
            self._send(data)

    def _close_socket(self) -> None:
        if self._sock is not None:
            self._loop.remove_reader(self._sock.fileno())
            self._sock.close()
            self._sock = None

    def close(self, *, goodbye: bool = True) -> None:
        """Leave; without `goodbye` as if the machine had lost power."""
        if self._timer is not None:
            self._timer.cancel()
        if goodbye:
            self._dtls.close()
        self._close_socket()
