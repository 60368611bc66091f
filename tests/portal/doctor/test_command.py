"""The command: a check that breaks is a finding, the exit code tells, the text says what to do."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest
from django.core.management import call_command

from portal.doctor import runner
from portal.doctor.report import Finding, as_text, fail, ok


def test_a_check_that_breaks_is_a_finding_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Iterator[Finding]:
        yield ok("A", "fine so far")
        raise RuntimeError("boom")

    def fine() -> Iterator[Finding]:
        yield ok("B", "fine")

    monkeypatch.setattr(runner, "CHECKS", (("A", broken), ("B", fine)))
    assert [(finding.part, finding.state) for finding in runner.examine()] == [
        ("A", "ok"),
        ("A", "fail"),
        ("B", "ok"),
    ]


@pytest.mark.parametrize(("found", "code"), [([ok("A", "x")], 0), ([ok("A", "x"), fail("B", "y", "z")], 1)])
def test_the_exit_code_tells_whether_something_failed(
    monkeypatch: pytest.MonkeyPatch, found: list[Finding], code: int
) -> None:
    monkeypatch.setattr("portal.management.commands.doctor.examine", lambda: iter(found))
    output = io.StringIO()
    if code:
        with pytest.raises(SystemExit) as ended:
            call_command("doctor", "--json", stdout=output)
        assert ended.value.code == code
    else:
        call_command("doctor", "--json", stdout=output)
    assert [(row["part"], row["state"]) for row in json.loads(output.getvalue())] == [
        (f.part, f.state) for f in found
    ]


def test_the_text_says_what_to_do() -> None:
    text = as_text([ok("Files", "fine"), fail("Mail", "broken", "mend it")])
    assert text == "ok    Files         fine\nfail  Mail          broken\n                    → mend it"
