"""recvfrom and sendto, for systems without the batched calls."""

import logging
import socket
from collections.abc import Iterable
from typing import Any

from .burst import Run
from .udp import RECEIVE_SLOTS, Address, Handler, Receiver, Slot, UdpSocket, plain_ip

log = logging.getLogger(__name__)

MAX_QUEUE = 256


class PlainSocket(UdpSocket):
    """One system call a datagram."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self._in_slot = Slot()
        self._queue: list[tuple[Any, bytes]] = []

    def receive(self, handler: Handler) -> int:
        for count in range(RECEIVE_SLOTS):
            try:
                length, address = self.sock.recvfrom_into(self._in_slot.view)
            except (BlockingIOError, InterruptedError):
                return count
            except OSError as error:
                # Windows reports an earlier send's ICMP answer here; it says nothing of this socket.
                log.debug("recvfrom failed: %s", error)
                return count
            self.received += 1
            self.bytes_received += length
            if length:
                handler(self._in_slot, length, address[:2])
        return RECEIVE_SLOTS

    def send(self, destination: Any, data: bytes) -> None:
        self._queue.append((destination, data))
        if len(self._queue) >= MAX_QUEUE:
            self.flush()

    def fan_out(self, run: Run, receivers: Iterable[Receiver], now: float) -> None:
        for receiver in receivers:
            if run.first >= receiver.floor and not receiver.hold(run, now):
                self._one_by_one(run, receiver, now)

    def flush(self) -> None:
        queue, self._queue = self._queue, []
        for destination, data in queue:
            self.sends += 1
            self.messages += 1
            try:
                self.sock.sendto(data, destination)
            except OSError as error:
                log.debug("sendto %s failed: %s", destination, error)
                self.send_drops += 1
            else:
                self.sent += 1
                self.bytes_sent += len(data)

    def destination(self, address: Address) -> Any:
        return address

    def describe(self, address: Address) -> tuple[str, int]:
        return plain_ip(address[0]), address[1]

    def address_of(self, ip: str, port: int) -> Address:
        socket.inet_pton(socket.AF_INET6 if ":" in ip else socket.AF_INET, ip)
        if self.v6 and ":" not in ip:
            ip = f"::ffff:{ip}"
        return ip, port
