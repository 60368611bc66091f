"""A face for everyone: initials and a colour that are the same on every page, in e-mail and in the room.

`static/js/portal/faces.js` holds the same two functions for the browser; tests/design/ keeps the two equal.
"""

from __future__ import annotations

import unicodedata

HUES = 8  # as many as tokens.css has .hue-N classes


def _is_ideograph(character: str) -> bool:
    """Chinese, Japanese and Korean writing, where one character says as much as two letters."""
    name = unicodedata.name(character, "")
    return name.startswith(("CJK ", "HIRAGANA ", "KATAKANA ", "HANGUL "))


def initials(name: str) -> str:
    """One or two characters for an avatar.

    "Jonas Okafor" → "JO", "Tom B." → "TB", "You" → "YO", "王伟" → "王", "" → "?".
    """
    words = [word for word in unicodedata.normalize("NFC", name).split() if any(c.isalnum() for c in word)]
    if not words:
        return "?"
    first = next(c for c in words[0] if c.isalnum())
    if _is_ideograph(first):
        return first
    if len(words) == 1:
        return "".join(c for c in words[0] if c.isalnum())[:2].upper()
    last = next(c for c in words[-1] if c.isalnum())
    return (first if _is_ideograph(last) else first + last).upper()


def hue(key: str) -> int:
    """A colour number from 1 to HUES, always the same for a key (32-bit FNV-1a over its UTF-8 bytes)."""
    digest = 0x811C9DC5
    for byte in unicodedata.normalize("NFC", key.strip()).encode():
        digest = ((digest ^ byte) * 0x01000193) & 0xFFFFFFFF
    return (digest ^ digest >> 16) % HUES + 1
