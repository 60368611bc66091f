#!/usr/bin/env python3
"""Write the table of settings in docs/operations.md from `portal/env.py`.

tools/settings_table.py            write it
tools/settings_table.py --check    exit code 1 if it is not up to date
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from portal import env  # noqa: E402

DOCUMENT = ROOT / "docs" / "operations.md"
BEGIN, END = "<!-- settings:", "<!-- end of settings -->"


def table() -> str:
    """The settings as a Markdown table."""
    rows = ["| variable | default | what it is | example |", "| --- | --- | --- | --- |"]
    for variable in env.TABLE:
        default = variable.default.replace(str(env.BASE_DIR), "…")
        shown = f"`{default}`" if default else ""
        example = (
            f"`{variable.example}`"
            if " " not in variable.example or "@" in variable.example
            else variable.example
        )
        rows.append(f"| `{variable.name}` | {shown} | {variable.help} | {example} |")
    return "\n".join(rows)


def with_table(text: str) -> str:
    """The document's text with today's table between its marks."""
    head, rest = text.split(BEGIN, 1)
    mark, rest = rest.split("\n", 1)
    _old, tail = rest.split(END, 1)
    return f"{head}{BEGIN}{mark}\n\n{table()}\n\n{END}{tail}"


def main(arguments: list[str]) -> int:
    text = DOCUMENT.read_text()
    fresh = with_table(text)
    if "--check" in arguments:
        if fresh != text:
            print(
                "docs/operations.md does not show today's settings: run tools/settings_table.py",
                file=sys.stderr,
            )
            return 1
        return 0
    DOCUMENT.write_text(fresh)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
