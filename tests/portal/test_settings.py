"""What the environment makes of the settings, read by a fresh process as the portal is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(environ: dict[str, str], *names: str) -> subprocess.CompletedProcess[str]:
    code = (
        "import json; from portal import settings\n"
        f"print(json.dumps([getattr(settings, name) for name in {names!r}], default=str))"
    )
    clean = {"PATH": os.environ["PATH"]}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**clean, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def read(environ: dict[str, str], *names: str) -> list:
    result = run(environ, *names)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_the_default_is_sqlite_and_the_embedded_broker(tmp_path: Path) -> None:
    data = {"DATA_DIR": str(tmp_path)}
    databases, redis_url, url, debug = read(data, "DATABASES", "REDIS_URL", "PUBLIC_URL", "DEBUG")
    assert databases["default"]["NAME"] == str(tmp_path / "plenum.sqlite3")
    assert "journal_mode=WAL" in databases["default"]["OPTIONS"]["init_command"]
    assert redis_url.startswith("redis://:")
    assert "@127.0.0.1:" in redis_url
    assert url == "http://localhost:8000"
    assert debug is False


def test_the_embedded_broker_is_found_by_its_port_file(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "valkey.port").write_text("45678")
    assert read({"DATA_DIR": str(tmp_path)}, "REDIS_URL")[0].endswith("@127.0.0.1:45678/0")


def test_production_is_the_same_settings_with_other_addresses(tmp_path: Path) -> None:
    environ = {
        "DATA_DIR": str(tmp_path),
        "DATABASE_URL": "postgres://us%40er:p%2Fw@db:5433/meet?sslmode=require",
        "REDIS_URL": "redis://:pw@cache:6379/1",
        "SMTP_URL": "smtp+tls://mailer:p%2Fw@mail:2525",
        "PUBLIC_URL": "https://meet.example.org",
    }
    databases, broker, layers, hosts, secure = read(
        environ, "DATABASES", "CELERY_BROKER_URL", "CHANNEL_LAYERS", "ALLOWED_HOSTS", "SESSION_COOKIE_SECURE"
    )
    database = databases["default"]
    assert (database["USER"], database["PASSWORD"], database["HOST"]) == ("us@er", "p/w", "db")
    assert (database["PORT"], database["NAME"], database["OPTIONS"]["sslmode"]) == (5433, "meet", "require")
    assert broker == "redis://:pw@cache:6379/1"
    assert layers["default"]["CONFIG"]["hosts"][0]["address"] == broker
    assert "meet.example.org" in hosts
    assert "*" not in hosts
    assert secure is True
    host, port, user, password, tls = read(
        environ, "EMAIL_HOST", "EMAIL_PORT", "EMAIL_HOST_USER", "EMAIL_HOST_PASSWORD", "EMAIL_USE_TLS"
    )
    assert (host, port, user, password, tls) == ("mail", 2525, "mailer", "p/w", True)


def test_copies_on_one_host_have_cookies_of_their_own(tmp_path: Path) -> None:
    data = {"DATA_DIR": str(tmp_path)}
    assert read({**data, "PORT": "9000"}, "SESSION_COOKIE_NAME") != read(
        {**data, "PORT": "9001"}, "SESSION_COOKIE_NAME"
    )


@pytest.mark.parametrize(
    ("host", "control"),
    [("0.0.0.0", "ws://127.0.0.1:9000"), ("::", "ws://[::1]:9000"), ("10.1.2.3", "ws://10.1.2.3:9000")],
)
def test_workers_dial_an_address_where_the_portal_listens(tmp_path: Path, host: str, control: str) -> None:
    assert read({"DATA_DIR": str(tmp_path), "HOST": host, "PORT": "9000"}, "CONTROL_URL") == [control]


def test_a_bad_value_ends_the_program_with_its_line(tmp_path: Path) -> None:
    result = run({"DATA_DIR": str(tmp_path), "PORT": "eighty"})
    assert result.returncode == 1
    assert "PORT='eighty' is not a port" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_data_folder_that_cannot_be_written_ends_the_program_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = run({"DATA_DIR": str(tmp_path / "file" / "data")})
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert f"DATA_DIR={tmp_path}/file/data cannot be written" in result.stderr


def test_secrets_are_made_once(tmp_path: Path) -> None:
    data = {"DATA_DIR": str(tmp_path)}
    assert read(data, "SECRET_KEY", "MEDIA_SECRET") == read(data, "SECRET_KEY", "MEDIA_SECRET")
    key, media = read(data, "SECRET_KEY", "MEDIA_SECRET")
    assert key != media
