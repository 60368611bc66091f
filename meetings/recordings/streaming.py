"""A private file over HTTP with byte ranges (RFC 9110 section 14), so that videos seek and downloads
resume.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path

from django.core.handlers.asgi import ASGIRequest
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header, http_date

CHUNK = 256 * 1024
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


class Unsatisfiable(Exception):
    """The range lies wholly outside the file."""


@dataclass(frozen=True)
class Span:
    """Bytes `first` to `last`, both included."""

    first: int
    last: int

    @property
    def length(self) -> int:
        return self.last - self.first + 1


def parse_range(header: str, size: int) -> Span | None:
    """The one range of a Range header in a file of `size` bytes.

    None when the whole file is to be sent: no header, another unit, several ranges, or nonsense, all of
    which a
    server may ignore. Raises Unsatisfiable.
    """
    match = _RANGE.fullmatch(header.strip())
    if match is None or match[1] == match[2] == "":
        return None
    if match[1] == "":
        length = int(match[2])
        if length == 0 or size == 0:
            raise Unsatisfiable
        return Span(max(size - length, 0), size - 1)
    first = int(match[1])
    last = int(match[2]) if match[2] else size - 1
    if last < first and match[2]:
        return None
    if first >= size:
        raise Unsatisfiable
    return Span(first, min(last, size - 1))


def _range_still_valid(request: HttpRequest, etag: str, modified: int) -> bool:
    """If-Range: a part is worth sending only of the very file the client has the beginning of."""
    condition = request.headers.get("If-Range", "").strip()
    if not condition:
        return True
    if condition.startswith(('"', "W/")):
        return condition == etag
    try:
        moment = parsedate_to_datetime(condition)
    except ValueError:
        return False
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return int(moment.timestamp()) == modified


def send_file(
    request: HttpRequest, path: Path, *, content_type: str, filename: str, as_attachment: bool = False
) -> HttpResponseBase:
    """Answer GET or HEAD with the file at `path`, or a part of it. Raises Http404 if it is not there.

    200 whole, 206 part, 304 unchanged, 412 changed, 416 outside. Streams in pieces of 256 KiB, so a film
    costs no
    memory. The caller has checked the rights.
    """
    try:
        info = path.stat()
    except FileNotFoundError as error:
        raise Http404("no such file") from error
    size, modified = info.st_size, int(info.st_mtime)
    etag = f'"{info.st_mtime_ns:x}-{size:x}"'
    headers = {
        "ETag": etag,
        "Last-Modified": http_date(modified),
        "Accept-Ranges": "bytes",
        # Rights may be withdrawn: a browser may keep the bytes, but asks each time.
        "Cache-Control": "private, no-cache",
    }
    unchanged = get_conditional_response(request, etag, modified)
    if unchanged is not None:
        for name, value in headers.items():
            unchanged[name] = value
        return unchanged
    span, status = Span(0, size - 1), 200
    # Only GET has ranges (RFC 9110 section 14.2).
    if request.method == "GET" and "Range" in request.headers and _range_still_valid(request, etag, modified):
        try:
            part = parse_range(request.headers["Range"], size)
        except Unsatisfiable:
            return HttpResponse(status=416, headers={**headers, "Content-Range": f"bytes */{size}"})
        if part is not None:
            span, status = part, 206
            headers["Content-Range"] = f"bytes {span.first}-{span.last}/{size}"
    headers["Content-Length"] = str(span.length)
    disposition = content_disposition_header(as_attachment, filename)
    if disposition:
        headers["Content-Disposition"] = disposition
    if request.method == "HEAD":
        return HttpResponse(status=status, headers=headers, content_type=content_type)
    # Under ASGI a plain iterator would be read to its end first, on the one thread all synchronous code
    # shares.
    body = _AsyncPieces(path, span) if isinstance(request, ASGIRequest) else _pieces(path, span)
    return StreamingHttpResponse(body, status=status, headers=headers, content_type=content_type)


def _pieces(path: Path, span: Span) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(span.first)
        left = span.length
        while left > 0 and (piece := file.read(min(CHUNK, left))):
            left -= len(piece)
            yield piece


class _AsyncPieces:
    """The same without blocking the event loop; the response closes the file, wherever reading stood."""

    def __init__(self, path: Path, span: Span) -> None:
        self._path, self._span = path, span
        self._descriptor: int | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self._descriptor = descriptor = await asyncio.to_thread(
            os.open, self._path, os.O_RDONLY | os.O_CLOEXEC
        )
        try:
            position, end = self._span.first, self._span.last + 1
            while position < end:
                piece = await asyncio.to_thread(os.pread, descriptor, min(CHUNK, end - position), position)
                if not piece:
                    return  # truncated meanwhile: the client sees that bytes are missing
                position += len(piece)
                yield piece
        finally:
            self.close()

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
