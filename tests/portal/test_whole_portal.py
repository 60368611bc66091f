"""The real portal as one command: it starts, is found healthy, heals, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.portal.test_supervisor import is_alive
from tests.services.stack import ROOT, PortalStack, portal_stack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
NAMES = {"valkey", "web", "media-0", "recorder", "celery", "composer", "beat"}


@pytest.fixture(scope="module")
def stack() -> Iterator[PortalStack]:
    with portal_stack() as running:
        yield running


def examine(stack: PortalStack) -> dict[str, list[dict[str, str]]]:
    """The doctor's findings by part."""
    result = subprocess.run(
        [sys.executable, "manage.py", "doctor", "--json"],
        cwd=ROOT,
        env=stack.env,
        capture_output=True,
        text=True,
        check=False,
    )
    findings: dict[str, list[dict[str, str]]] = {}
    for finding in json.loads(result.stdout):
        findings.setdefault(finding["part"], []).append(finding)
    failed = any(row["state"] == "fail" for rows in findings.values() for row in rows)
    assert result.returncode == int(failed)
    return findings


def test_every_process_runs_and_the_doctor_finds_no_fault(stack: PortalStack) -> None:
    assert set(stack.processes) == NAMES
    findings = examine(stack)
    faults = [row for rows in findings.values() for row in rows if row["state"] == "fail"]
    assert faults == []
    assert findings["Workers"][0]["says"] == "1 media connected"
    says = [row["says"].split(",")[0] for row in findings["Jobs"]]
    assert says == ["celery: 1 workers answer", "composer: 1 workers answer"]
    assert "held by the media workers" in findings["Media ports"][0]["says"]


def test_the_log_says_where_to_go_and_who_can_sign_in(stack: PortalStack) -> None:
    stack.wait_for(lambda: f"Plenum is ready: {stack.url}/" in stack.log, "the start is announced")
    password = re.search(r"First administrator: admin@plenum\.local {2}password: (\S+)", stack.log)
    assert password
    kept = stack.data_dir / "secrets" / "first-admin"
    assert kept.read_text().split() == ["admin@plenum.local", password[1]]
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert re.search(r"^media-0   \| ", stack.log, re.MULTILINE)
    assert "\x1b[" not in stack.log


def test_pages_and_hashed_files_are_served(stack: PortalStack) -> None:
    with urllib.request.urlopen(f"{stack.url}/accounts/login/") as answer:
        page = answer.read().decode()
    modules = re.findall(r'(?:src|href)="(/static/[^"]+\.(?:js|css))"', page)
    assert any(name.endswith(".js") for name in modules)
    assert any(name.endswith(".css") for name in modules)
    for name in modules:
        assert re.search(r"\.[0-9a-f]{12}\.(js|css)$", name)
        with urllib.request.urlopen(stack.url + name) as answer:
            assert "immutable" in answer.headers["Cache-Control"]


def test_the_broker_asks_for_a_password_and_listens_on_loopback_only(stack: PortalStack) -> None:
    import redis

    port = int((stack.data_dir / "run" / "valkey.port").read_text())
    with redis.Redis(port=port) as client, pytest.raises(redis.AuthenticationError):
        client.ping()
    command = Path(f"/proc/{stack.processes['valkey']}/cmdline").read_text()
    assert (stack.data_dir / "secrets" / "valkey_password").read_text() not in command
    listening = [
        line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines() if f":{port:04X} " in line
    ]
    assert {address.split(":")[0] for address in listening} <= {"0100007F"}


def test_an_idle_control_link_stays_up(stack: PortalStack) -> None:
    """A client's time-out shorter than the server's wait once cut every link after five quiet seconds."""
    time.sleep(7)
    assert "control link closed" not in stack.log
    assert "Traceback" not in stack.log


@pytest.mark.parametrize("name", ["media-0", "recorder", "celery", "web"])
def test_a_killed_process_comes_back(stack: PortalStack, name: str) -> None:
    others = {key: pid for key, pid in stack.processes.items() if key != name}
    before = stack.processes[name]
    os.kill(before, signal.SIGKILL)
    stack.wait_for(lambda: stack.processes.get(name, before) != before, f"{name} runs again")
    stack.wait_for(stack.healthy, "the portal answers")
    stack.wait_for(stack.workers_are_up, "the workers are connected again")
    assert {key: pid for key, pid in stack.processes.items() if key != name} == others


def test_the_broker_comes_back_with_its_jobs(stack: PortalStack) -> None:
    import redis

    password = (stack.data_dir / "secrets" / "valkey_password").read_text()
    port = int((stack.data_dir / "run" / "valkey.port").read_text())
    with redis.Redis(port=port, password=password) as client:
        client.rpush("kept", "job")
        time.sleep(1.2)  # it is on disk a second later
        before = stack.processes["valkey"]
        os.kill(before, signal.SIGKILL)
        stack.wait_for(lambda: stack.processes.get("valkey", before) != before, "Valkey runs again")

        def there() -> bool:
            try:
                return bool(client.lrange("kept", 0, -1) == [b"job"])
            except redis.ConnectionError:
                return False

        stack.wait_for(there, "what was queued is there")
    stack.wait_for(stack.workers_are_up, "the workers are connected again")


def start(stack: PortalStack, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "portal"],
        cwd=ROOT,
        env={**stack.env, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_second_one_on_the_same_folder_is_refused_in_one_line(stack: PortalStack) -> None:
    result = start(stack, PORT="1")
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert re.search(r"Plenum cannot start: another portal \(process \d+\) runs valkey with DATA_DIR=", line)


@pytest.mark.parametrize("variable", ["PORT", "MEDIA_PORT"])
def test_a_port_in_use_is_told_in_one_line(stack: PortalStack, tmp_path: Path, variable: str) -> None:
    from tests.services.ports import free_tcp_port, free_udp_ports

    others = {"PORT": str(free_tcp_port()), "MEDIA_PORT": str(free_udp_ports())}
    others[variable] = stack.env[variable]
    result = start(stack, DATA_DIR=str(tmp_path), **others)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert re.search(rf"Plenum cannot start: \w+ port {stack.env[variable]} is in use .*{variable}=…$", line)


def test_several_copies_run_side_by_side(stack: PortalStack) -> None:
    with portal_stack() as second:
        assert second.healthy()
        assert stack.healthy()
        assert set(second.processes.values()).isdisjoint(stack.processes.values())


def test_ctrl_c_stops_all_and_a_second_start_is_prepared_already() -> None:
    with portal_stack() as stack:
        pids = list(stack.processes.values())
        assert stack.stop() == [0]
        assert not any(is_alive(pid) for pid in pids)
        assert stack.processes == {}
        first = len(stack.log)
        stack.start()
        # The portal answers a moment before its supervisor has seen that it does and says so.
        stack.wait_for(lambda: "Plenum is ready" in stack.log[first:], "the second start is announced")
        again = stack.log[first:]
        assert "migrations applied" not in again
        assert "First administrator" not in again
        assert "static files" not in again


def test_nothing_outlives_a_supervisor_that_is_killed() -> None:
    with portal_stack() as stack:
        pids = list(stack.processes.values())
        # The pages answer before Celery has forked the processes that run its jobs.
        stack.wait_for(lambda: _children_of(stack.processes["celery"]), "Celery has processes for its jobs")
        children = _children_of(stack.processes["celery"])
        os.kill(stack._supervisors[0].pid, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while any(is_alive(pid) for pid in [*pids, *children]):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def _children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
