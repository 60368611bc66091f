"""The local mail folder: an e-mail backend that writes files, and reading them back for the administrators'
page.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import email
import email.policy
import hashlib
import os
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage as ParsedMessage
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

_KEY = re.compile(r"[0-9a-f]{32}")


class EmailBackend(BaseEmailBackend):
    """One `.eml` file a message in MAIL_DIR, named after its Message-ID.

    Written beside and moved into place, so a reader never sees half a file; the same message delivered twice
    is one file.
    """

    def __init__(self, *args: Any, folder: Path | str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.folder = Path(folder or settings.MAIL_DIR)

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for message in email_messages:
            if message.recipients():
                parsed = message.message()
                self._write(file_key(str(parsed["Message-ID"])), parsed.as_bytes(linesep="\r\n"))  # type: ignore[call-arg]
        return len(email_messages)

    def _write(self, key: str, content: bytes) -> None:
        part = self.folder / f".{key}.{secrets.token_hex(4)}.part"
        try:
            with open(part, "xb", opener=_private) as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self.folder / f"{key}.eml")
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                part.unlink()
            raise


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def file_key(message_id: str) -> str:
    """32 hex digits naming the message with this Message-ID."""
    return hashlib.sha256(message_id.strip().encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Envelope:
    """One line of the list."""

    key: str
    to: str
    subject: str
    at: dt.datetime  # of delivery, aware


@dataclass
class Part:
    """A part of a message that can be downloaded; `number` is its place in the MIME tree's walk."""

    number: int
    name: str
    content_type: str
    size: int


@dataclass
class StoredMail:
    """One message as the page shows it. `raw_html` is what the sender wrote: show it in a sandbox only."""

    envelope: Envelope
    headers: list[tuple[str, str]]
    text: str
    raw_html: str
    parts: list[Part] = field(default_factory=list)


def keys() -> list[str]:
    """Keys of all messages, newest first. Reads the directory only, not the messages."""
    try:
        entries = list(os.scandir(settings.MAIL_DIR))
    except FileNotFoundError:
        return []
    found = [(entry.stat().st_mtime_ns, entry.name[:-4]) for entry in entries if entry.name.endswith(".eml")]
    return [key for _at, key in sorted(found, reverse=True) if _KEY.fullmatch(key)]


def envelopes(chosen: Iterable[str]) -> list[Envelope]:
    """The list lines of these keys; those deleted meanwhile fall out."""
    found = []
    for key in chosen:
        try:
            with open(_path(key), "rb") as file:
                headers = BytesHeaderParser(policy=email.policy.default).parse(file)
                at = os.fstat(file.fileno()).st_mtime
        except FileNotFoundError:
            continue
        found.append(_envelope(key, headers, at))
    return found


def read(key: str) -> StoredMail | None:
    """The message, or None if there is none of that key (or it is no key)."""
    message = _parse(key)
    if message is None:
        return None
    envelope = _envelope(key, message, _path(key).stat().st_mtime)
    parts = [
        Part(number, part.get_filename() or "invite.ics", part.get_content_type(), len(_payload(part)))
        for number, part in enumerate(message.walk())
        if part.get_content_disposition() == "attachment" or part.get_content_type() == "text/calendar"
    ]
    return StoredMail(
        envelope=envelope,
        headers=[(name, str(value)) for name, value in message.items()],
        text=_body(message, "plain"),
        raw_html=_body(message, "html"),
        parts=parts,
    )


def read_part(key: str, number: int) -> tuple[Part, bytes] | None:
    """The content of one downloadable part, or None."""
    stored, message = read(key), _parse(key)
    if stored is None or message is None:
        return None
    part = next((part for part in stored.parts if part.number == number), None)
    if part is None:
        return None
    return part, _payload(list(message.walk())[number])


def _path(key: str) -> Path:
    return Path(settings.MAIL_DIR) / f"{key}.eml"


def _parse(key: str) -> ParsedMessage | None:
    # Nothing but 32 hex digits ever becomes a path.
    if not _KEY.fullmatch(key):
        return None
    try:
        content = _path(key).read_bytes()
    except FileNotFoundError:
        return None
    return email.message_from_bytes(content, policy=email.policy.default)  # type: ignore[return-value]


def _envelope(key: str, headers: Any, at: float) -> Envelope:
    moment = dt.datetime.fromtimestamp(at, tz=dt.UTC)
    return Envelope(key=key, to=str(headers["To"] or ""), subject=str(headers["Subject"] or ""), at=moment)


def _body(message: ParsedMessage, kind: str) -> str:
    part = message.get_body(preferencelist=(kind,))
    return str(part.get_content()) if part is not None else ""


def _payload(part: Any) -> bytes:
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""
