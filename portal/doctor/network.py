"""Ports, addresses and UDP: whether browsers can reach the portal and its media."""

from __future__ import annotations

import ipaddress
import secrets
import socket
import ssl
import struct
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings

from media_gateway.worker import advertised_addresses
from portal.doctor.broker import portal_runs_here
from portal.doctor.report import Finding, fail, ok, warn
from portal.supervisor.preflight import CannotStart, check_tcp, check_udp

MAGIC = 0x2112A442  # RFC 8489 section 5
WANTED_BUFFER = 2_500_000


def web() -> Iterator[Finding]:
    """The web server answers, or its port is free for it."""
    url = f"http://{settings.LOCAL_HOST}:{settings.PORT}/healthz"
    request = urllib.request.Request(url, headers={"Host": "localhost"})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - our own http address
            if answer.headers.get_content_type() == "application/json":
                yield ok("Web", f"{settings.PUBLIC_URL} answers on port {settings.PORT}")
                return
    except (OSError, urllib.error.URLError):
        pass  # what that means is found out below
    try:
        check_tcp(settings.HOST, settings.PORT)
    except CannotStart as error:
        yield fail("Web", str(error), f"see who has it: ss -ltnp 'sport = :{settings.PORT}'")
        return
    if portal_runs_here():
        yield fail("Web", "the portal runs, but its web server does not answer", "read its log")
    else:
        yield warn("Web", f"does not run; port {settings.PORT} is free", "make run")


def media_ports() -> Iterator[Finding]:
    """Each media worker has its UDP port, or the port is free for it."""
    ports = range(settings.MEDIA_PORT, settings.MEDIA_PORT + settings.MEDIA_WORKERS)
    taken, free = [], []
    for port in ports:
        try:
            check_udp(settings.MEDIA_HOST, port)
        except CannotStart as error:
            if "in use" not in str(error):
                yield fail("Media ports", str(error), "choose a port and an address that this user may open")
                return
            taken.append(port)
        else:
            free.append(port)
    from media_gateway import nodes
    from media_gateway.models import MediaNode

    alive = nodes.alive(MediaNode.Kind.MEDIA).filter(host=socket.gethostname()).count()
    span = f"{ports[0]}" if len(ports) == 1 else f"{ports[0]}–{ports[-1]}"
    if not taken:
        if portal_runs_here():
            yield fail(
                "Media ports",
                f"UDP {span}: nobody listens though the portal runs",
                "read the media worker's log",
            )
        else:
            yield ok("Media ports", f"UDP {span} free for {len(ports)} media workers")
    elif not portal_runs_here() and not alive:
        do = f"choose another with MEDIA_PORT=…; who has it: ss -lunp 'sport = :{taken[0]}'"
        yield fail("Media ports", f"UDP {', '.join(map(str, taken))} in use by another program", do)
    elif free:
        yield fail(
            "Media ports", f"UDP {', '.join(map(str, free))}: nobody listens", "read the media worker's log"
        )
    else:
        yield ok("Media ports", f"UDP {span} held by the media workers")
    buffer = _most_receive_buffer()
    if buffer is not None and buffer < WANTED_BUFFER:
        limits = f"net.core.rmem_max={WANTED_BUFFER} net.core.wmem_max={WANTED_BUFFER}"
        do = f"sysctl -w {limits}, kept by deploy/sysctl.conf"
        yield warn("Media ports", f"the system allows socket buffers of {buffer // 1024} KiB only", do)


def _most_receive_buffer() -> int | None:
    path = Path("/proc/sys/net/core/rmem_max")
    return int(path.read_text()) if path.exists() else None


def addresses() -> Iterator[Finding]:
    """What browsers are told to send media to can be where they are."""
    told = advertised_addresses(settings.MEDIA_HOST, settings.MEDIA_IPS)
    local_site = (urlsplit(settings.PUBLIC_URL).hostname or "") in ("localhost", "127.0.0.1", "::1")
    listens = ipaddress.ip_address(settings.MEDIA_HOST) if _is_ip(settings.MEDIA_HOST) else None
    text = f"browsers are told {', '.join(told)}"
    if listens is not None and listens.is_loopback and not local_site:
        yield fail("Addresses", f"media listens on {listens} only", "set MEDIA_HOST=0.0.0.0 and MEDIA_IPS")
    elif not local_site and all(not ipaddress.ip_address(address).is_global for address in told):
        do = "if people come from outside this network, set MEDIA_IPS to the public address"
        yield warn("Addresses", f"{text}, which only this network can reach", do)
    else:
        yield ok("Addresses", text)
    if not local_site and not settings.SECURE_SITE:
        do = "put it behind TLS (deploy/nginx.conf) and set PUBLIC_URL=https://…"
        yield fail(
            "Addresses", f"{settings.PUBLIC_URL} is not https: browsers refuse camera and microphone", do
        )


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def turn() -> Iterator[Finding]:
    """Each TURN or STUN server answers a Binding request, which needs no password (RFC 8489)."""
    if not settings.TURN_URLS:
        if urlsplit(settings.PUBLIC_URL).hostname != "localhost":
            do = "people behind strict firewalls cannot join without: docs/operations.md, section TURN"
            yield warn("TURN", "no TURN server is set", do)
        return
    for url in settings.TURN_URLS:
        host, port = _turn_address(url)
        if url.startswith(("turns:", "stuns:")):
            try:
                answered = _tls_answers(host, port)
            except ssl.SSLCertVerificationError as error:
                do = "give coturn a valid certificate for that name with its whole chain (cert=, pkey=)"
                yield fail("TURN", f"{url}: browsers refuse its certificate: {error.verify_message}", do)
                continue
        elif "transport=tcp" in url:
            answered = _tcp_opens(host, port)
        else:
            answered = _stun_answers(host, port)
        if answered:
            yield ok("TURN", f"{url} answers")
        else:
            yield fail("TURN", f"{url} does not answer", "check that coturn runs and that its port is open")


def _turn_address(url: str) -> tuple[str, int]:
    scheme, rest = url.split("?")[0].split(":", 1)
    parts = urlsplit(f"//{rest}")
    return parts.hostname or "", parts.port or (5349 if scheme.endswith("s") else 3478)


def _tcp_opens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=3).close()
    except OSError:
        return False
    return True


def _tls_answers(host: str, port: int) -> bool:
    """Whether the server answers inside TLS. ssl.SSLCertVerificationError when no browser would ask it."""
    request = binding_request()
    try:
        with (
            socket.create_connection((host, port), timeout=3) as plain,
            ssl.create_default_context().wrap_socket(plain, server_hostname=host) as probe,
        ):
            probe.sendall(request)
            return _is_answer(probe.recv(1500), request)
    except ssl.SSLCertVerificationError:
        raise
    except OSError:
        return False


def _is_answer(answer: bytes, request: bytes) -> bool:
    return answer[:2] == b"\x01\x01" and answer[8:20] == request[8:20]


def binding_request() -> bytes:
    """A STUN Binding request without attributes."""
    return struct.pack("!HHI", 0x0001, 0, MAGIC) + secrets.token_bytes(12)


def _stun_answers(host: str, port: int) -> bool:
    try:
        family, *_rest, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(address)
            request = binding_request()
            for _ in range(3):
                probe.settimeout(1.0)
                probe.send(request)
                try:
                    answer = probe.recv(1500)
                except TimeoutError:
                    continue
                return _is_answer(answer, request)
    except OSError:
        return False
    return False


def udp() -> Iterator[Finding]:
    """Datagrams of full size pass on this machine, and someone is behind each media port.

    A media worker answers nobody without a room's password, so silence is the good sign: where nobody
    listens, the system answers "port unreachable".
    """
    lost = _loopback_losses(50, 1200)
    if lost:
        yield fail(
            "UDP",
            f"{lost} of 50 datagrams were lost on this machine",
            "look at its firewall (nft list ruleset)",
        )
        return
    if not portal_runs_here():
        yield ok("UDP", "datagrams of 1,200 bytes pass on this machine")
        return
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.MEDIA_HOST, settings.MEDIA_HOST)  # noqa: S104
    for port in range(settings.MEDIA_PORT, settings.MEDIA_PORT + settings.MEDIA_WORKERS):
        if _unreachable(host, port):
            yield fail("UDP", f"{host} port {port} is unreachable", "read the media worker's log")
        else:
            yield ok("UDP", f"{host} port {port} takes datagrams")


def _loopback_losses(count: int, size: int) -> int:
    with socket.socket(type=socket.SOCK_DGRAM) as receiver, socket.socket(type=socket.SOCK_DGRAM) as sender:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(1.0)
        sender.connect(receiver.getsockname())
        arrived = 0
        for _ in range(count):
            sender.send(bytes(size))
            try:
                arrived += len(receiver.recv(size + 1)) == size
            except TimeoutError:
                continue
    return count - arrived


def _unreachable(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((host, port))
        probe.settimeout(0.3)
        try:
            probe.send(binding_request())
            probe.recv(1500)
        except ConnectionRefusedError:
            return True
        except TimeoutError:
            return False
    return False
