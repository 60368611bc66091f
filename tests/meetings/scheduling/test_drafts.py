"""People as text: what is typed or pasted becomes addresses, each once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetings.scheduling.drafts import (
    Attendee,
    BadAddress,
    merge_attendees,
    read_person,
    split_people,
    write_person,
)
from meetings.scheduling.join import read_code
from tests.meetings.scheduling import builders


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("a@b.de, c@d.de;e@f.de\ng@h.de", ["a@b.de", "c@d.de", "e@f.de", "g@h.de"]),
        ('"Okafor, Jonas" <j@b.de>, c@d.de', ['"Okafor, Jonas" <j@b.de>', "c@d.de"]),
        (" \n ,, ;\n", []),
        ('"unclosed <a@b.de>\nc@d.de', ['"unclosed <a@b.de>', "c@d.de"]),
    ],
)
def test_split(text: str, pieces: list[str]) -> None:
    assert split_people(text) == pieces


def test_read_person() -> None:
    assert read_person("Anna Keller <Anna@Example.ORG>") == Attendee("anna@example.org", "Anna Keller")
    assert read_person("  anna@example.org ") == Attendee("anna@example.org")
    assert read_person('"王伟" <wei@example.org>').name == "王伟"


@pytest.mark.parametrize(
    "text", ["anna", "a@b", "Anna <anna>", "a b@c.de", "@c.de", "x" * 250 + "@example.org", "<>"]
)
def test_no_address(text: str) -> None:
    with pytest.raises(BadAddress):
        read_person(text)


def test_a_name_cannot_break_a_header() -> None:
    assert "\n" not in read_person('"Anna\rBcc: x@y.de" <a@b.de>').name


@given(st.text(st.characters(categories=["L", "N", "Zs", "P"]), max_size=60))
def test_written_people_are_read_back(name: str) -> None:
    one = read_person(write_person("a@example.org", Attendee("a@example.org", name).name.strip()))
    assert one.email == "a@example.org"


@pytest.mark.django_db
def test_merge_finds_accounts_drops_the_organiser_and_says_everyone_once(django_assert_num_queries) -> None:  # type: ignore[no-untyped-def]
    sara = builders.person("student", email="sara@example.org", name="Sara Yilmaz")
    gone = builders.person(email="gone@example.org", is_active=False)
    people = [
        Attendee("SARA@example.org"),
        Attendee("guest@elsewhere.example", "Guest"),
        Attendee("boss@example.org", "The Boss"),
        Attendee("guest@elsewhere.example", cohost=True),
        Attendee(gone.email),
    ]
    with django_assert_num_queries(1):
        merged = merge_attendees(people, without="Boss@Example.org")
    assert [one.email for one in merged] == [
        "sara@example.org",
        "guest@elsewhere.example",
        "gone@example.org",
    ]
    assert merged[0].user == sara
    assert merged[0].name == "Sara Yilmaz"
    assert merged[1] == Attendee("guest@elsewhere.example", "Guest", None, cohost=True)
    assert merged[2].user is None


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("bcd-fghj-kmn", "bcd-fghj-kmn"),
        (" BCD FGHJ KMN ", "bcd-fghj-kmn"),
        ("bcdfghjkmn", "bcd-fghj-kmn"),
        ("https://meet.example.org/m/bcd-fghj-kmn/?x=1", "bcd-fghj-kmn"),
        ("bcd-fghj-km", ""),
        ("aaa-aaaa-aaa", ""),
        ("https://meet.example.org/", ""),
        ("", ""),
    ],
)
def test_read_code(typed: str, code: str) -> None:
    assert read_code(typed) == code
