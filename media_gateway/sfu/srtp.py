"""SRTP in place: libsrtp as the pylibsrtp wheel carries it, called on buffers that exist already.

`pylibsrtp.Session.protect` copies twice and refuses packets beyond 1,356 bytes; its own compiled binding
does not, so contexts are made by pylibsrtp (policies, life time) and packets go straight to the library's
functions.
"""

import socket
from dataclasses import dataclass
from typing import Any

from pylibsrtp import Policy, Session
from pylibsrtp._binding import ffi as srtp_ffi
from pylibsrtp._binding import lib as srtp_lib

MAX_TRAILER = 4 + 16
"""Bytes the library may add: authentication tag and SRTCP index. Mind them when sizing buffers."""
WINDOW = 2048
"""Packets of reordering accepted; recovered packets may come late."""
SENT_WINDOW = 512
"""Packets back to which one may be sent again unchanged. The library moves the whole window on for every
packet, which at 2048 is a tenth of encrypting it."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One DTLS-SRTP protection profile (RFC 5764, RFC 7714)."""

    name: bytes
    policy: int
    key_length: int
    salt_length: int
    tag: int
    """bytes of authentication that encrypting an RTP packet adds"""


PROFILES: tuple[Profile, ...] = (
    Profile(b"SRTP_AEAD_AES_128_GCM", Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 16, 12, 16),
    Profile(b"SRTP_AES128_CM_SHA1_80", Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 16, 14, 10),
)
"""In our order of preference: as DTLS server ours decides, and GCM is the faster."""

# Bound once: these are called for every packet.
protect_rtp = srtp_lib.srtp_protect
unprotect_rtp = srtp_lib.srtp_unprotect


class SrtpContext:
    """Keys and replay state of one direction of one transport."""

    __slots__ = ("_length", "_session", "errors", "handle")

    def __init__(self, profile: Profile, key: bytes, *, outbound: bool) -> None:
        policy = Policy(
            key=key,
            ssrc_type=Policy.SSRC_ANY_OUTBOUND if outbound else Policy.SSRC_ANY_INBOUND,
            srtp_profile=profile.policy,
        )
        policy.window_size = SENT_WINDOW if outbound else WINDOW
        # Outbound: a packet asked for again may go out again unchanged where a subscriber has no RTX.
        policy.allow_repeat_tx = outbound
        self._session = Session(policy)
        self.handle: Any = self._session._srtp[0]
        self._length = srtp_ffi.new("int *")
        self.errors = 0

    def unprotect(self, pointer: Any, length: int) -> int:
        """Decrypt and check an RTP packet in place; its new length, or 0 when refused (counted)."""
        size = self._length
        size[0] = length
        if unprotect_rtp(self.handle, pointer, size):
            self.errors += 1
            return 0
        return size[0]

    def unprotect_rtcp(self, pointer: Any, length: int) -> int:
        """The same for an RTCP compound."""
        size = self._length
        size[0] = length
        if srtp_lib.srtp_unprotect_rtcp(self.handle, pointer, size):
            self.errors += 1
            return 0
        return size[0]

    def protect(self, packet: bytes) -> bytes | None:
        """An encrypted copy of an RTP packet, for the few that do not go through the send ring."""
        return self._copy(srtp_lib.srtp_protect, packet)

    def protect_rtcp(self, packet: bytes) -> bytes | None:
        """An encrypted copy of an RTCP compound."""
        return self._copy(srtp_lib.srtp_protect_rtcp, packet)

    def _copy(self, function: Any, packet: bytes) -> bytes | None:
        buffer = srtp_ffi.new("char[]", len(packet) + 144)
        srtp_ffi.memmove(buffer, packet, len(packet))
        self._length[0] = len(packet)
        if function(self.handle, buffer, self._length):
            self.errors += 1
            return None
        return bytes(srtp_ffi.buffer(buffer, self._length[0]))

    def forget(self, ssrc: int) -> None:
        """Drop the state of an SSRC that will never be used again, so that long sessions do not grow."""
        srtp_lib.srtp_remove_stream(self.handle, socket.htonl(ssrc))


def session_keys(profile: Profile, material: bytes, *, server: bool) -> tuple[bytes, bytes]:
    """(receive key, send key), each with its salt, out of exported DTLS keying material (RFC 5764 section
    4.2).
    """
    k, s = profile.key_length, profile.salt_length
    client_key = material[:k] + material[2 * k : 2 * k + s]
    server_key = material[k : 2 * k] + material[2 * k + s : 2 * k + 2 * s]
    return (client_key, server_key) if server else (server_key, client_key)
