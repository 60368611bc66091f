"""What keeps the portal from starting is told in one line."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from portal.supervisor.preflight import CannotStart, Locks, check_folder, check_tcp, check_udp
from tests.services.ports import free_tcp_port, free_udp_ports


def test_a_tcp_port_in_use_is_told() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(CannotStart, match=rf"^TCP port {port} is in use .* another with PORT=…$"):
            check_tcp("127.0.0.1", port)


def test_a_udp_port_in_use_is_told() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        with pytest.raises(CannotStart, match=rf"^UDP port {port} is in use .* another with MEDIA_PORT=…$"):
            check_udp("127.0.0.1", port)


def test_free_ports_pass_and_stay_free() -> None:
    port = free_tcp_port()
    check_tcp("127.0.0.1", port)
    check_tcp("127.0.0.1", port)
    udp = free_udp_ports(2)
    check_udp("127.0.0.1", udp)
    check_udp("127.0.0.1", udp)


def test_a_port_that_a_stopped_server_used_passes() -> None:
    """Its connections stay in TIME_WAIT; a restart must not have to wait for them."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            accepted, _address = server.accept()
            accepted.close()  # closes first: this side keeps TIME_WAIT
            assert client.recv(1) == b""
    check_tcp("127.0.0.1", port)


def test_an_address_of_another_machine_is_told() -> None:
    with pytest.raises(CannotStart, match=r"192\.0\.2\.1 is not an address of this machine"):
        check_tcp("192.0.2.1", free_tcp_port())


def test_an_unknown_host_name_is_told() -> None:
    with pytest.raises(CannotStart, match=r"HOST=nowhere\.invalid is not known"):
        check_tcp("nowhere.invalid", 8000)


def test_a_port_below_1024_needs_a_right() -> None:
    code = (
        "import os, encodings.idna\n"
        "from portal.supervisor.preflight import CannotStart, check_tcp\n"
        "if os.geteuid() == 0: os.setgid(65534); os.setuid(65534)\n"
        "try: check_tcp('127.0.0.1', 81)\n"
        "except CannotStart as error: print(error)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    # Some systems let everyone open low ports; then there is nothing to refuse.
    allowed = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    assert said.startswith("no permission to open TCP port 81") if allowed > 81 else said == ""


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotStart, match=r"DATA_DIR=.*/file/data cannot be written"):
        check_folder(tmp_path / "file" / "data")


def test_a_good_folder_is_left_without_traces(tmp_path: Path) -> None:
    check_folder(tmp_path / "data")
    assert [path.name for path in (tmp_path / "data").rglob("*")] == ["run"]


def test_no_two_run_on_one_folder(tmp_path: Path) -> None:
    first, second = Locks(tmp_path / "run"), Locks(tmp_path / "run")
    first.take(["web-8000", "beat"])
    with pytest.raises(
        CannotStart, match=rf"another portal \(process {os.getpid()}\) runs beat with DATA_DIR={tmp_path}"
    ):
        second.take(["web-8001", "beat"])
    # What the refused one had taken is free again.
    third = Locks(tmp_path / "run")
    third.take(["web-8001"])
    first.release()
    second.take(["beat"])
    for locks in (second, third):
        locks.release()


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from portal.supervisor.preflight import Locks\n"
        "locks = Locks(Path(sys.argv[1])); locks.take(['web']); print('taken', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=Path(__file__).resolve().parents[2], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout
    assert holder.stdout.readline() == "taken\n"
    locks = Locks(tmp_path)
    with pytest.raises(CannotStart, match=rf"process {holder.pid}"):
        locks.take(["web"])
    holder.kill()
    holder.communicate()
    locks.take(["web"])
    locks.release()
