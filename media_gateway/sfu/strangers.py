"""Media from an address nobody is known by: whose it may be, and how much may be spent on finding out.

A phone that changes from Wi-Fi to mobile sends on from a new address seconds before its next STUN check. Its
packets still carry the SSRCs of before, in the clear, and only it has the SRTP keys: a packet that
authenticates proves the sender. To everybody else the answer is a failed look-up, or at worst one of a few
hundred decryptions a second.
"""

from typing import TYPE_CHECKING

from .allowance import Allowance
from .udp import Slot

if TYPE_CHECKING:
    from .transport import Transport
    from .udp import Address

TRIES_PER_SECOND = 200
"""Decryptions tried a second, of each kind of packet; one costs about as much as forwarding a packet."""
TRIES_AT_ONCE = 8
"""Transports tried for one packet. Browsers that only receive all report as SSRC 1."""
QUIET = 0.2
"""Seconds of silence that make one of several owners of an SSRC the likely sender."""


class Strangers:
    """Which transports have authenticated which SSRCs, and the search among them."""

    def __init__(self) -> None:
        self.by_ssrc: dict[int, dict[Transport, None]] = {}
        self.tried = 0
        self.moved = 0
        # Apart: the SSRC 1 of receivers is no secret, those of media are known to few.
        self._rtp = Allowance(TRIES_PER_SECOND, TRIES_PER_SECOND / 2)
        self._rtcp = Allowance(TRIES_PER_SECOND, TRIES_PER_SECOND / 2)

    def learn(self, ssrc: int, transport: "Transport") -> None:
        """A packet of `ssrc` authenticated on `transport`, which bounds how many it has."""
        self.by_ssrc.setdefault(ssrc, {})[transport] = None

    def forget(self, ssrc: int, transport: "Transport") -> None:
        owners = self.by_ssrc.get(ssrc)
        if owners is not None:
            owners.pop(transport, None)
            if not owners:
                del self.by_ssrc[ssrc]

    def admit(self, slot: Slot, length: int, address: "Address", now: float) -> bool:
        """Let an RTP or RTCP packet in by its keys alone, and move its sender's path to `address`.

        False, and the slot as it was, when it is nobody's, a replay, or too many were tried lately.
        """
        view = slot.view
        rtcp = 192 <= view[1] <= 223
        owners = self.by_ssrc.get(int.from_bytes(view[4:8] if rtcp else view[8:12], "big"))
        if owners is None:
            return False
        allowance = self._rtcp if rtcp else self._rtp
        datagram = None
        for transport in self._likely(owners, now):
            if not allowance.take(now):
                break
            if datagram is None:
                datagram = bytes(view[:length])
            self.tried += 1
            receive = transport.rtcp if rtcp else transport.rtp
            if receive(slot, length, now, address):
                self.moved += 1
                return True
            # Decryption works in place and leaves rubbish behind where the tag did not fit.
            view[:length] = datagram
        return False

    def _likely(self, owners: "dict[Transport, None]", now: float) -> "list[Transport]":
        """Who may have sent it: the one owner, or those of several that fell silent most lately."""
        if len(owners) == 1:
            return list(owners)
        quiet = [transport for transport in owners if now - transport.heard_at > QUIET]
        quiet.sort(key=lambda transport: transport.heard_at, reverse=True)
        return quiet[:TRIES_AT_ONCE]
