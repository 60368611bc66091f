from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from portal.doctor.report import State, as_data, as_text
from portal.doctor.runner import examine


class Command(BaseCommand):
    help = (
        "Check every part of this installation and say what to do; exit code 1 when something does not work."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--json", action="store_true", help="a list of {part, state, says, do} for programs"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        failed = False
        findings = []
        for finding in examine():
            failed = failed or finding.state is State.FAIL
            findings.append(finding)
            if not options["json"]:
                # At once: some checks wait for servers that do not answer.
                self.stdout.write(as_text([finding], coloured=self.style.SUCCESS("x") != "x"))
                self.stdout.flush()
        if options["json"]:
            self.stdout.write(json.dumps(as_data(findings), indent=1, ensure_ascii=False))
        if failed:
            sys.exit(1)
