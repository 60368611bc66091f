"""Every environment variable Plenum reads, in one table, checked at start.

`load(environ)` returns the checked values or raises `BadEnvironment`, whose message names every bad
variable, what is wrong with it and what a good value looks like. `docs/operations.md` shows this table.
"""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
import socket
import time
import zoneinfo
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parseaddr
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

BASE_DIR = Path(__file__).resolve().parent.parent


class BadEnvironment(Exception):
    """One or more environment variables are unusable; the text says which, why and what to write."""


@dataclass(frozen=True)
class Variable:
    """One variable: `parse` turns its text into a value or raises ValueError with the reason."""

    name: str
    default: str
    parse: Callable[[str], Any]
    help: str
    example: str


def _text(value: str) -> str:
    return value


_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?")


def _host(value: str) -> str:
    """An IP address or a host name; no scheme, no port."""
    try:
        ipaddress.ip_address(value)
    except ValueError:
        if value and not _HOST.fullmatch(value):
            raise ValueError("is neither an IP address nor a host name") from None
    return value


def _hosts(value: str) -> list[str]:
    for word in _words(value):
        _host(word.removeprefix("."))  # Django: a leading dot means every sub-domain
    return _words(value)


def _ip(value: str) -> str:
    """A socket listens on an address; a name may have several."""
    if value:
        ipaddress.ip_address(value)
    return value


def _name(value: str) -> str:
    if value and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}", value):
        raise ValueError("is not 1 to 60 letters, digits, dots or dashes")
    return value


def _sender(value: str) -> str:
    address = parseaddr(value)[1]
    if not re.fullmatch(r"[^@\s]+@[^@\s]+", address):
        raise ValueError("holds no e-mail address")
    return value


def _turn(value: str) -> list[str]:
    for word in _words(value):
        if not re.fullmatch(r"(turns?|stuns?):[^\s/?]+(\?transport=(udp|tcp))?", word):
            raise ValueError(f"holds {word!r}, which is no turn:, turns: or stun: address")
    return _words(value)


def _flag(value: str) -> bool:
    table = {
        "1": True,
        "true": True,
        "yes": True,
        "on": True,
        "0": False,
        "false": False,
        "no": False,
        "off": False,
    }
    if value.lower() not in table:
        raise ValueError("is neither on nor off")
    return table[value.lower()]


def _when(value: str) -> bool | None:
    """On, off, or None for auto."""
    try:
        return None if value.lower() == "auto" else _flag(value)
    except ValueError:
        raise ValueError("is none of auto, on, off") from None


def _digits(value: str) -> bool:
    return value.isascii() and value.isdigit() and len(value) < 10  # "²".isdigit() is true


def _port(value: str) -> int:
    if not _digits(value) or not 1 <= int(value) <= 65535:
        raise ValueError("is not a port between 1 and 65535")
    return int(value)


def _count(value: str) -> int:
    if not _digits(value) or not 1 <= int(value) <= 256:
        raise ValueError("is not a whole number between 1 and 256")
    return int(value)


def _up_to(most: int, least: int = 1) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not _digits(value) or not least <= int(value) <= most:
            raise ValueError(f"is not a whole number between {least} and {most}")
        return int(value)

    return parse


def _bitrate(value: str) -> int:
    """Bit/s; 0 is no limit. Below 100 kbit/s no picture comes through."""
    if value != "0" and (not _digits(value) or int(value) < 100_000):
        raise ValueError("is neither 0 nor a number of bit/s between 100000 and 999999999")
    return int(value)


def _token(value: str) -> str:
    if value and not re.fullmatch(r"[A-Za-z0-9._~+/=-]{16,200}", value):
        raise ValueError("is not 16 to 200 letters, digits or . _ ~ + / = -")
    return value


def _days(value: str) -> int:
    if not _digits(value) or not 1 <= int(value) <= 3650:
        raise ValueError("is not a number of days between 1 and 3650")
    return int(value)


def _words(value: str) -> list[str]:
    return [word for word in (part.strip() for part in value.split(",")) if word]


def _ips(value: str) -> list[str]:
    for word in _words(value):
        ipaddress.ip_address(word)  # its ValueError names the word
    return _words(value)


def _zone(value: str) -> str:
    if value not in zoneinfo.available_timezones():
        raise ValueError("is not an IANA time zone")
    return value


def _language(value: str) -> str:
    if value not in ("en", "zh-hans"):
        raise ValueError("is not one of en, zh-hans")
    return value


def _level(value: str) -> str:
    if value.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise ValueError("is not one of DEBUG, INFO, WARNING, ERROR")
    return value.upper()


def _path(value: str) -> Path:
    return Path(value).expanduser().resolve()


def _site(value: str) -> str:
    """The portal lives at the root of a host: its links, cookies and sockets know no path prefix."""
    value = _url("http", "https")(value).rstrip("/")
    parts = urlsplit(value)
    if parts.path or parts.query or parts.fragment:
        raise ValueError("has a path; the portal needs a host name of its own")
    if parts.username or parts.password:
        raise ValueError("holds a user name or password")
    return value


def _url(*schemes: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if not value:
            return value
        parts = urlsplit(value)
        if parts.scheme not in schemes:
            raise ValueError(f"does not start with {' or '.join(s + '://' for s in schemes)}")
        if not parts.hostname and parts.scheme != "sqlite":
            raise ValueError("names no host")
        try:
            parts.port  # noqa: B018 - raises ValueError
        except ValueError:
            # Its own text may quote a part of the password.
            raise ValueError("has a port that is no number up to 65535") from None
        return value

    return parse


def _secret(value: str) -> str:
    if value and len(value) < 32:
        raise ValueError("is shorter than 32 characters")
    return value


TABLE: tuple[Variable, ...] = (
    Variable("HOST", "127.0.0.1", _host, "address the portal listens on", "0.0.0.0"),  # noqa: S104 - an example
    Variable("PORT", "8000", _port, "TCP port of the portal", "8000"),
    Variable("MEDIA_PORT", "10000", _port, "UDP port of the first media worker; the others follow", "10000"),
    Variable("MEDIA_HOST", "", _ip, "address the media sockets listen on; empty: same as HOST", "0.0.0.0"),  # noqa: S104
    Variable("MEDIA_IPS", "", _ips, "addresses told to browsers; empty: this machine's own", "203.0.113.7"),
    Variable(
        "MEDIA_TCP",
        "auto",
        _when,
        "media over TCP too, on the same port numbers; auto: where they are free",
        "on",
    ),
    Variable("MEDIA_WORKERS", "1", _count, "media workers on this machine", "2"),
    Variable("MEDIA_MAX_ROOMS", "500", _up_to(10_000), "rooms one media worker takes", "500"),
    Variable("MEDIA_MAX_PEERS", "1000", _up_to(100_000), "people one media worker takes", "1000"),
    Variable("MEDIA_MAX_PEERS_PER_ROOM", "200", _up_to(10_000, 2), "people one room takes", "200"),
    Variable(
        "MEDIA_SPREAD_AT",
        "150",
        _up_to(10_000),
        "people of one room on one media worker, before the next are served by another",
        "150",
    ),
    Variable("MEDIA_MAX_BITRATE", "0", _bitrate, "bit/s one person may send in all; 0: no limit", "8000000"),
    Variable(
        "MEDIA_AUDIO_LOUDEST", "6", _up_to(50), "voices heard at once in a large room, the loudest", "6"
    ),
    Variable(
        "ROOM_DATA_RATE", "1000", _up_to(100_000), "pointers and reactions a second in one room", "1000"
    ),
    Variable(
        "DATA_DIR", str(BASE_DIR / "var"), _path, "folder for everything the portal writes", "/srv/plenum"
    ),
    Variable(
        "PUBLIC_URL", "", _site, "address people type; empty: http://HOST:PORT", "https://meet.example.org"
    ),
    Variable(
        "ALLOWED_HOSTS", "", _hosts, "further host names to answer for, comma separated", "meet.example.org"
    ),
    Variable("TRUST_PROXY", "off", _flag, "believe X-Forwarded-For and -Proto of a reverse proxy", "on"),
    Variable("DEBUG", "off", _flag, "show tracebacks in the browser; never in production", "on"),
    Variable("LOG_LEVEL", "INFO", _level, "how much is logged", "INFO"),
    Variable(
        "SECRET_KEY",
        "",
        _secret,
        "signs sessions and links; empty: made once in DATA_DIR",
        "64 random characters",
    ),
    Variable(
        "MEDIA_SECRET",
        "",
        _secret,
        "shared by web tier and workers; empty: made once in DATA_DIR",
        "64 random characters",
    ),
    Variable(
        "DATABASE_URL",
        "",
        _url("postgres", "postgresql", "sqlite"),
        "empty: SQLite in DATA_DIR",
        "postgres://user:pw@db:5432/plenum",
    ),
    Variable("REDIS_URL", "", _url("redis", "rediss"), "empty: embedded Valkey", "redis://:pw@cache:6379/0"),
    Variable(
        "SMTP_URL",
        "",
        _url("smtp", "smtps", "smtp+tls"),
        "empty: mails go to DATA_DIR/mail",
        "smtp+tls://user:pw@mail:587",
    ),
    Variable(
        "MAIL_FROM", "Plenum <plenum@localhost>", _sender, "sender of mails", "Plenum <meet@example.org>"
    ),
    Variable("TIME_ZONE", "UTC", _zone, "zone of people who chose none", "Europe/Berlin"),
    Variable("DEFAULT_LANGUAGE", "en", _language, "language of people who chose none", "zh-hans"),
    Variable("SIGNUP", "on", _flag, "people may create their own accounts", "off"),
    Variable(
        "CONTROL_URL",
        "",
        _url("ws", "wss"),
        "where workers reach the web tier; empty: the local portal",
        "wss://meet.example.org",
    ),
    Variable(
        "NODE_NAME", "", _name, "name of this machine among media hosts; empty: its host name", "media-1"
    ),
    Variable("LINK_DAYS", "90", _days, "days a personal link stays valid after its meeting", "90"),
    Variable(
        "TURN_URLS", "", _turn, "TURN servers told to browsers, comma separated", "turn:turn.example.org:3478"
    ),
    Variable("TURN_SECRET", "", _text, "secret shared with coturn (use-auth-secret)", "64 random characters"),
    Variable(
        "METRICS_TOKEN",
        "",
        _token,
        "bearer token for /metrics; empty: answered to this machine alone",
        "32 random characters",
    ),
)


# Shown with a star instead of their value.
SECRETS = frozenset(
    {"SECRET_KEY", "MEDIA_SECRET", "TURN_SECRET", "METRICS_TOKEN", "DATABASE_URL", "REDIS_URL", "SMTP_URL"}
)


def load(environ: Mapping[str, str]) -> dict[str, Any]:
    """All values by name. Raises BadEnvironment naming every bad one at once, never a secret's text."""
    values: dict[str, Any] = {}
    faults: list[str] = []
    for variable in TABLE:
        text = environ.get(variable.name, "").strip() or variable.default
        try:
            values[variable.name] = variable.parse(text)
        except ValueError as error:
            shown = "…" if variable.name in SECRETS else repr(text)
            example = f"For example {variable.name}={variable.example}"
            faults.append(f"  {variable.name}={shown} {error}: {variable.help}. {example}")
    if not faults:
        faults = [f"  {fault}" for fault in _contradictions(values)]
    if faults:
        raise BadEnvironment("These settings cannot be used:\n" + "\n".join(faults))
    return values


def _contradictions(values: Mapping[str, Any]) -> list[str]:
    """Values that are good one by one and bad together."""
    faults: list[str] = []
    last = values["MEDIA_PORT"] + values["MEDIA_WORKERS"] - 1
    if last > 65535:
        named = f"MEDIA_PORT={values['MEDIA_PORT']} and MEDIA_WORKERS={values['MEDIA_WORKERS']}"
        faults.append(f"{named} need ports up to {last}, above 65535")
    if values["MEDIA_TCP"] and values["MEDIA_PORT"] <= values["PORT"] <= last:
        faults.append(
            f"PORT={values['PORT']} is one of the media workers' ports too, which MEDIA_TCP=on uses for TCP: "
            "choose another MEDIA_PORT"
        )
    if any(url.startswith("turn") for url in values["TURN_URLS"]) and not values["TURN_SECRET"]:
        faults.append(
            "TURN_URLS names a TURN server but TURN_SECRET is empty: "
            "give the secret that coturn has as static-auth-secret"
        )
    if values["DEBUG"] and values["PUBLIC_URL"].startswith("https://"):
        faults.append("DEBUG=on shows program internals to everyone: leave it off where PUBLIC_URL is https")
    return faults


def own_addresses() -> list[str]:
    """This machine's own addresses that others may reach, best first; empty when there is no network.

    Connecting a UDP socket sends nothing: it only asks the routing table which address would be used.
    """
    found: list[str] = []
    for family, target in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((target, 9))
            except OSError:
                continue  # no route in this family
            address = probe.getsockname()[0]
        if not ipaddress.ip_address(address).is_loopback:
            found.append(address)
    return found


def private_secret(folder: Path, name: str, random_bytes: int = 48) -> str:
    """The secret kept in `folder/name` (mode 0600), made on first use. Raises OSError if it cannot be.

    48 random bytes give 64 characters; fewer are for what people have to type.
    """
    path = folder / name
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with open(path, "x", opener=private_opener) as file:
            file.write(secrets.token_urlsafe(random_bytes))
    except FileExistsError:
        pass
    # A process that lost the race may read before the winner has written.
    for _ in range(200):
        text = path.read_text().strip()
        if text:
            return text
        time.sleep(0.01)
    raise OSError(f"{path} is empty: delete it and start again")


def private_opener(path: str, flags: int) -> int:
    """For `open(…, opener=)`: a new file that only its owner may read."""
    return os.open(path, flags, 0o600)
