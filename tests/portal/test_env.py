"""The table of environment variables: every good value is taken, every bad one named."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from portal import env

GOOD = {
    "HOST": ["127.0.0.1", "0.0.0.0", "::", "meet.example.org", "localhost"],
    "PORT": ["1", "8000", "65535"],
    "MEDIA_TCP": ["auto", "on", "off"],
    "MEDIA_IPS": ["", "203.0.113.7", "203.0.113.7, 2001:db8::7"],
    "MEDIA_MAX_PEERS_PER_ROOM": ["2", "10000"],
    "MEDIA_SPREAD_AT": ["1", "10000"],
    "MEDIA_MAX_BITRATE": ["0", "100000", "8000000"],
    "METRICS_TOKEN": ["", "0123456789abcdef"],
    "PUBLIC_URL": ["", "https://meet.example.org", "http://localhost:9000/"],
    "ALLOWED_HOSTS": ["", "a.example.org,b.example.org", ".example.org"],
    "DEBUG": ["on", "OFF", "1", "0", "true", "No"],
    "DATABASE_URL": [
        "",
        "postgres://user:pw@db:5432/plenum",
        "postgresql://db/x",
        "sqlite:////srv/a.sqlite3",
    ],
    "REDIS_URL": ["redis://:pw@cache:6379/0", "rediss://cache"],
    "SMTP_URL": ["smtp://mail", "smtps://u:p@mail:465", "smtp+tls://u:p@mail:587"],
    "MAIL_FROM": ["Plenum <meet@example.org>", "meet@localhost"],
    "TIME_ZONE": ["Europe/Berlin", "UTC", "Asia/Shanghai"],
    "DEFAULT_LANGUAGE": ["en", "zh-hans"],
    "LOG_LEVEL": ["debug", "WARNING"],
    "SECRET_KEY": ["", "x" * 32],
    "NODE_NAME": ["", "media-1", "host.example.org"],
}

BAD = {
    "HOST": ["http://localhost", "a b", "host:80", "-x"],
    "PORT": ["0", "65536", "http", "-1", "8000.5", "²", "٨٠٠٠"],
    "MEDIA_PORT": ["0", "99999"],
    "MEDIA_HOST": ["localhost", "300.1.1.1"],
    "MEDIA_TCP": ["tcp", "10000"],
    "MEDIA_IPS": ["meet.example.org", "203.0.113.7 203.0.113.8"],
    "MEDIA_WORKERS": ["0", "257", "many"],
    "MEDIA_MAX_ROOMS": ["0", "10001", "-1", "many"],
    "MEDIA_MAX_PEERS": ["0", "100001", "1e3"],
    "MEDIA_MAX_PEERS_PER_ROOM": ["1", "10001", "x"],
    "MEDIA_SPREAD_AT": ["0", "10001", "x"],
    "MEDIA_MAX_BITRATE": ["1", "99999", "2M", "-5"],
    "MEDIA_AUDIO_LOUDEST": ["0", "51", "all"],
    "ROOM_DATA_RATE": ["0", "100001", "fast"],
    "METRICS_TOKEN": ["short", "with a space in it", "x" * 201],
    "PUBLIC_URL": [
        "meet.example.org",
        "ftp://a",
        "https://a/meet",
        "https://u:p@a",
        "https://",
        "http://a:99999",
    ],
    "ALLOWED_HOSTS": ["https://a", "a,b c"],
    "TRUST_PROXY": ["maybe"],
    "DEBUG": ["2", "*"],
    "LOG_LEVEL": ["LOUD"],
    "SECRET_KEY": ["short"],
    "MEDIA_SECRET": ["y" * 31],
    "DATABASE_URL": ["mysql://db/x", "postgres:///x", "plenum.sqlite3"],
    "REDIS_URL": ["localhost:6379", "redis://"],
    "SMTP_URL": ["mail:25", "http://mail", "smtp://mail:port"],
    "MAIL_FROM": ["Plenum", "a@"],
    "TIME_ZONE": ["Berlin", "GMT+25"],
    "DEFAULT_LANGUAGE": ["en_US.UTF-8", "fr"],
    "SIGNUP": ["sometimes"],
    "CONTROL_URL": ["http://a"],
    "NODE_NAME": ["a b", "x" * 61, "-x"],
    "LINK_DAYS": ["0", "3651", "a week"],
    "TURN_URLS": ["turn.example.org", "turn:a b", "http://a", "turn:a?transport=tls"],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in GOOD.items() for value in values]
)
def test_a_good_value_is_taken(name: str, value: str) -> None:
    assert name in env.load({name: value})


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in BAD.items() for value in values]
)
def test_a_bad_value_is_named_with_what_to_write_instead(name: str, value: str) -> None:
    with pytest.raises(env.BadEnvironment) as caught:
        env.load({name: value})
    lines = str(caught.value).splitlines()
    assert len(lines) == 2, "one line for the one fault"
    assert lines[1].strip().startswith(f"{name}=")
    assert f"For example {name}=" in lines[1]


def test_every_variable_with_a_form_is_tried_with_bad_values() -> None:
    free_text = {variable.name for variable in env.TABLE if variable.parse in (env._text, env._path)}
    assert {variable.name for variable in env.TABLE} - free_text == set(BAD)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(env.BadEnvironment) as caught:
        env.load({"PORT": "x", "DEBUG": "x", "TIME_ZONE": "x"})
    assert [line.split("=")[0].strip() for line in str(caught.value).splitlines()[1:]] == [
        "PORT",
        "DEBUG",
        "TIME_ZONE",
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", "hunter2"),
        ("METRICS_TOKEN", "hunter2"),
        ("REDIS_URL", "http://:hunter2@h"),
        ("SMTP_URL", "smtp://user:hunter2/x@mail"),
        ("DATABASE_URL", "postgres://u:hunter2/x@db:5432/p"),
    ],
)
def test_a_secret_is_not_repeated_in_the_message(name: str, value: str) -> None:
    with pytest.raises(env.BadEnvironment) as caught:
        env.load({name: value})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"MEDIA_PORT": "65535", "MEDIA_WORKERS": "2"}, "MEDIA_WORKERS=2 need ports up to 65536"),
        ({"MEDIA_TCP": "on", "PORT": "10001", "MEDIA_WORKERS": "2"}, "choose another MEDIA_PORT"),
        ({"TURN_URLS": "turn:turn.example.org"}, "TURN_SECRET is empty"),
        ({"DEBUG": "on", "PUBLIC_URL": "https://meet.example.org"}, "DEBUG=on"),
    ],
)
def test_values_that_contradict_each_other_are_refused(values: dict[str, str], says: str) -> None:
    with pytest.raises(env.BadEnvironment, match=says):
        env.load(values)


def test_an_empty_variable_is_an_unset_one() -> None:
    assert env.load({"PORT": "  "})["PORT"] == env.load({})["PORT"] == 8000


def test_values_have_their_types(tmp_path: Path) -> None:
    values = env.load(
        {"DATA_DIR": str(tmp_path), "ALLOWED_HOSTS": "a, b,", "TURN_URLS": "stun:a:3478", "SIGNUP": "off"}
    )
    assert values["DATA_DIR"] == tmp_path
    assert values["ALLOWED_HOSTS"] == ["a", "b"]
    assert values["TURN_URLS"] == ["stun:a:3478"]
    assert values["SIGNUP"] is False


def test_a_private_secret_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    first = env.private_secret(tmp_path / "secrets", "key")
    assert len(first) >= 50
    assert env.private_secret(tmp_path / "secrets", "key") == first
    assert stat.S_IMODE((tmp_path / "secrets" / "key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700


def test_an_empty_secret_file_is_an_error_not_an_empty_key(tmp_path: Path) -> None:
    (tmp_path / "key").touch()
    with pytest.raises(OSError, match="is empty"):
        env.private_secret(tmp_path, "key")


def test_own_addresses_are_no_loopback() -> None:
    assert not {"127.0.0.1", "::1", "0.0.0.0"} & set(env.own_addresses())
