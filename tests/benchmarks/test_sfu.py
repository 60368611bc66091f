"""The benchmark runs and writes what its readers look for; figures are not judged here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.sfu import schedule

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.slow
def test_a_short_round_writes_every_key(tmp_path: Path) -> None:
    output = tmp_path / "sfu.json"
    command = [
        sys.executable, "-m", "benchmarks.sfu", "--rounds", "1", "--seconds", "1", "--lead-in", "0.3",
        "--subscribers", "3", "--servers", "plenum_gso,plenum_plain,aiortc_objects", "--only", "costs,dtls",
        "--output", str(output),
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    result = json.loads(output.read_text())
    assert set(result["us_per_packet"]) == {"plenum_gso", "plenum_plain", "aiortc_objects"}
    assert all(value > 0 for value in result["us_per_packet"].values())
    assert result["ratio_to_janus"] is None, "Janus was not asked for"
    assert set(result["cases"]) == {"bursts_10k", "trace_10k", "bursts_45k", "trace_45k"}
    figures = result["cases"]["trace_10k"]["plenum_gso"]
    assert figures["packets_per_s"] > 0 and figures["p50_ms"] > 0 and figures["p99_ms"] >= figures["p50_ms"]
    assert set(result["dtls_lost_flight_ms"]) == {
        "none", "client_hello", "server_hello", "client_finished", "server_finished",
    }  # fmt: skip
    assert "Plenum, GSO" in done.stdout


def test_the_recorded_camera_is_a_camera() -> None:
    rates = {}
    for layer in ("q", "h", "f"):
        recorded = schedule.camera(layer)
        bits = 8 * sum(slot.size for slot in recorded.slots)
        rates[layer] = bits / recorded.period / 1000
        starts = sum(slot.starts for slot in recorded.slots)
        assert 25 <= starts / recorded.period <= 31, "frames a second"
        assert recorded.slots[0].starts and recorded.slots[-1].at < recorded.period
        assert max(slot.size for slot in recorded.slots) <= 1200
    assert 100 < rates["q"] < 200 < rates["h"] < 600 < rates["f"] < 2000


def test_a_schedule_at_another_speed_has_the_same_packets() -> None:
    slow = schedule.bursts()
    fast = slow.at_speed(2)
    assert fast.rate == pytest.approx(2 * slow.rate)
    assert [slot.size for slot in fast.slots] == [slot.size for slot in slow.slots]
    assert slow.slots[0].size + schedule.OVERHEAD == schedule.PACKET
