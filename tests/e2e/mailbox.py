"""Reads the mail folder back as a mail program would."""

from __future__ import annotations

import email
import email.policy
import time
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

import icalendar


@dataclass
class Mail:
    """One message from the folder: `message` is the parsed MIME tree."""

    path: Path
    message: EmailMessage

    @property
    def to(self) -> str:
        return str(self.message["To"].addresses[0].addr_spec)

    @property
    def subject(self) -> str:
        return str(self.message["Subject"])

    def body(self, kind: str) -> str:
        """The text of the `plain` or `html` alternative."""
        part = self.message.get_body(preferencelist=(kind,))
        assert part is not None, f"{self.path} has no {kind} part"
        return str(part.get_content())

    def calendar(self) -> tuple[str, icalendar.Calendar]:
        """The text/calendar alternative: its MIME `method` parameter and the parsed calendar."""
        for part in self.message.walk():
            if part.get_content_type() == "text/calendar":
                text = part.get_payload(decode=True)
                return str(part.get_param("method")), icalendar.Calendar.from_ical(text)
        raise AssertionError(f"{self.path} has no calendar part")


def read_mails(folder: Path) -> list[Mail]:
    paths = sorted(folder.glob("*.eml"), key=lambda path: path.stat().st_mtime)
    return [
        Mail(path, email.message_from_bytes(path.read_bytes(), policy=email.policy.default)) for path in paths
    ]  # type: ignore[arg-type]


def wait_for_mails(folder: Path, count: int, *, about: str, seconds: float = 30) -> list[Mail]:
    """At least `count` mails whose subject holds `about`; fails telling what is there instead."""
    deadline = time.monotonic() + seconds
    while True:
        mails = [mail for mail in read_mails(folder) if about in mail.subject]
        if len(mails) >= count:
            return mails
        if time.monotonic() > deadline:
            subjects = [f"{mail.to}: {mail.subject}" for mail in read_mails(folder)]
            raise AssertionError(
                f"{len(mails)} of {count} mails about {about!r}; the folder holds {subjects}"
            )
        time.sleep(0.2)
