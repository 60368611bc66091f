"""Names as they are drawn."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from media_gateway.recorder import lettering, painter


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("Lin Mei", "LM"),
        ("王伟", "王"),
        ("Guest: Tom B.", "TB"),
        ("jonas", "JO"),
        ("Елена Петрова", "ЕП"),
        ("  ", "?"),
        ("😀", "?"),
        ("Anna Maria Kowalska", "AM"),
        ("…", "…"),
    ],
)
def test_initials(name: str, letters: str) -> None:
    assert lettering.initials(name) == letters


def test_what_cannot_be_drawn_is_left_out() -> None:
    assert lettering.clean(" A\u202eb\x07\n  c😀\ufe0f ") == "Ab c"


def test_long_names_are_shortened_to_fit() -> None:
    text = lettering.shorten("a very long name " * 10, 16, 200)
    assert text.endswith("…")
    assert lettering.measure(text, 16) <= 200
    assert lettering.shorten("short", 16, 200) == "short"


@pytest.mark.parametrize("script", ["latin", "latin-ext", "vietnamese", "greek", "cyrillic"])
def test_vendored_fonts_have_all_they_are_asked_for(script: str) -> None:
    font, known = lettering.load_font(script, 24)
    assert known
    if font.getname()[0] != "Inter":
        pytest.skip("this FreeType cannot read the vendored font; a system font stands in")
    missing = bytes(font.getmask("\uffff"))
    pattern = dict(lettering._SCRIPTS)[script]
    asked = [
        chr(code) for code in range(0x21, 0x2100) if pattern.match(chr(code)) and chr(code).isprintable()
    ]
    assert len(asked) > 10
    assert [character for character in asked if bytes(font.getmask(character)) == missing] == []


def test_each_stretch_has_its_font_and_marks_stay_with_their_letters() -> None:
    assert lettering._runs("Lin 王伟 ok") == [("latin", "Lin "), ("cjk", "王伟 "), ("latin", "ok")]
    assert lettering._runs("x\u0323y") == [("latin", "x\u0323y")]


@pytest.mark.parametrize("name", ["Lin Mei", "王伟", "Sara Yılmaz", "김민준"])
def test_letters_stand_in_the_middle_of_their_chip(name: str) -> None:
    if lettering.missing_scripts(name):
        pytest.skip("no font for this script here")
    image = Image.new("L", (200, 60))
    lettering.draw_text(ImageDraw.Draw(image), 10, 30, name, 20, (255,))
    rows = np.flatnonzero(np.asarray(image).max(axis=1) > 128)
    assert (rows[0] + rows[-1]) / 2 == pytest.approx(30, abs=4)


def test_label_lies_inside_its_tile() -> None:
    for width, height in ((1280, 720), (622, 350), (224, 126), (100, 56)):
        label = painter.draw_label("A name that is far too long for a small tile, or is it", width, height)
        assert label is not None
        chip_height, chip_width = label.keep[0].shape
        assert label.x + chip_width <= width
        assert label.y + chip_height <= height
        assert label.x > 0
        assert label.y > 0
    assert painter.draw_label(" ", 400, 200) is None
    assert painter.draw_label("x", 40, 20) is None
