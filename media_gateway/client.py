"""The portal's way to its workers: a request goes over the channel layer to whichever process holds the
link.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from asgiref.sync import async_to_sync
from channels.exceptions import ChannelFull
from channels.layers import get_channel_layer
from django.dispatch import receiver

from media_gateway.models import MediaNode
from media_gateway.signals import node_down, node_up
from portal.threads import in_thread, on_loop

log = logging.getLogger("plenum.gateway")


class GatewayError(Exception):
    """A worker refused (`code` of docs/protocol.md 2.1), or could not be asked.

    `unavailable`: it has no control link now. `timeout`: no answer in time; it may have done it all the same.
    """

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.message = message


def _channel_of(node_name: str) -> str:
    row = (
        MediaNode.objects.filter(name=node_name)
        .exclude(state=MediaNode.State.DOWN)
        .values_list("channel", flat=True)
    )
    return row.first() or ""


# Where workers were reached a moment ago, for what comes too often to ask the database each time.
CHANNEL_SECONDS = 1.0
_recent: dict[str, tuple[float, str]] = {}


def look_up(node_name: str) -> None:
    """Ask the database how the worker is reached, for the `recent` requests that follow at once."""
    _recent[node_name] = (time.monotonic(), _channel_of(node_name))


async def _recent_channel_of(node_name: str) -> str:
    asked_at, channel = _recent.get(node_name, (0.0, ""))
    if not channel or time.monotonic() - asked_at > CHANNEL_SECONDS:
        await in_thread(look_up, node_name)
        channel = _recent.get(node_name, (0.0, ""))[1]
    return channel


@receiver([node_up, node_down])
def _forget_channel(node: MediaNode, **kwargs: Any) -> None:
    _recent.pop(node.name, None)


def _message(op: str, room: str | None, peer: str | None, data: dict[str, Any] | None) -> dict[str, Any]:
    return {"type": "gateway.request", "op": op, "room": room, "peer": peer, "data": data or {}}


async def request(
    node_name: str,
    op: str,
    *,
    room: str | None = None,
    peer: str | None = None,
    data: dict[str, Any] | None = None,
    timeout: float = 5.0,
    recent: bool = False,
) -> dict[str, Any]:
    """Ask the worker `node_name` to do `op` and return its reply data. Raises GatewayError.

    The answer comes back on a reply channel of its own, so a consumer may await this inside its own dispatch.
    With `recent` the way to the worker may be a second old: no database is asked, and no answer comes if the
    way was renewed just then.
    """
    channel = await (_recent_channel_of(node_name) if recent else in_thread(_channel_of, node_name))
    if not channel:
        raise GatewayError("unavailable", f"{node_name or 'no worker'} has no control link")
    layer = get_channel_layer()
    # The default prefix: channels_redis polls one list a process, that of whoever received first, so a
    # channel with a prefix of its own would never be read in a process that also holds sockets.
    reply_channel = await layer.new_channel()
    try:
        message = {**_message(op, room, peer, data), "reply": reply_channel, "timeout": timeout}
        await layer.send(channel, message)
    except ChannelFull:
        raise GatewayError("unavailable", f"the control link of {node_name} is full") from None
    try:
        async with asyncio.timeout(timeout):
            reply = await layer.receive(reply_channel)
    except TimeoutError:
        raise GatewayError("timeout", f"{node_name} did not answer {op} within {timeout:g} s") from None
    if not reply["ok"]:
        raise GatewayError(reply["error"]["code"], reply["error"].get("message", ""))
    return reply["data"]


async def post(
    node_name: str,
    op: str,
    *,
    room: str | None = None,
    peer: str | None = None,
    data: dict[str, Any] | None = None,
) -> None:
    """Send what may be lost without harm; a refusal is told to nobody, and no database is asked."""
    channel = await _recent_channel_of(node_name)
    if not channel:
        return
    message = {**_message(op, room, peer, data), "reply": "", "timeout": 10.0, "quiet": True}
    try:
        await get_channel_layer().send(channel, message)
    except ChannelFull:
        log.warning("the control link of %s is full: %s dropped", node_name, op)


def sync_request(
    node_name: str,
    op: str,
    *,
    room: str | None = None,
    peer: str | None = None,
    data: dict[str, Any] | None = None,
    timeout: float = 5.0,
) -> dict[str, Any]:
    """`request` for Celery tasks, views and on_commit hooks. Raises GatewayError."""
    return async_to_sync(request)(node_name, op, room=room, peer=peer, data=data, timeout=timeout)


def tell(
    node_name: str,
    op: str,
    *,
    room: str | None = None,
    peer: str | None = None,
    data: dict[str, Any] | None = None,
) -> bool:
    """Like `sync_request`, without waiting for the answer; False if the worker has no link now.

    For changes that the database already holds: if the worker fails, `request.failed` comes as an event of
    that peer, and whoever connects to it next brings the state along. Order among one worker's messages is
    kept.
    """
    channel = _channel_of(node_name)
    if not channel:
        return False
    layer = get_channel_layer()
    on_loop(layer.send, channel, {**_message(op, room, peer, data), "reply": "", "timeout": 10.0})
    return True
