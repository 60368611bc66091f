"""The proof of the shared secret: its form, its key, its age, and what it covers."""

from __future__ import annotations

import pytest

from media_gateway.control.auth import BadProof, ReplayLog, key_id, read_header, sign, signature

SECRET, NOW = "s" * 40, 1_800_000_000


def test_a_header_is_good_for_its_own_worker_alone() -> None:
    proof = read_header(sign(SECRET, "media-a", "i1", NOW), SECRET, NOW)
    assert proof.covers(SECRET, "media-a", "i1")
    for node, instance in (("media-b", "i1"), ("media-a", "i2"), ("media-a.i1", ""), ("", "media-a.i1")):
        assert not proof.covers(SECRET, node, instance)
    assert not proof.covers("t" * 40, "media-a", "i1")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer abc",
        "Plenum",
        f"Plenum {key_id(SECRET)}.{NOW}",
        f"Plenum {key_id(SECRET)}.{NOW}.xyz",
        f"plenum {key_id(SECRET)}.{NOW}.{signature(SECRET, 'a', 'b', NOW)}",
        f"Plenum {key_id(SECRET)}.{NOW}.{signature(SECRET, 'a', 'b', NOW)} ",
        f"Plenum {key_id(SECRET)}.-{NOW}.{signature(SECRET, 'a', 'b', NOW)}",
        f"Plenum {key_id(SECRET)}.{'9' * 5000}.{signature(SECRET, 'a', 'b', NOW)}",
        f"Plenum {key_id(SECRET)}.١٢٣.{signature(SECRET, 'a', 'b', NOW)}",
    ],
)
def test_what_is_no_proof_is_refused(header: str) -> None:
    with pytest.raises(BadProof):
        read_header(header, SECRET, NOW)


def test_another_secret_is_named_as_such() -> None:
    with pytest.raises(BadProof, match="another secret"):
        read_header(sign("t" * 40, "a", "b", NOW), SECRET, NOW)


@pytest.mark.parametrize(
    ("age", "good"), [(0, True), (59, True), (60, True), (61, False), (-60, True), (-61, False)]
)
def test_a_header_lives_sixty_seconds(age: int, good: bool) -> None:
    header = sign(SECRET, "a", "b", NOW - age)
    if good:
        read_header(header, SECRET, NOW)
    else:
        with pytest.raises(BadProof, match="clock"):
            read_header(header, SECRET, NOW)


def test_a_repeated_header_is_noticed_and_forgotten_with_its_window() -> None:
    log, proof = ReplayLog(), read_header(sign(SECRET, "a", "b", NOW), SECRET, NOW)
    assert not log.repeated(proof, NOW)
    assert log.repeated(proof, NOW + 1)
    assert not log.repeated(proof, NOW + 1000)
    assert len(log._seen) == 1
