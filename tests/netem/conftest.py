"""The clip that fake devices play, made once."""

from __future__ import annotations

import pytest

from tests.netem.clip import Clip, write_clip


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    return write_clip(tmp_path_factory.mktemp("clip"))
