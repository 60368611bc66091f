"""What a booking is made of before it is rows: people, agenda items; and reading people from text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from email.utils import parseaddr

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from accounts.models import User

MAX_ATTENDEES = 500
NAME_LENGTH = 80


@dataclass(frozen=True)
class Attendee:
    """Someone to invite: by address, with an account (`user`) or without. `cohost`: may run the meeting."""

    email: str
    name: str = ""
    user: User | None = None
    cohost: bool = False


@dataclass(frozen=True)
class AgendaDraft:
    title: str
    minutes: int | None = None


class BadAddress(ValueError):
    """A piece of text that should be a person's address and is not; `text` is that piece."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def normal_email(text: str) -> str:
    """The form in which addresses are compared and kept."""
    return text.strip().lower()


def clean_name(text: str) -> str:
    """A name fit for a mail header and a calendar: one line, no control characters, at most NAME_LENGTH."""
    return " ".join(re.sub(r"[\x00-\x1f\x7f]", " ", text).split())[:NAME_LENGTH]


def split_people(text: str) -> list[str]:
    """Pieces of a list of people: one a line, or separated by commas or semicolons outside quotes and <…>."""
    pieces, piece, quoted, inside = [], "", False, False
    for character in text + "\n":
        if character == "\n":
            quoted = inside = False
        elif character == '"':
            quoted = not quoted
        elif character in "<>" and not quoted:
            inside = character == "<"
        if character == "\n" or (character in ",;" and not quoted and not inside):
            pieces.append(piece.strip())
            piece = ""
        else:
            piece += character
    return [piece for piece in pieces if piece]


def read_person(piece: str) -> Attendee:
    """`Name <a@b.c>` or `a@b.c` as an Attendee. Raises BadAddress."""
    name, email = parseaddr(piece)
    if "<" not in piece:
        name, email = "", piece
    email = normal_email(email)
    try:
        validate_email(email)
    except ValidationError as error:
        raise BadAddress(piece) from error
    if len(email) > 254:
        raise BadAddress(piece)
    return Attendee(email=email, name=clean_name(name))


def write_person(email: str, name: str) -> str:
    """The inverse of `read_person`, for a form field: one line."""
    if not name:
        return email
    quoted = name.replace("\\", "").replace('"', "")
    return f'"{quoted}" <{email}>'


def merge_attendees(attendees: Iterable[Attendee], *, without: str = "") -> list[Attendee]:
    """One entry an address, in order of first mention; the address `without` (the organiser's) is dropped.

    An address that belongs to an account gets that account and its name. Somebody named twice is co-host if
    either entry says so. One query.
    """
    merged: dict[str, Attendee] = {}
    for attendee in attendees:
        email = normal_email(attendee.user.email if attendee.user else attendee.email)
        known = merged.get(email)
        if known is None:
            merged[email] = replace(attendee, email=email, name=clean_name(attendee.name))
        else:
            merged[email] = replace(
                known,
                name=known.name or clean_name(attendee.name),
                user=known.user or attendee.user,
                cohost=known.cohost or attendee.cohost,
            )
    merged.pop(normal_email(without), None)
    unknown = [email for email, attendee in merged.items() if attendee.user is None]
    if unknown:
        for user in User.objects.filter(email__in=unknown, is_active=True):
            merged[user.email] = replace(merged[user.email], user=user)
    return [
        replace(person, name=person.user.name if person.user else person.name) for person in merged.values()
    ]
