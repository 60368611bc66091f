"""What a check found, and how it is shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum


class State(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One fact about one part. `do` says what to do about it, and is empty where all is well."""

    part: str
    state: State
    says: str
    do: str = ""


def ok(part: str, says: str) -> Finding:
    return Finding(part, State.OK, says)


def warn(part: str, says: str, do: str) -> Finding:
    return Finding(part, State.WARN, says, do)


def fail(part: str, says: str, do: str) -> Finding:
    return Finding(part, State.FAIL, says, do)


_COLOURS = {State.OK: 32, State.WARN: 33, State.FAIL: 31}


def as_text(findings: Iterable[Finding], *, coloured: bool = False) -> str:
    """A line for each finding, and below those that are not ok what to do."""
    lines = []
    for finding in findings:
        state = f"{finding.state:<4}"
        if coloured:
            state = f"\x1b[{_COLOURS[finding.state]}m{state}\x1b[0m"
        lines.append(f"{state}  {finding.part:<13} {finding.says}")
        if finding.do:
            lines.append(f"{'':<20}→ {finding.do}")
    return "\n".join(lines)


def as_data(findings: Iterable[Finding]) -> list[dict[str, str]]:
    return [asdict(finding) for finding in findings]
