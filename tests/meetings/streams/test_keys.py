"""Who may make keys, what is kept of them, how they end."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from accounts.models import AuditEntry
from meetings.permissions.actor import Actor
from meetings.permissions.decide import Refused
from meetings.streams import keys
from meetings.streams.keys import make_key, revoke_key
from meetings.streams.models import StreamKey
from meetings.streams.tokens import find_key, hash_of, link_token
from tests.meetings.minutes import world
from tests.meetings.streams.conftest import Workers, key_of

pytestmark = pytest.mark.django_db(transaction=True)
VALUES = {"name": "Hall", "direction": "publish", "lifetime": "week"}


@pytest.mark.parametrize("who", ["sara", "tom", None, "admin"])
def test_only_hosts_make_and_revoke_keys(school: SimpleNamespace, who: str | None) -> None:
    user = world.person("Ada", role="admin") if who == "admin" else getattr(school, who) if who else None
    kept = key_of(school).key
    before = AuditEntry.objects.count()
    with pytest.raises(Refused) as refused:
        make_key(school.meeting, actor=Actor(user=user), **VALUES)
    assert refused.value.decision.rule == "stream.manage"
    assert "host" in refused.value.decision.who
    with pytest.raises(Refused):
        revoke_key(kept, actor=Actor(user=user))
    kept.refresh_from_db()
    assert (StreamKey.objects.count(), kept.revoked_at, AuditEntry.objects.count()) == (1, None, before)


@pytest.mark.parametrize("name", ["", "  ", "x" * 81, "a\u202eb", "tab\x07"])
def test_names_that_cannot_be_shown_are_refused(school: SimpleNamespace, name: str) -> None:
    with pytest.raises(ValidationError):
        key_of(school, name=name)
    assert not StreamKey.objects.exists()


def test_a_cancelled_meeting_gets_no_key(school: SimpleNamespace) -> None:
    school.meeting.status = "cancelled"
    school.meeting.save()
    with pytest.raises(ValidationError):
        key_of(school)


def test_there_is_an_end_to_the_number_of_keys(
    school: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "MAX_KEYS", 2)
    first, _second = key_of(school), key_of(school)
    with pytest.raises(ValidationError, match="too many"):
        key_of(school)
    revoke_key(first.key, actor=Actor(user=school.mei))
    key_of(school)


def test_hosts_make_keys_of_which_only_a_hash_is_kept(school: SimpleNamespace) -> None:
    made = make_key(school.meeting, actor=Actor(user=school.jonas), source="screen", **VALUES)
    row = StreamKey.objects.values().get()
    assert made.token not in str(row)
    assert row["token_hash"] == hash_of(made.token)
    assert made.token.endswith(row["hint"])
    assert len(made.token) - len("plenum_in_") == 43  # 256 bits in base64url
    assert find_key(made.token) == made.key
    audit = AuditEntry.objects.get(verb="stream_key.make")
    assert audit.actor == school.jonas
    assert made.token not in str(audit.changes) and made.key.token_hash not in str(audit.changes)


def test_lifetimes(school: SimpleNamespace) -> None:
    now = timezone.now()
    assert key_of(school, lifetime="meeting").key.expires_at == school.meeting.ends_at + dt.timedelta(days=1)
    for lifetime, days in (("week", 7), ("month", 30), ("year", 365)):
        left = key_of(school, lifetime=lifetime).key.expires_at - now
        assert abs(left - dt.timedelta(days=days)) < dt.timedelta(minutes=1)
    assert set(keys.LIFETIMES) == {"meeting", "week", "month", "year"}


def test_revoked_and_expired_keys_open_nothing(school: SimpleNamespace) -> None:
    revoked, expired, good = key_of(school), key_of(school), key_of(school)
    assert revoke_key(revoked.key, actor=Actor(user=school.mei)) is True
    assert revoke_key(revoked.key, actor=Actor(user=school.mei)) is False
    StreamKey.objects.filter(pk=expired.key.pk).update(expires_at=timezone.now())
    assert [find_key(made.token) for made in (revoked, expired, good)] == [None, None, good.key]
    assert find_key("") is None and find_key(good.token + "x") is None
    assert AuditEntry.objects.filter(verb="stream_key.revoke").count() == 1


def test_the_link_of_a_player_is_worth_what_its_key_is(school: SimpleNamespace) -> None:
    play, publish = key_of(school, direction="play"), key_of(school)
    token = link_token(play.key)
    assert find_key(token) == play.key
    assert find_key(link_token(publish.key)) is None
    assert find_key(token[:-1]) is None and find_key("a.b") is None
    StreamKey.objects.filter(pk=play.key.pk).update(token_hash="0" * 64)
    assert find_key(token) is None
    StreamKey.objects.filter(pk=play.key.pk).update(token_hash=play.key.token_hash)
    revoke_key(play.key, actor=Actor(user=school.mei))
    assert find_key(token) is None


def test_revoking_ends_what_runs(school: SimpleNamespace, encoder, workers: Workers) -> None:  # type: ignore[no-untyped-def]
    assert encoder.post().status_code == 201
    (key,) = StreamKey.objects.all()
    revoke_key(key, actor=Actor(user=school.mei))
    (connection,) = key.connections.all()
    assert connection.end_reason == "revoked"
    assert connection.participant.state == "left"
