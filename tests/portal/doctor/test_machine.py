"""The doctor looks at this machine's clock, and at its codecs and encryption."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from portal.doctor import clock, codecs
from portal.doctor.report import State
from tests.portal.conftest import Environment
from tests.portal.doctor.conftest import only


@pytest.mark.django_db
def test_this_clock_is_fine() -> None:
    assert only(clock.clock()).state is State.OK


@pytest.mark.parametrize(("offset", "state"), [(3.0, State.WARN), (-45.0, State.FAIL)])
def test_a_clock_that_is_off_is_told(monkeypatch: pytest.MonkeyPatch, offset: float, state: State) -> None:
    monkeypatch.setattr(clock, "_offsets", lambda: iter([("the database", offset)]))
    finding = only(clock.clock())
    assert finding.state is state
    assert f"{offset:+.1f} s off" in finding.says


def test_the_servers_clock_is_compared(
    redis_server: str, settings: Settings, environment: Environment
) -> None:
    settings.REDIS_URL = redis_server
    environment(REDIS_URL=redis_server)
    offsets = dict(clock._offsets_of_broker())
    assert abs(offsets["the broker"]) < 0.5


def test_a_clock_that_was_never_set_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock.time, "time", lambda: 0.0)
    assert only(clock.clock()).says == "this machine believes it is 1970-01-01"


def test_codecs_and_encryption_are_tried_and_work() -> None:
    assert only(codecs.codecs()).state is State.OK
    assert only(codecs.encryption()).state is State.OK


def test_a_codec_that_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise ValueError("no encoder")

    monkeypatch.setattr(codecs, "_mp4", missing)
    finding = only(codecs.codecs())
    assert finding.state is State.FAIL
    assert "H.264 and AAC in MP4 (no encoder)" in finding.says
