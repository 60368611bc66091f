"""Byte ranges as players and download managers ask for them (RFC 9110)."""

from __future__ import annotations

import asyncio
import os

import pytest
from django.core.handlers.asgi import ASGIRequest
from django.http import Http404
from django.test import AsyncRequestFactory, RequestFactory

from meetings.recordings.streaming import CHUNK, Span, Unsatisfiable, parse_range, send_file

BODY = bytes(range(256)) * 4  # 1024 bytes


@pytest.fixture
def film(tmp_path):
    path = tmp_path / "film.mp4"
    path.write_bytes(BODY)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    return path


def ask(path, method="get", **headers):
    request = getattr(RequestFactory(), method)("/", headers=headers)
    return send_file(request, path, content_type="video/mp4", filename="film.mp4")


def body(response):
    return b"".join(response) if response.streaming else response.content


@pytest.mark.parametrize(
    ("header", "span"),
    [
        ("bytes=0-0", Span(0, 0)),
        ("bytes=0-", Span(0, 1023)),
        ("bytes=1000-5000", Span(1000, 1023)),
        ("bytes=-1", Span(1023, 1023)),
        ("bytes=-5000", Span(0, 1023)),
        (" bytes=5-9 ", Span(5, 9)),
        ("bytes=9-5", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("bytes=0-1,4-5", None),
        ("items=0-1", None),
        ("", None),
        ("bytes=" + "9" * 5000 + "-", None),
        ("bytes=٣-٤", None),
    ],
)
def test_ranges(header, span):
    assert parse_range(header, 1024) == span


@pytest.mark.parametrize("header", ["bytes=1024-", "bytes=99999999-99999999", "bytes=-0"])
def test_ranges_outside_the_file(header):
    with pytest.raises(Unsatisfiable):
        parse_range(header, 1024)


def test_an_empty_file_has_no_range():
    with pytest.raises(Unsatisfiable):
        parse_range("bytes=0-", 0)


def test_the_whole_file(film):
    response = ask(film)
    assert response.status_code == 200 and body(response) == BODY
    assert response["Content-Length"] == "1024" and response["Accept-Ranges"] == "bytes"
    assert response["Content-Type"] == "video/mp4"
    assert response["Last-Modified"] == "Tue, 14 Nov 2023 22:13:20 GMT"
    assert response["Cache-Control"] == "private, no-cache"
    assert "Content-Range" not in response


def test_a_part(film):
    response = ask(film, range="bytes=100-199")
    assert response.status_code == 206 and body(response) == BODY[100:200]
    assert response["Content-Range"] == "bytes 100-199/1024" and response["Content-Length"] == "100"


def test_outside_is_416_with_the_size(film):
    response = ask(film, range="bytes=2000-")
    assert response.status_code == 416 and response["Content-Range"] == "bytes */1024"
    assert body(response) == b""


def test_several_ranges_get_the_whole_file(film):
    response = ask(film, range="bytes=0-1,5-6")
    assert response.status_code == 200 and body(response) == BODY


def test_head_has_the_headers_and_no_body(film):
    response = ask(film, "head", range="bytes=0-9")
    assert response.status_code == 200 and response["Content-Length"] == "1024" and body(response) == b""


def test_unchanged_is_304(film):
    etag = ask(film)["ETag"]
    response = ask(film, **{"if-none-match": etag})
    assert response.status_code == 304 and response["ETag"] == etag
    assert ask(film, **{"if-modified-since": "Tue, 14 Nov 2023 22:13:20 GMT"}).status_code == 304
    assert ask(film, **{"if-none-match": '"other"'}).status_code == 200


def test_a_part_of_a_changed_file_is_sent_whole(film):
    etag = ask(film)["ETag"]
    part = {"range": "bytes=0-9"}
    assert ask(film, **part, **{"if-range": etag}).status_code == 206
    assert ask(film, **part, **{"if-range": '"old"'}).status_code == 200
    assert ask(film, **part, **{"if-range": "Tue, 14 Nov 2023 22:13:20 GMT"}).status_code == 206
    assert ask(film, **part, **{"if-range": "Tue, 14 Nov 2000 22:13:20 GMT"}).status_code == 200
    assert ask(film, **part, **{"if-range": "nonsense"}).status_code == 200
    assert ask(film, **{"if-match": '"old"'}).status_code == 412


def test_another_version_has_another_etag(film):
    before = ask(film)["ETag"]
    film.write_bytes(BODY[::-1])
    assert ask(film)["ETag"] != before


def test_a_missing_file_is_not_found(tmp_path):
    with pytest.raises(Http404):
        ask(tmp_path / "none.mp4")


async def test_under_asgi_pieces_come_one_by_one(tmp_path):
    path = tmp_path / "long.mp4"
    content = os.urandom(CHUNK * 2 + 17)
    path.write_bytes(content)
    request = AsyncRequestFactory().get("/", headers={"Range": "bytes=5-"})
    assert isinstance(request, ASGIRequest)
    response = send_file(request, path, content_type="video/mp4", filename="long.mp4")
    assert response.is_async and response.status_code == 206
    pieces = [piece async for piece in response]
    assert [len(piece) for piece in pieces] == [CHUNK, CHUNK, 12]
    assert b"".join(pieces) == content[5:]


async def test_a_client_that_goes_away_leaves_no_open_file(tmp_path):
    path = tmp_path / "long.mp4"
    path.write_bytes(b"x" * (CHUNK * 3))
    request = AsyncRequestFactory().get("/")
    await asyncio.to_thread(int)  # the pool of threads keeps what it opens
    before = len(os.listdir("/proc/self/fd"))
    response = send_file(request, path, content_type="video/mp4", filename="long.mp4")
    pieces = aiter(response)
    await anext(pieces)
    await pieces.aclose()
    response.close()
    assert len(os.listdir("/proc/self/fd")) == before


async def test_a_file_that_shrinks_ends_early_instead_of_hanging(tmp_path):
    path = tmp_path / "long.mp4"
    path.write_bytes(b"x" * (CHUNK * 3))
    response = send_file(AsyncRequestFactory().get("/"), path, content_type="video/mp4", filename="l.mp4")
    pieces = aiter(response)
    await anext(pieces)
    os.truncate(path, CHUNK)
    assert [piece async for piece in pieces] == []
