"""The doctor finds what is broken, says what to do, and finds nothing where all is well."""

from __future__ import annotations

import datetime as dt
import io
import json
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
import redis
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from django.core.management import call_command
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from media_gateway.models import MediaNode
from portal.doctor import broker, clock, codecs, database, files, mail, network, runner, workers
from portal.doctor.report import Finding, State, as_text, fail, ok
from portal.supervisor.prepare import create_first_admin
from tests.portal.conftest import Environment
from tests.services.ports import free_tcp_port, free_udp_ports


def only(findings: Iterator[Finding]) -> Finding:
    (finding,) = findings
    return finding


@pytest.fixture
def data_dir(settings: Settings, tmp_path: Path) -> Path:
    settings.DATA_DIR = tmp_path
    settings.MEDIA_ROOT, settings.RECORDINGS_DIR = tmp_path / "files", tmp_path / "recordings"
    settings.MAIL_DIR = tmp_path / "mail"
    (tmp_path / "secrets").mkdir(mode=0o700)
    return tmp_path


def runs_here(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a portal ran on this DATA_DIR."""
    for module in (broker, network, workers):
        monkeypatch.setattr(module, "portal_runs_here", lambda: True)


# --- files ------------------------------------------------------------------------------------------


def test_a_writable_folder_with_space_is_fine(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        files.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 50 * files.GIGABYTE})
    )
    assert only(files.data_folder()) == ok("Files", f"{data_dir} is writable, 50.0 GB free")


@pytest.mark.parametrize(("gigabytes", "state"), [(5, State.WARN), (0.5, State.FAIL)])
def test_little_space_is_told(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, gigabytes: float, state: State
) -> None:
    usage = type("Usage", (), {"free": gigabytes * files.GIGABYTE})
    monkeypatch.setattr(files.shutil, "disk_usage", lambda path: usage)
    finding = only(files.data_folder())
    assert finding.state is state
    assert finding.do


def test_a_file_in_place_of_a_folder_is_told(data_dir: Path) -> None:
    (data_dir / "recordings").touch()
    finding = only(files.data_folder())
    assert finding.state is State.FAIL
    assert str(data_dir / "recordings") in finding.says


@pytest.mark.django_db
def test_a_secret_that_others_may_read_is_told(data_dir: Path) -> None:
    (data_dir / "secrets" / "secret_key").write_text("x")
    (data_dir / "secrets" / "secret_key").chmod(0o644)
    finding = next(files.secrets())
    assert finding.state is State.FAIL
    assert "secret_key" in finding.says
    (data_dir / "secrets" / "secret_key").chmod(0o600)
    assert next(files.secrets()).state is State.OK


@pytest.mark.django_db
def test_the_first_password_is_to_be_changed(data_dir: Path) -> None:
    create_first_admin()
    assert [finding.state for finding in files.secrets()] == [State.OK, State.WARN]
    admin = User.objects.get(role=User.Role.ADMIN)
    admin.set_password("another one")
    admin.save()
    assert [finding.state for finding in files.secrets()] == [State.OK]


def test_static_files_that_were_never_collected_are_told(data_dir: Path, settings: Settings) -> None:
    assert only(files.static_files()).state is State.OK  # the test settings serve them as they lie
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "portal.static.ModuleManifestStorage"},
    }
    settings.STATIC_ROOT = data_dir / "static"
    assert only(files.static_files()) == fail("Static files", "were never collected", "manage.py prepare")
    (data_dir / "run").mkdir()
    (data_dir / "run" / "static.json").write_text('{"fingerprint": "of another version"}')
    assert only(files.static_files()).says == "are older than this version"


# --- database ---------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_database_of_the_tests_is_fine() -> None:
    finding = only(database.database())
    assert finding.state is State.OK, finding
    assert "all migrations applied" in finding.says


@pytest.mark.django_db
def test_missing_migrations_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database.MigrationExecutor, "migration_plan", lambda self, targets: [1, 2])
    assert only(database.database()) == fail("Database", "2 migrations are not applied", "manage.py prepare")


@pytest.mark.django_db
def test_sqlite_without_wal_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_value", lambda statement: "delete" if "journal" in statement else "ok")
    _version, faults = database._sqlite()
    assert [fault.state for fault in faults] == [State.FAIL]
    assert "not wal" in faults[0].says


# --- broker -----------------------------------------------------------------------------------------


def test_a_real_server_is_measured(redis_server: str, settings: Settings) -> None:
    settings.REDIS_URL = redis_server
    finding = only(broker.broker())
    assert finding.state is State.OK, finding
    assert "ms a round trip" in finding.says


def test_an_embedded_server_that_does_not_run_is_no_fault_while_the_portal_does_not(
    data_dir: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{free_tcp_port()}/0"
    assert only(broker.broker()).state is State.WARN
    runs_here(data_dir, monkeypatch)
    assert only(broker.broker()).state is State.FAIL


def test_a_server_of_ones_own_that_does_not_run_is_a_fault(
    settings: Settings, environment: Environment
) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{free_tcp_port()}/0"
    environment(REDIS_URL=settings.REDIS_URL)
    finding = only(broker.broker())
    assert finding.state is State.FAIL
    assert "REDIS_URL" in finding.do


def test_a_wrong_password_is_told(redis_server: str, settings: Settings, environment: Environment) -> None:
    settings.REDIS_URL = redis_server.replace(":test-password@", ":wrong@")
    environment(REDIS_URL=settings.REDIS_URL)
    assert only(broker.broker()).state is State.FAIL


# --- clock ------------------------------------------------------------------------------------------


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


# --- network ----------------------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    "form", ["turn:127.0.0.1:{udp}", "turn:127.0.0.1:{tcp}?transport=tcp", "turns:127.0.0.1:{tcp}"]
)
def test_a_turn_server_that_is_not_there_is_told(settings: Settings, form: str) -> None:
    settings.TURN_URLS = [form.format(udp=free_udp_ports(), tcp=free_tcp_port())]
    finding = only(network.turn())
    assert finding.state is State.FAIL
    assert "does not answer" in finding.says


# --- workers ----------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_workers_that_are_connected_are_counted(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs_here(data_dir, monkeypatch)
    for kind in MediaNode.Kind:
        MediaNode.objects.create(name=f"{kind}-1", kind=kind, instance="i", host="h", channel="c")
    assert [finding.says for finding in workers.workers()] == ["1 media connected", "1 recorder connected"]


@pytest.mark.django_db
def test_a_silent_worker_counts_as_gone(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs_here(data_dir, monkeypatch)
    long_ago = timezone.now() - dt.timedelta(minutes=1)
    MediaNode.objects.create(
        name="media-1", kind="media", instance="i", host="h", channel="c", heartbeat_at=long_ago
    )
    states = [finding.state for finding in workers.workers()]
    assert states == [State.WARN, State.FAIL, State.FAIL]


@pytest.mark.django_db
@pytest.mark.parametrize("state", ["draining", "restarting"])
def test_workers_that_are_all_being_emptied_are_told_apart(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    monkeypatch.setattr(workers, "portal_runs_here", lambda: True)
    for kind in MediaNode.Kind:
        MediaNode.objects.create(
            name=f"{kind}-1",
            kind=kind,
            instance="i",
            host="h",
            channel="c",
            state=state if kind == "media" else "up",
        )
    found = list(workers.workers())
    assert [finding.state for finding in found] == ["fail", "ok"]
    assert "being emptied" in found[0].says and "--undo" in found[0].do


def test_queues_without_workers_are_told(
    redis_server: str, settings: Settings, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REDIS_URL = redis_server
    monkeypatch.setattr(workers.app.conf, "broker_url", redis_server)
    assert [finding.state for finding in workers.jobs()] == [State.WARN, State.WARN]
    runs_here(data_dir, monkeypatch)
    says = [finding.says for finding in workers.jobs() if finding.state is State.FAIL]
    assert says == ["celery: 0 workers answer, 0 jobs wait", "composer: 0 workers answer, 0 jobs wait"]


@pytest.mark.parametrize(("waiting", "state"), [(0, State.OK), (workers.LONG_QUEUE + 1, State.WARN)])
def test_a_long_queue_is_told(
    redis_server: str, settings: Settings, monkeypatch: pytest.MonkeyPatch, waiting: int, state: State
) -> None:
    settings.REDIS_URL = redis_server

    class Inspect:
        def ping(self) -> dict:
            return {"celery@a": {"ok": "pong"}, "composer@a": {"ok": "pong"}, "composer@b": {"ok": "pong"}}

    monkeypatch.setattr(workers.app.control, "inspect", lambda timeout: Inspect())
    with redis.Redis.from_url(redis_server) as client:
        client.delete("celery")
        if waiting:
            client.rpush("celery", *range(waiting))
        try:
            assert next(workers.jobs()).state is state
        finally:
            client.delete("celery")


# --- mail -------------------------------------------------------------------------------------------


class Accept:
    def __call__(
        self, server: object, session: object, envelope: object, mechanism: str, data: object
    ) -> AuthResult:
        return AuthResult(success=getattr(data, "password", b"") == b"right", handled=False)


@pytest.fixture
def smtp_port() -> Iterator[int]:
    controller = Controller(
        object(), hostname="127.0.0.1", port=free_tcp_port(), authenticator=Accept(), auth_require_tls=False
    )
    controller.start()
    yield controller.port
    controller.stop()


def use_smtp(settings: Settings, environment: Environment, port: int, password: str = "") -> None:
    environment(SMTP_URL="smtp://set")
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", port, 5
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = ("user", password) if password else ("", "")
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False


@pytest.mark.django_db
def test_a_mail_server_is_greeted_and_signed_in_to(
    settings: Settings, environment: Environment, smtp_port: int
) -> None:
    use_smtp(settings, environment, smtp_port, "right")
    assert only(mail.mail()).state is State.OK
    use_smtp(settings, environment, smtp_port, "wrong")
    assert "refuses the user name or password" in only(mail.mail()).says


@pytest.mark.django_db
def test_a_mail_server_that_is_not_there_is_told(settings: Settings, environment: Environment) -> None:
    use_smtp(settings, environment, free_tcp_port())
    finding = only(mail.mail())
    assert finding.state is State.FAIL
    assert "SMTP_URL" in finding.do


@pytest.mark.django_db
def test_mails_that_were_given_up_or_are_late_are_told(data_dir: Path) -> None:
    from meetings.invitations.models import OutboxMail

    long_ago = timezone.now() - dt.timedelta(hours=1)
    common = {"kind": "invitation", "to_email": "a@example.org", "subject": "s", "text": "t", "html": "h"}
    OutboxMail.objects.create(key="1", message_id="1", state="failed", **common)
    OutboxMail.objects.create(key="2", message_id="2", state="pending", next_try_at=long_ago, **common)
    OutboxMail.objects.create(key="3", message_id="3", state="sent", **common)
    says = [finding.says for finding in mail.mail() if finding.state is State.WARN]
    assert says == ["1 mails were given up", "1 mails have waited for more than 10 minutes"]


# --- codecs -----------------------------------------------------------------------------------------


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


# --- the command ------------------------------------------------------------------------------------


def test_a_check_that_breaks_is_a_finding_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Iterator[Finding]:
        yield ok("A", "fine so far")
        raise RuntimeError("boom")

    def fine() -> Iterator[Finding]:
        yield ok("B", "fine")

    monkeypatch.setattr(runner, "CHECKS", (("A", broken), ("B", fine)))
    assert [(finding.part, finding.state) for finding in runner.examine()] == [
        ("A", "ok"),
        ("A", "fail"),
        ("B", "ok"),
    ]


@pytest.mark.parametrize(("found", "code"), [([ok("A", "x")], 0), ([ok("A", "x"), fail("B", "y", "z")], 1)])
def test_the_exit_code_tells_whether_something_failed(
    monkeypatch: pytest.MonkeyPatch, found: list[Finding], code: int
) -> None:
    monkeypatch.setattr("portal.management.commands.doctor.examine", lambda: iter(found))
    output = io.StringIO()
    if code:
        with pytest.raises(SystemExit) as ended:
            call_command("doctor", "--json", stdout=output)
        assert ended.value.code == code
    else:
        call_command("doctor", "--json", stdout=output)
    assert [(row["part"], row["state"]) for row in json.loads(output.getvalue())] == [
        (f.part, f.state) for f in found
    ]


def test_the_text_says_what_to_do() -> None:
    text = as_text([ok("Files", "fine"), fail("Mail", "broken", "mend it")])
    assert text == "ok    Files         fine\nfail  Mail          broken\n                    → mend it"
