"""What the template tags and filters of the design system give."""

from __future__ import annotations

import datetime
import json
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from django.template import Context, Template
from django.utils import timezone, translation

from portal import faces
from portal.templatetags import plenum

UTC = datetime.UTC
NAMES = {
    "Jonas Okafor": "JO",
    "Lin Mei": "LM",
    "Tom B.": "TB",
    "You": "YO",
    "王伟": "王",
    "李 Anna": "李",
    "Anna 李": "A",
    "Søren Ångström": "SÅ",
    "  élodie   de   la  Tour ": "ÉT",
    "(guest) – Nguyễn": "GN",
    "김민준": "김",
    "": "?",
    "…": "?",
}


def render(source: str, **context: object) -> str:
    return Template(source).render(Context(context))


@pytest.mark.parametrize(("name", "expected"), NAMES.items())
def test_initials(name: str, expected: str) -> None:
    assert faces.initials(name) == expected


def test_hues_are_all_used_and_stay() -> None:
    assert {faces.hue(f"Person {n}") for n in range(200)} == set(range(1, faces.HUES + 1))
    assert faces.hue("Lin Mei") == faces.hue(" Lin Mei ") == 7
    assert faces.hue("E\u0301lodie") == faces.hue("\u00c9lodie"), "one name in two Unicode forms"


def test_the_browser_gives_the_same_faces(root: Path) -> None:
    node = shutil.which("node")
    assert node, "node was not found: make setup-test installs it"
    names = [*NAMES, *(f"Person {n}" for n in range(50))]
    script = (
        f"import {{ initials, hue }} from '{root.as_uri()}/static/js/portal/faces.js';"
        f"console.log(JSON.stringify({json.dumps(names)}.map((name) => [initials(name), hue(name)])));"
    )
    done = subprocess.run(
        [node, "--input-type=module", "--eval", script], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == [[faces.initials(name), faces.hue(name)] for name in names]


def test_icon_is_hidden_unless_it_has_a_label() -> None:
    plain = render('{% icon "video" %}')
    assert 'aria-hidden="true"' in plain and "sprite.svg#video" in plain
    named = render('{% icon "lock" label size="s" %}', label="<Private>")
    assert 'role="img" aria-label="&lt;Private&gt;"' in named and 'class="icon icon-s"' in named


def test_avatar_escapes_and_takes_persons_and_strings() -> None:
    evil = render("{% avatar person %}", person=SimpleNamespace(name='"><script>x', email="e@example.org"))
    assert "<script>" not in evil and "&lt;script&gt;" in evil
    nameless = render("{% avatar person 'l' %}", person=SimpleNamespace(name="", email="zoe@example.org"))
    assert ">ZO<" in nameless and "avatar-l" in nameless
    assert f"hue-{faces.hue('王伟')}" in render("{% avatar '王伟' named=True %}")


def test_avatar_stack_says_names_and_rest() -> None:
    people = ["Anna A", "Bo B", "Cy C", "Di D"]
    assert 'aria-label="Anna A, Bo B, Cy C and 21 more"' in render("{% avatar_stack p total=24 %}", p=people)
    assert ">+1<" in render("{% avatar_stack p %}", p=people)
    two = render("{% avatar_stack p %}", p=people[:2])
    assert 'aria-label="Anna A, Bo B"' in two and "avatar-more" not in two


@pytest.mark.parametrize(
    ("value", "words", "clock"),
    [
        (0, "0 min", "0:00"),
        (59, "59 s", "0:59"),
        (185, "3 min", "3:05"),
        (2700, "45 min", "45:00"),
        (3600, "1 h", "1:00:00"),
        (datetime.timedelta(hours=1, minutes=30, seconds=2), "1 h 30 min", "1:30:02"),
        (3599, "1 h", "59:59"),
        (None, "", ""),
        ("soon", "", ""),
    ],
)
def test_duration_and_clock(value: object, words: str, clock: str) -> None:
    assert render("{{ v|duration }}|{{ v|clock }}", v=value) == f"{words}|{clock}"


def test_minutes_in_words() -> None:
    assert render("{{ v|minutes }}", v=90) == "1 h 30 min"


def test_a_range_shows_the_zone_and_another_day() -> None:
    start = datetime.datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
    shown = render("{% time_range s e 'Asia/Shanghai' %}", s=start, e=start + datetime.timedelta(hours=1))
    assert ">10:00<" in shown and ">11:00<" in shown and shown.endswith("Asia/Shanghai")
    assert 'datetime="2026-11-23T10:00:00+08:00"' in shown
    over = render(
        "{% time_range s e z False %}", s=start, e=start + datetime.timedelta(hours=15), z="Asia/Shanghai"
    )
    assert ">24 Nov, 01:00<" in over and "Shanghai" not in over


def test_times_are_right_on_both_sides_of_a_clock_change() -> None:
    # 2026-10-25 01:00 UTC: Berlin goes from 03:00 summer time back to 02:00.
    before = datetime.datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    after = datetime.datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    there = [plenum.zoned(moment, "Europe/Berlin").isoformat() for moment in (before, after)]
    assert there == ["2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00"]


def test_zoned_wins_over_the_active_zone_and_takes_persons() -> None:
    moment = datetime.datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
    person = SimpleNamespace(zone=ZoneInfo("America/New_York"))
    with timezone.override("Asia/Shanghai"):
        assert render("{{ t|zoned:p|date:'D H:i' }} {{ p|zone_name }}", t=moment, p=person) == (
            "Sun 21:00 America/New York"
        )
        assert render("{{ ''|zone_name }}") == "Asia/Shanghai"
        local = render("{% local_time t 'time' %}", t=moment)
    assert ">10:00<" in local and 'data-local-time="time"' in local
    assert render("{% local_time t %}", t=None) == ""


def test_plaintext_leaves_no_holes() -> None:
    assert render("{% plaintext %}\n\nA  \n\n\n\nB\n{% endplaintext %}") == "A\n\nB\n"


def test_person_line(admin: object) -> None:
    with translation.override("en"):
        assert render("{{ u|person_line }}", u=admin) == "Administrator · Physics"
