"""Reading what people type or paste as a join code."""

from __future__ import annotations

import re

_LETTERS = re.compile(r"[b-df-hj-np-tv-xz]{10}")


def read_code(text: str) -> str:
    """The join code in `text`: "BCD FGHJ KMN", "bcd-fghj-kmn" or a link with it; "" if there is none."""
    path = re.search(r"/m/([^/?#\s]+)", text)
    letters = re.sub(r"[^a-z]", "", (path.group(1) if path else text).lower())
    if not _LETTERS.fullmatch(letters):
        return ""
    return f"{letters[:3]}-{letters[3:7]}-{letters[7:]}"
