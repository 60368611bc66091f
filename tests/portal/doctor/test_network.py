"""Ports, addresses and TURN servers: what keeps browsers from reaching the portal is told."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest
from pytest_django import Settings

from portal.doctor import network
from portal.doctor.report import State
from tests.portal.doctor.conftest import only, runs_here
from tests.services.certificate import make_certificate
from tests.services.ports import free_tcp_port, free_udp_ports


def test_a_port_that_another_program_has_is_told(settings: Settings) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        settings.HOST, settings.LOCAL_HOST, settings.PORT = "127.0.0.1", "127.0.0.1", other.getsockname()[1]
        other.settimeout(0)

        def refuse() -> None:
            other.settimeout(5)
            accepted, _address = other.accept()
            accepted.close()

        Thread(target=refuse, daemon=True).start()
        finding = only(network.web())
    assert finding.state is State.FAIL
    assert "in use by another program" in finding.says
    assert f":{settings.PORT}" in finding.do


def test_a_free_port_waits_for_the_portal(settings: Settings, data_dir: Path) -> None:
    settings.HOST, settings.LOCAL_HOST, settings.PORT = "127.0.0.1", "127.0.0.1", free_tcp_port()
    assert only(network.web()).state is State.WARN


@pytest.mark.django_db
def test_a_media_port_that_another_program_has_is_told(settings: Settings, data_dir: Path) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        settings.MEDIA_HOST, settings.MEDIA_PORT, settings.MEDIA_WORKERS = (
            "127.0.0.1",
            other.getsockname()[1],
            1,
        )
        finding = next(network.media_ports())
    assert finding.state is State.FAIL
    assert "in use by another program" in finding.says


@pytest.mark.django_db
def test_a_media_worker_that_does_not_listen_is_told(
    settings: Settings, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.MEDIA_HOST, settings.MEDIA_PORT, settings.MEDIA_WORKERS = "127.0.0.1", free_udp_ports(2), 2
    assert next(network.media_ports()).state is State.OK
    runs_here(data_dir, monkeypatch)
    assert next(network.media_ports()).state is State.FAIL
    assert [finding.state for finding in network.udp()] == [State.FAIL, State.FAIL]


def test_a_socket_behind_the_media_port_is_seen(
    settings: Settings, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs_here(data_dir, monkeypatch)
    with socket.socket(type=socket.SOCK_DGRAM) as worker:
        worker.bind(("127.0.0.1", 0))
        settings.MEDIA_HOST, settings.MEDIA_PORT, settings.MEDIA_WORKERS = (
            "0.0.0.0",
            worker.getsockname()[1],
            1,
        )
        assert only(network.udp()).state is State.OK


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"PUBLIC_URL": "http://meet.example.org", "SECURE_SITE": False}, "is not https"),
        (
            {"PUBLIC_URL": "https://meet.example.org", "SECURE_SITE": True, "MEDIA_HOST": "127.0.0.1"},
            "listens on 127.0.0.1",
        ),
        (
            {
                "PUBLIC_URL": "https://meet.example.org",
                "SECURE_SITE": True,
                "MEDIA_IPS": ["10.0.0.7"],
                "MEDIA_HOST": "0.0.0.0",
            },
            "only this network can reach",
        ),
    ],
)
def test_addresses_that_browsers_cannot_use_are_told(settings: Settings, changes: dict, says: str) -> None:
    for name, value in changes.items():
        setattr(settings, name, value)
    bad = [finding for finding in network.addresses() if finding.state is not State.OK]
    assert any(says in finding.says for finding in bad), bad


def test_public_addresses_behind_tls_are_fine(settings: Settings) -> None:
    settings.PUBLIC_URL, settings.SECURE_SITE = "https://meet.example.org", True
    settings.MEDIA_HOST, settings.MEDIA_IPS = "0.0.0.0", ["8.8.8.8"]
    assert only(network.addresses()).state is State.OK


@pytest.fixture
def stun_server() -> Iterator[int]:
    """Answers each Binding request with success, as every STUN and TURN server does."""
    server = socket.socket(type=socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    server.settimeout(5)

    def answer() -> None:
        request, address = server.recvfrom(1500)
        server.sendto(struct.pack("!HH", 0x0101, 0) + request[4:20], address)

    thread = Thread(target=answer, daemon=True)
    thread.start()
    yield server.getsockname()[1]
    thread.join(6)
    server.close()


def test_a_turn_server_that_answers_is_fine(settings: Settings, stun_server: int) -> None:
    settings.TURN_URLS = [f"turn:127.0.0.1:{stun_server}?transport=udp"]
    assert only(network.turn()).state is State.OK


@pytest.mark.parametrize("known", [True, False])
def test_a_certificate_that_browsers_refuse_is_told(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    certificate = make_certificate(tmp_path, "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain, certificate.key)
    if known:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.chain))
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)

        def answer() -> None:
            plain, _address = server.accept()
            with plain, suppress(ssl.SSLError), context.wrap_socket(plain, server_side=True) as inside:
                request = inside.recv(1500)
                inside.sendall(struct.pack("!HH", 0x0101, 0) + request[4:20])

        thread = Thread(target=answer, daemon=True)
        thread.start()
        settings.TURN_URLS = [f"turns:127.0.0.1:{server.getsockname()[1]}?transport=tcp"]
        finding = only(network.turn())
        thread.join(6)
    assert finding.state is (State.OK if known else State.FAIL)
    assert known or "browsers refuse its certificate" in finding.says


@pytest.mark.parametrize(
    "form", ["turn:127.0.0.1:{udp}", "turn:127.0.0.1:{tcp}?transport=tcp", "turns:127.0.0.1:{tcp}"]
)
def test_a_turn_server_that_is_not_there_is_told(settings: Settings, form: str) -> None:
    settings.TURN_URLS = [form.format(udp=free_udp_ports(), tcp=free_tcp_port())]
    finding = only(network.turn())
    assert finding.state is State.FAIL
    assert "does not answer" in finding.says
