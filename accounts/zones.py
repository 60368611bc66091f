"""The time zones people choose from."""

from __future__ import annotations

import functools
import zoneinfo

# Aliases and offsets that no one lives in; the IANA database keeps them for old programs.
_NOT_PLACES = ("Etc/", "SystemV/", "US/", "Canada/", "Brazil/", "Chile/", "Mexico/", "posix/", "right/")


@functools.cache
def zone_names() -> tuple[str, ...]:
    """Every zone named after a place ("Europe/Berlin"), sorted, with "UTC" first."""
    places = {
        name for name in zoneinfo.available_timezones() if "/" in name and not name.startswith(_NOT_PLACES)
    }
    return ("UTC", *sorted(places))


def clean_zone(value: str) -> str:
    """The IANA name meant by what was typed: any case, spaces for underscores. Raises ValueError if
    unknown.
    """
    wanted = value.strip().replace(" ", "_").lower()
    if not wanted:
        return ""
    by_lower = _by_lower()
    if wanted not in by_lower:
        raise ValueError(value)
    return by_lower[wanted]


@functools.cache
def _by_lower() -> dict[str, str]:
    return {name.lower(): name for name in zoneinfo.available_timezones()}
