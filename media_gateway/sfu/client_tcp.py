"""A headless client's end of ICE over TCP: a connection that looks like a connected UDP socket."""

import asyncio
import socket
from collections import deque

from .client import MediaClient
from .framing import Deframer, framed
from .identity import Identity

CONNECT_WITHIN = 5.0
MAX_FRAME = 2048


class FramedSocket:
    """Sends and receives whole datagrams.

    Connecting waits, which on loopback is no wait. What the kernel does not take at once is kept for the next
    `send`.
    """

    def __init__(self, remote: tuple[str, int], *, receive_buffer: int | None = None) -> None:
        """`receive_buffer`: bytes of the kernel's, small for a reader that is to be slow."""
        family = socket.AF_INET6 if ":" in remote[0] else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            if receive_buffer is not None:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            self.sock.settimeout(CONNECT_WITHIN)
            self.sock.connect(remote)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sock.setblocking(False)
        except OSError:
            self.sock.close()
            raise
        self._deframer = Deframer(MAX_FRAME)
        self._ready: deque[bytes] = deque()
        self._unsent = b""

    def fileno(self) -> int:
        return self.sock.fileno()

    def getsockname(self) -> tuple[str, int]:
        host, port = self.sock.getsockname()[:2]
        return host, port

    def send(self, datagram: bytes) -> None:
        """BrokenPipeError or ConnectionResetError when the other end is gone."""
        self._unsent += framed(datagram)
        try:
            self._unsent = self._unsent[self.sock.send(self._unsent) :]
        except BlockingIOError:
            pass  # stays for the next call

    def recv_into(self, buffer: memoryview) -> int:
        """The next datagram's length.

        BlockingIOError when none is complete, ConnectionError at the end.
        """
        while not self._ready:
            data = self.sock.recv(65536)
            if not data:
                raise ConnectionResetError("closed by the other end")
            self._ready.extend(bytes(frame) for frame in self._deframer.feed(data))
        datagram = self._ready.popleft()
        buffer[: len(datagram)] = datagram
        return len(datagram)

    def close(self) -> None:
        self.sock.close()


class TcpMediaClient(MediaClient):
    """A `MediaClient` that takes the gateway's TCP candidate, as a browser whose UDP is blocked does."""

    def __init__(self, identity: Identity | None = None, *, receive_buffer: int | None = None) -> None:
        super().__init__(identity)
        self.receive_buffer = receive_buffer
        self.stream: FramedSocket | None = None
        self.spare: FramedSocket | None = None
        self.hung_up = asyncio.Event()
        """the gateway has closed the connection"""

    def connect(self, text: str, *, address: tuple[str, int] | None = None) -> None:
        super().connect(text, address=address or candidate(text, "tcp"))

    def _open_socket(self) -> None:
        assert self._remote is not None
        self.stream = FramedSocket(self._remote, receive_buffer=self.receive_buffer)
        # The base class's own socket stands for "connected"; datagrams go over the stream.
        self._sock = self.stream.sock
        self._loop.add_reader(self.stream.fileno(), self._readable)

    def switch_to_udp(self, text: str) -> None:
        """Go on over UDP and nominate it; the TCP connection stays as it is."""
        assert self.stream is not None
        self._loop.remove_reader(self.stream.fileno())
        self.spare, self.stream = self.stream, None
        self._remote = candidate(text, "udp")
        super()._open_socket()
        self.ping()

    def _send(self, datagram: bytes) -> None:
        if self.stream is None:
            super()._send(datagram)
        elif self._sock is not None and not (self.drop_sent is not None and self.drop_sent(datagram)):
            try:
                self.stream.send(datagram)
            except ConnectionError:
                self.hung_up.set()

    def _readable(self) -> None:
        stream = self.stream
        if stream is None:
            super()._readable()
            return
        for _ in range(64):
            try:
                length = stream.recv_into(self._slot.view)
            except BlockingIOError:
                return
            except ConnectionError:
                self._loop.remove_reader(stream.fileno())
                self.hung_up.set()
                return
            self._datagram(length)
            if stream is not self.stream or self._sock is None:
                return


def candidate(text: str, protocol: str) -> tuple[str, int]:
    """The first candidate of `protocol` ("udp" or "tcp") in an SDP. StopIteration when there is none."""
    lines = (line.split() for line in text.splitlines() if line.startswith("a=candidate:"))
    parts = next(parts for parts in lines if parts[2].lower() == protocol)
    return parts[4], int(parts[5])
