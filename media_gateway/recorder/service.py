"""The recording worker's heart: receives the recorder feed and journals it.

One loopback UDP socket serves all recordings; a random token tells them apart. What arrives is queued in
memory and written by a thread every ``flush_interval`` seconds, so a killed process loses no more than
that: written data is in the kernel's page cache and survives the process. Against a power cut every file is
forced to the disk every ``sync_interval`` seconds, in another thread, because on a busy disk that can take
longer than a flush may wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import logging
import secrets
import shutil
import socket
import struct
import time
from collections import Counter, OrderedDict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from . import feed
from .recording import Recording, count_journals, recorded_by

log = logging.getLogger(__name__)

SO_RCVBUFFORCE, SO_MEMINFO = 33, 55  # Linux; the socket module has no names for them
_MEMINFO = struct.Struct("9I")
RECEIVE_BUFFER = 16 << 20
BATCH = 128  # datagrams taken in one turn of the event loop
REMEMBERED_STOPS = 256
MAX_ID = 128

_TROUBLE = {
    errno.ENOSPC: "disk_full",
    errno.EDQUOT: "disk_full",
    errno.EFBIG: "disk_full",
    errno.EMFILE: "too_many_files",
}


class RecorderError(Exception):
    """A refused operation; ``code`` is one of docs/protocol.md, section 2.2."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class RecorderService:
    """Records any number of meetings at once.

    ``root`` is the only folder it writes under. ``host`` must be a loopback address, since the packets on
    the feed are no longer encrypted. ``max_pending_bytes`` bounds the memory used when the disk does not
    keep up.
    """

    def __init__(
        self,
        root: Path | str,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        flush_interval: float = 0.4,
        sync_interval: float = 5.0,
        max_pending_bytes: int = 64 << 20,
        min_free_bytes: int = 64 << 20,
    ) -> None:
        if not ipaddress.ip_address(host).is_loopback:
            raise ValueError("the recorder feed is for loopback addresses only")
        self.root = Path(root).resolve()
        self.dropped: Counter[str] = Counter()
        self._host, self._port = host, port
        self._flush_interval, self._sync_interval = flush_interval, sync_interval
        self._max_pending, self._min_free = max_pending_bytes, min_free_bytes
        self._by_id: dict[str, Recording] = {}
        self._by_token: dict[bytes, Recording] = {}
        self._stopped: OrderedDict[str, dict[str, int]] = OrderedDict()
        self._socket: socket.socket | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()
        self._lock = asyncio.Lock()  # one flush at a time keeps each file in order
        self._threads: ThreadPoolExecutor | None = None
        self._pending = 0
        self._packets = 0
        self._last_load = (time.monotonic(), 0)
        self._lag_ms = 0.0

    # -- life --------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open the socket and begin to write. Raises OSError (port in use, folder not writable)."""
        await asyncio.to_thread(self.root.mkdir, parents=True, exist_ok=True)
        sock = socket.socket(
            socket.AF_INET6 if ":" in self._host else socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK
        )
        try:
            _enlarge_buffer(sock)
            sock.bind((self._host, self._port))
        except OSError:
            sock.close()
            raise
        self._socket = sock
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="recorder")
        self._stopping.clear()
        loop = asyncio.get_running_loop()
        loop.add_reader(sock.fileno(), self._receive, BATCH)
        self._tasks = [loop.create_task(self._flush_forever()), loop.create_task(self._sync_forever())]

    async def stop(self) -> None:
        """Write everything that arrived and close. The recordings can be resumed by another start."""
        if self._socket is None or self._threads is None:
            return
        # Not cancelled: a write that runs in a thread cannot be, and the next must not overtake it.
        self._stopping.set()
        await asyncio.gather(*self._tasks)
        self._drain()
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        self._socket.close()
        for recording in list(self._by_id.values()):
            await self._finish(recording)
        self._by_id.clear()
        self._by_token.clear()
        self._socket = None
        self._threads.shutdown()

    @property
    def address(self) -> tuple[str, int]:
        """Where media workers send to. Raises RuntimeError when the service is not running."""
        if self._socket is None:
            raise RuntimeError("the recorder is not running")
        host, port = self._socket.getsockname()[:2]
        return host, port

    @property
    def recordings(self) -> list[str]:
        """The ids of the recordings that run here."""
        return list(self._by_id)

    # -- operations --------------------------------------------------------------------------------

    async def handle(self, op: str, data: object) -> dict[str, Any]:
        """Answer one request of the control link. Raises RecorderError."""
        if not isinstance(data, dict):
            raise RecorderError("bad_request", "data is not an object")
        recording = data.get("recording")
        if not isinstance(recording, str) or not 0 < len(recording) <= MAX_ID:
            raise RecorderError("bad_request", "recording is not an id")
        if op == "recording.start":
            return await self._start_recording(recording, data.get("directory"))
        if op == "recording.stop":
            return await self._stop_recording(recording)
        raise RecorderError("bad_request", f"unknown operation {op!r}")

    async def _start_recording(self, recording: str, directory: object) -> dict[str, Any]:
        path = self._check_directory(directory)
        running = self._by_id.get(recording)
        if running is None:
            resumed = await asyncio.to_thread(self._prepare, recording, path)
            running = self._by_id.get(recording)  # the same request may have come twice
            if running is None:
                if any(other.directory == path for other in self._by_id.values()):
                    raise RecorderError("bad_request", "another recording runs in this directory")
                running = Recording(recording, path, secrets.token_bytes(feed.TOKEN_BYTES), resumed=resumed)
                self._by_id[recording] = self._by_token[running.token] = running
                self._stopped.pop(recording, None)
                log.info("recording %s %s in %s", recording, "resumed" if resumed else "started", path)
        if running.directory != path:
            raise RecorderError("bad_request", "this recording runs in another directory")
        return {"address": list(self.address), "token": running.token.hex()}

    def _check_directory(self, directory: object) -> Path:
        """Absolute, or relative to the root; symbolic links are followed before it is compared."""
        if not isinstance(directory, str) or not directory or "\0" in directory:
            raise RecorderError("bad_request", "directory is not a path")
        path = (self.root / directory).resolve()
        if path == self.root or not path.is_relative_to(self.root):
            raise RecorderError("forbidden", "directory is outside the recordings folder")
        return path

    def _prepare(self, recording: str, path: Path) -> bool:
        """Make the folder; says whether it already holds journals of this recording."""
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            free = shutil.disk_usage(path).free
            others = recorded_by(path)
        except OSError as error:
            code = "no_space" if error.errno in _TROUBLE else "internal"
            raise RecorderError(code, f"cannot record in this directory: {error.strerror}") from error
        if free < self._min_free:
            raise RecorderError("no_space", f"only {free >> 20} MiB are free for recordings")
        if others - {recording}:
            raise RecorderError("bad_request", "the directory holds another recording")
        return bool(others)

    async def _stop_recording(self, recording: str) -> dict[str, Any]:
        if recording in self._stopped:
            return dict(self._stopped[recording])
        running = self._by_id.get(recording)
        if running is None:
            raise RecorderError("not_found", "no such recording runs here")
        self._drain()  # what the media worker sent before it was told to stop may still be in the socket
        self._by_id.pop(recording, None)
        self._by_token.pop(running.token, None)
        totals = await self._finish(running)
        self._stopped[recording] = totals
        while len(self._stopped) > REMEMBERED_STOPS:
            self._stopped.popitem(last=False)
        log.info("recording %s stopped: %s", recording, totals)
        return dict(totals)

    async def _finish(self, recording: Recording) -> dict[str, int]:
        assert self._threads is not None
        loop = asyncio.get_running_loop()
        async with self._lock:
            await self._flush(recording)
        try:
            await loop.run_in_executor(self._threads, recording.sync)
        except OSError as error:
            log.error("recording %s: cannot force it to the disk: %s", recording.id, error)
        recording.close()
        if recording.pending_bytes:
            log.error(
                "recording %s: its last %d bytes could not be written", recording.id, recording.pending_bytes
            )
            self._pending -= recording.pending_bytes
        if recording.resumed:  # an earlier process recorded a part that only the files know
            return await loop.run_in_executor(self._threads, count_journals, recording.directory)
        return {"tracks": recording.files, "bytes": recording.bytes, "packets": recording.packets}

    def load(self) -> dict[str, Any]:
        """For the heartbeat of the control link: how busy, and which recordings are in trouble."""
        now, (then, packets) = time.monotonic(), self._last_load
        self._last_load = (now, self._packets)
        return {
            "rooms": len(self._by_id),
            "peers": sum(len(recording.tracks) for recording in self._by_id.values()),
            "packets_per_s": round((self._packets - packets) / max(now - then, 1e-3), 1),
            "lag_ms": round(self._lag_ms, 1),
            "pending_bytes": self._pending,
            "dropped": dict(self.dropped) | {"kernel": self._kernel_drops()},
            "recordings": {
                recording.id: {
                    "state": "failing" if recording.error else "recording",
                    "error": recording.error,
                    "tracks": recording.files,
                    "packets": recording.packets,
                    "bytes": recording.bytes,
                    "lost": recording.lost,
                }
                for recording in self._by_id.values()
            },
        }

    def _kernel_drops(self) -> int:
        """Datagrams that found the socket's buffer full since it was opened."""
        if self._socket is None:
            return 0
        info = self._socket.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, _MEMINFO.size)
        return int(_MEMINFO.unpack(info)[8])

    # -- receiving ---------------------------------------------------------------------------------

    def _receive(self, limit: int) -> int:
        """Take up to ``limit`` datagrams; returns how many there were."""
        assert self._socket is not None
        receive = self._socket.recvfrom
        for count in range(limit):
            try:
                datagram, source = receive(65536)
            except BlockingIOError:
                return count
            except OSError as error:  # for example an ICMP error that a closed peer left behind
                log.warning("recorder feed: %s", error)
                return count
            self._take(datagram, source)
        return limit

    def _drain(self) -> None:
        for _ in range(1000):
            if self._receive(BATCH) < BATCH:
                return

    def _take(self, datagram: bytes, source: tuple[Any, ...]) -> None:
        if len(datagram) < feed.DATAGRAM.size:
            self.dropped["malformed"] += 1
            return
        kind, token, number, arrival_ns = feed.DATAGRAM.unpack_from(datagram)
        recording = self._by_token.get(token)
        if recording is None:
            self.dropped["unknown_token"] += 1
            return
        if self._pending > self._max_pending:
            self.dropped["backlog"] += 1
            recording.lost += 1
            return
        try:
            added = recording.take(kind, source[:2], number, arrival_ns, datagram[feed.DATAGRAM.size :])
        except feed.FeedError:
            self.dropped["malformed"] += 1
            return
        self._pending += added
        self._packets += kind == feed.KIND_RTP

    # -- writing -----------------------------------------------------------------------------------

    async def _pause(self, seconds: float) -> None:
        """Sleep, but not through stop()."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def _flush_forever(self) -> None:
        while not self._stopping.is_set():
            due = time.monotonic() + self._flush_interval
            await self._pause(self._flush_interval)
            self._lag_ms = max(0.0, (time.monotonic() - due) * 1000)
            async with self._lock:
                for recording in list(self._by_id.values()):
                    try:
                        await self._flush(recording)
                    except Exception:  # one recording's trouble must never end the writing of all
                        log.exception("recording %s: flush failed", recording.id)
                        recording.error = "write_failed"

    async def _flush(self, recording: Recording) -> None:
        batch = recording.take_batch()
        # It fills memory until it is written: so long it counts against the bound.
        taken = sum(len(data) for _, data in batch)
        loop = asyncio.get_running_loop()
        try:
            failed, trouble = await loop.run_in_executor(self._threads, recording.write_batch, batch)
            await loop.run_in_executor(self._threads, recording.close_finished)
        finally:
            self._pending -= taken
        if trouble is None:
            if recording.error and batch:
                log.warning(
                    "recording %s: writing works again; %d datagrams were lost", recording.id, recording.lost
                )
                recording.error = None
            return
        self._pending += recording.give_back(failed)
        code = _TROUBLE.get(trouble.errno or 0, "write_failed")
        if recording.error != code:
            log.error("recording %s: %s (%s)", recording.id, code, trouble)
        recording.error = code

    async def _sync_forever(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            await self._pause(self._sync_interval)
            for recording in list(self._by_id.values()):
                try:
                    await loop.run_in_executor(self._threads, recording.sync)
                except OSError as error:
                    log.error("recording %s: cannot force it to the disk: %s", recording.id, error)


def _enlarge_buffer(sock: socket.socket) -> None:
    """A key frame of every camera can come at once, while this process waits for the processor."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
    except OSError:  # needs CAP_NET_ADMIN; without it the kernel grants up to net.core.rmem_max
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
