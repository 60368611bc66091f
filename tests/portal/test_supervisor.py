"""The supervisor with small real processes in place of the portal's own."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from portal.supervisor import child as child_module
from portal.supervisor.child import STARTS_ANEW, Child, Service
from portal.supervisor.log import Log
from portal.supervisor.supervisor import Supervisor, running
from portal.supervisor.warm import Spare

ROOT = Path(__file__).resolve().parents[2]


def service(name: str, code: str, **options: object) -> Service:
    return Service(name, (sys.executable, "-S", "-c", code), **options)  # type: ignore[arg-type]


SLEEPER = "import time; print('up', flush=True); time.sleep(60)"


class Lines(Log):
    """Keeps what is printed."""

    def __init__(self) -> None:
        self.text = io.StringIO()
        super().__init__(self.text)

    def __contains__(self, part: str) -> bool:
        return part in self.text.getvalue()


async def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie answers the signal, but is dead.
    with suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False


@asynccontextmanager
async def supervised(tmp_path: Path, *services: Service, **options: object) -> AsyncIterator[Supervisor]:
    log = Lines()
    supervisor = Supervisor(services, state_file=tmp_path / f"portal-{os.getpid()}.json", log=log, **options)  # type: ignore[arg-type]
    task = asyncio.create_task(supervisor.run())
    try:
        yield supervisor
    finally:
        supervisor._stop.set()
        await asyncio.wait_for(task, 20)


async def test_lines_carry_the_name_of_their_process(tmp_path: Path) -> None:
    talker = (
        "import sys, time; print('héllo', flush=True)\n"
        "print('to stderr', file=sys.stderr, flush=True); time.sleep(60)"
    )
    async with supervised(tmp_path, service("talker", talker)) as supervisor:
        await until(lambda: "to stderr" in supervisor.log)
    assert "talker    | héllo\n" in supervisor.log
    assert "talker    | to stderr\n" in supervisor.log


async def test_a_line_without_end_does_not_fill_memory() -> None:
    log = Lines()
    talker = Child(
        service("talker", "print('x' * 1_000_000, end='', flush=True); import time; time.sleep(60)"), log
    )
    talker.start()
    await until(lambda: len(log.text.getvalue()) > 900_000)
    await talker.stop()
    assert max(len(line) for line in log.text.getvalue().splitlines()) < 200_000


async def test_a_killed_process_is_back_within_a_second(tmp_path: Path) -> None:
    async with supervised(tmp_path, service("media-0", SLEEPER)) as supervisor:
        media = supervisor.children[0]
        await until(lambda: "up" in supervisor.log)
        first = media.pid
        assert first
        killed = time.monotonic()
        os.kill(first, signal.SIGKILL)
        await until(lambda: media.pid not in (None, first))
        assert time.monotonic() - killed < 1.0
    assert "was ended by SIGKILL" in supervisor.log
    assert "starts again in 0.2 s" in supervisor.log


async def test_a_process_that_crashes_at_once_is_started_less_and_less_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_module, "BACK_OFF", (0.02, 0.1, 60.0))
    async with supervised(tmp_path, service("broken", "raise SystemExit(3)")) as supervisor:
        await until(lambda: "again in 60 s" in supervisor.log)
        assert supervisor.children[0].starts == 3
    text = supervisor.log.text.getvalue()
    assert [f"again in {pause} s" in text for pause in ("0.02", "0.1", "60")] == [True] * 3
    assert "ended with exit code 3" in text


async def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    async with supervised(tmp_path, Service("ghost", ("/nowhere/ghost",))) as supervisor:
        await until(lambda: "cannot be started (No such file or directory)" in supervisor.log)


async def test_one_that_crashes_leaves_the_others_alone(tmp_path: Path) -> None:
    async with supervised(
        tmp_path, service("bad", "raise SystemExit(1)"), service("good", SLEEPER)
    ) as supervisor:
        good = supervisor.children[1]
        await until(lambda: supervisor.children[0].starts >= 2 and good.pid)
        assert good.starts == 1


async def test_all_stop_in_order(tmp_path: Path) -> None:
    def slow(name: str) -> str:
        return (
            "import signal, sys, time\n"
            "def stop(*_):\n"
            f"    print('{name} stops', flush=True); time.sleep(0.2)\n"
            f"    print('{name} stopped', flush=True); sys.exit()\n"
            "signal.signal(signal.SIGTERM, stop)\n"
            f"print('{name} up', flush=True)\n"
            "time.sleep(60)"
        )

    names = ("broker", "web", "media")
    order = {"web": 0, "media": 1, "broker": 9}
    services = [service(name, slow(name), stop_order=order[name]) for name in names]
    async with supervised(tmp_path, *services) as supervisor:
        await until(lambda: all(f"{name} up" in supervisor.log for name in names))
    said = [line.split("| ")[1] for line in supervisor.log.text.getvalue().splitlines() if " stop" in line]
    assert said == [
        *(
            "web stops",
            "web stopped",
            "media stops",
            "media stopped",
            "broker stops",
            "broker stopped",
            "stopped",
        )
    ]


async def test_who_does_not_stop_is_killed_with_all_it_started(tmp_path: Path) -> None:
    stubborn = (
        "import signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "inner = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(60)'])\n"
        "print('inner', inner.pid, flush=True)\n"
        "time.sleep(60)"
    )
    async with supervised(tmp_path, service("stubborn", stubborn, grace=0.3)) as supervisor:
        await until(lambda: "inner" in supervisor.log)
        pid = supervisor.children[0].pid
        inner = int(supervisor.log.text.getvalue().split("inner ")[1].split()[0])
    assert "did not stop within 0.3 s and is killed" in supervisor.log
    assert pid
    await until(lambda: not is_alive(pid) and not is_alive(inner))


async def test_the_process_ids_are_written_for_others(tmp_path: Path) -> None:
    async with supervised(tmp_path, service("web", SLEEPER), service("beat", SLEEPER)) as supervisor:
        await until(lambda: all(child.pid for child in supervisor.children))
        (state,) = running(tmp_path)
        assert state["pid"] == os.getpid()
        assert state["processes"] == {child.name: child.pid for child in supervisor.children}
    assert running(tmp_path) == []


def test_a_dead_supervisor_counts_for_nothing(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-S", "-c", ""])
    gone.wait()
    (tmp_path / "portal-1.json").write_text(json.dumps({"pid": gone.pid, "processes": {"web": gone.pid}}))
    (tmp_path / "portal-2.json").write_text("half a fi")
    assert running(tmp_path) == []


async def test_it_says_ready_only_when_the_web_server_is_healthy(tmp_path: Path) -> None:
    class Health(BaseHTTPRequestHandler):
        status = 500

        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(Health.status)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Not into the test's output."""

    asked: list[str] = []
    server = HTTPServer(("127.0.0.1", 0), Health)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        health = ("127.0.0.1", server.server_port)
        async with supervised(tmp_path, health=health, welcome="come in") as supervisor:
            await until(lambda: len(asked) >= 2)
            assert "come in" not in supervisor.log
            Health.status = 200
            await until(lambda: "come in" in supervisor.log)
    finally:
        server.shutdown()
        server.server_close()
    assert set(asked) == {"/healthz"}


DRIVER = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from portal.supervisor.child import STARTS_ANEW, Service
from portal.supervisor.supervisor import Supervisor
code = "import signal, time\\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\\n"
code += "print('up', flush=True)\\ntime.sleep(60)"
services = [Service("sleeper", (sys.executable, "-S", "-c", code), grace=30.0)]
asyncio.run(Supervisor(services, state_file=Path({state!r})).run())
"""


def start_driver(tmp_path: Path) -> tuple[subprocess.Popen[str], int]:
    """A supervisor of its own process, and the process id of its child."""
    state = tmp_path / "portal-1.json"
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER.format(root=str(ROOT), state=str(state))],
        stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert driver.stdout
    assert "sleeper" in driver.stdout.readline()
    return driver, json.loads(state.read_text())["processes"]["sleeper"]


def wait_dead(pid: int) -> None:
    deadline = time.monotonic() + 5
    while is_alive(pid):
        assert time.monotonic() < deadline, f"process {pid} still lives"
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_everything_and_the_exit_code_is_zero(tmp_path: Path, number: signal.Signals) -> None:
    driver, child = start_driver(tmp_path)
    driver.send_signal(number)
    output = driver.communicate(timeout=10)[0]
    assert driver.returncode == 0
    assert f"{number.name}: stopping" in output
    assert output.rstrip().endswith("stopped")
    assert not is_alive(child)
    assert not (tmp_path / "portal-1.json").exists()


def test_children_die_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    driver, child = start_driver(tmp_path)
    driver.kill()
    driver.communicate(timeout=10)
    wait_dead(child)


def test_colours_only_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal, pipe, plain = Terminal(), io.StringIO(), Terminal()
    Log(terminal).line("web", "hello")
    Log(pipe).line("web", "hello")
    monkeypatch.setenv("NO_COLOR", "1")
    Log(plain).line("web", "hello")
    assert terminal.getvalue() == "\x1b[36mweb       |\x1b[0m hello\n"
    assert pipe.getvalue() == plain.getvalue() == "web       | hello\n"


# --- the spare process ------------------------------------------------------------------------------

WARM = """
import json, sys, time
print("loading", flush=True)
sys.stdout.buffer.write(b"warm\\n"); sys.stdout.flush()
line = sys.stdin.readline()
if line:
    print("took over with", json.loads(line), flush=True)
    time.sleep(60)
"""


async def cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_a_spare_takes_over_in_a_moment(tmp_path: Path) -> None:
    log = Lines()
    spare = Spare(log, (sys.executable, "-S", "-c", WARM))
    keeper = asyncio.create_task(spare.keep(pause=0.0))
    cold = "import time; print('cold', flush=True); time.sleep(60)"
    media = Child(service("media-0", cold, warm=("media_worker", "--index", "0")), log, spare=spare)
    try:
        await until(lambda: spare.is_ready and "loading" in log)
        media.start()
        await until(lambda: "media-0   | took over with ['media_worker', '--index', '0']" in log)
        first = media.pid
        assert first
        await until(lambda: spare.is_ready)  # another one is loaded
        os.kill(first, signal.SIGKILL)
        await until(lambda: log.text.getvalue().count("took over") == 2)
        assert media.pid not in (None, first)
        assert "cold" not in log
    finally:
        await media.stop()
        await cancelled(keeper)


async def test_a_worker_that_wants_its_program_anew_gets_no_old_spare(tmp_path: Path) -> None:
    """After an upgrade the spare still has the old program loaded."""
    log = Lines()
    spare = Spare(log, (sys.executable, "-S", "-c", WARM))
    keeper = asyncio.create_task(spare.keep(pause=0.5))
    once = tmp_path / "once"
    code = f"""
import pathlib, sys, time
once = pathlib.Path({str(once)!r})
print("cold start", flush=True)
if not once.exists():
    while not once.with_suffix(".go").exists():
        time.sleep(0.01)
    once.touch()
    sys.exit({STARTS_ANEW})
time.sleep(60)
"""
    media = Child(service("media-0", code, warm=("media_worker",)), log, spare=spare)
    try:
        media.start()
        await until(lambda: "cold start" in log and spare.is_ready)
        old = spare._process
        once.with_suffix(".go").touch()
        await until(lambda: log.text.getvalue().count("cold start") == 2)
        assert "is empty as it was told to be" in log and "took over" not in log
        await until(lambda: spare.is_ready and spare._process is not old)
        assert "could not be loaded" not in log
        assert old is not None
        await until(lambda: not is_alive(old.pid))
    finally:
        await media.stop()
        await cancelled(keeper)


async def test_a_spare_let_go_while_it_loads_is_loaded_again() -> None:
    log = Lines()
    slow = "import time; print('begun', flush=True); time.sleep(0.3)" + WARM
    spare = Spare(log, (sys.executable, "-S", "-c", slow))
    keeper = asyncio.create_task(spare.keep(pause=0.0))
    await until(lambda: "begun" in log)
    spare.renew()
    await until(lambda: log.text.getvalue().count("begun") == 2)
    await until(lambda: spare.is_ready)
    assert "could not be loaded" not in log
    await cancelled(keeper)


async def test_without_a_spare_the_worker_starts_cold(tmp_path: Path) -> None:
    log = Lines()
    spare = Spare(log, (sys.executable, "-S", "-c", "raise SystemExit('no')"))
    keeper = asyncio.create_task(spare.keep(pause=0.0))
    media = Child(service("media-0", SLEEPER, warm=("media_worker",)), log, spare=spare)
    try:
        await until(lambda: "could not be loaded" in log)
        assert not spare.is_ready
        media.start()
        await until(lambda: "media-0   | up" in log)
    finally:
        await media.stop()
        await cancelled(keeper)


async def test_a_spare_that_died_is_loaded_anew_and_ends_with_its_keeper() -> None:
    spare = Spare(Lines(), (sys.executable, "-S", "-c", WARM))
    keeper = asyncio.create_task(spare.keep(pause=0.0))
    await until(lambda: spare.is_ready)
    first = spare._process
    assert first
    await until(lambda: is_alive(first.pid))
    first.kill()
    await until(lambda: spare.is_ready and spare._process is not first)
    second = spare._process
    assert second
    await cancelled(keeper)
    assert not is_alive(second.pid)
