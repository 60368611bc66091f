"""Workers in the administration: to be seen and drained, not to be made up."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry, User
from media_gateway.models import MediaNode

LIST = "admin:media_gateway_medianode_changelist"


@pytest.fixture
def admin(db: None) -> Client:
    user = User.objects.create_superuser("ada@example.org", "correct horse", name="Ada")
    client = Client()
    client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


@pytest.fixture
def node(db: None) -> MediaNode:
    return MediaNode.objects.create(
        name="media-a", kind="media", instance="i1", host="here", load={"peers": 17}
    )


def act(client: Client, action: str, node: MediaNode) -> Any:
    return client.post(reverse(LIST), {"action": action, "_selected_action": [node.pk]}, follow=True)


def test_workers_are_listed_with_their_load(admin: Client, node: MediaNode) -> None:
    page = admin.get(reverse(LIST))
    assert page.status_code == 200 and "media-a" in page.content.decode() and ">17<" in page.content.decode()
    assert admin.get(reverse("admin:media_gateway_medianode_change", args=[node.pk])).status_code == 200


def test_a_worker_cannot_be_made_up_and_a_running_one_not_deleted(admin: Client, node: MediaNode) -> None:
    assert admin.get(reverse("admin:media_gateway_medianode_add")).status_code == 403
    assert (
        admin.post(
            reverse("admin:media_gateway_medianode_delete", args=[node.pk]), {"post": "yes"}
        ).status_code
        == 403
    )
    assert MediaNode.objects.count() == 1


def test_draining_is_written_down_and_undone(admin: Client, node: MediaNode) -> None:
    act(admin, "drain", node)
    node.refresh_from_db()
    assert node.state == "draining"
    entry = AuditEntry.objects.get(verb="media_node.state")
    assert (
        entry.actor is not None
        and entry.actor.name == "Ada"
        and entry.changes == {"state": ["up", "draining"]}
    )
    act(admin, "undrain", node)
    node.refresh_from_db()
    assert node.state == "up"
    MediaNode.objects.update(state="down")
    act(admin, "undrain", node)
    node.refresh_from_db()
    assert node.state == "down"
