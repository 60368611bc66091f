"""The first packets of streams as Chromium sent them, payloads cut short."""

import json
import pathlib
from typing import Any

FOLDER = pathlib.Path(__file__).parent


def packets(name: str) -> list[dict[str, Any]]:
    """`sequence`, `timestamp`, `marker`, `descriptor` and `payload` (bytes) of each packet."""
    rows = json.loads((FOLDER / f"{name}.json").read_text())
    return [row | {key: bytes.fromhex(row[key]) for key in ("descriptor", "payload")} for row in rows]
