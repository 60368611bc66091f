"""What may be believed of an uploaded file: little. Its name is cleaned, its type is looked at."""

from __future__ import annotations

import mimetypes
import re
import unicodedata
from typing import Any

MAX_NAME = 150
# Shown inside the page; all else is only ever downloaded. No SVG: it can carry script.
INLINE_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
GENERIC = "application/octet-stream"
# Types that tell people what a file is and that no browser runs; anything else is served as GENERIC.
_HARMLESS = re.compile(
    r"(audio|video|font)/[\w.+-]+|application/(pdf|zip|gzip|x-7z-compressed|rtf|epub\+zip|msword)"
    r"|application/vnd\.(openxmlformats-officedocument|oasis\.opendocument|ms-excel|ms-powerpoint)[\w.+-]*"
    r"|text/(plain|csv|markdown)"
)
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")


def clean_file_name(name: str) -> str:
    """A name that can be shown and saved anywhere: no path, no control characters, not hidden."""
    name = unicodedata.normalize("NFC", name).replace("\\", "/").rsplit("/", 1)[-1]
    name = _BIDI.sub("", name)
    name = "".join(letter for letter in name if unicodedata.category(letter)[0] != "C" or letter == "\u200d")
    name = re.sub(r'[<>:"|?*%;]+', "_", name)
    name = re.sub(r"\s+", " ", name).strip(" .")
    if not name:
        return "file"
    if len(name) > MAX_NAME:
        stem, dot, ending = name.rpartition(".")
        name = (
            f"{stem[: MAX_NAME - 1 - len(ending)]}.{ending}" if dot and len(ending) <= 12 else name[:MAX_NAME]
        )
    return name


def _image_type(head: bytes) -> str:
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return ""


def sniff_content_type(file: Any, name: str) -> str:
    """The content type to serve: images by their first bytes alone, harmless others by their name."""
    file.seek(0)
    head = file.read(16)
    file.seek(0)
    image = _image_type(head)
    if image:
        return image
    guessed = mimetypes.guess_type(name)[0] or GENERIC
    return guessed if _HARMLESS.fullmatch(guessed) else GENERIC
