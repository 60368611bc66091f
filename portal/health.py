"""`/healthz` for load balancers and the supervisor."""

from django.http import HttpRequest, JsonResponse

from media_gateway import nodes
from media_gateway.models import MediaNode


def healthz(request: HttpRequest) -> JsonResponse:
    """200 when this process can reach the database; an exception (500) otherwise.

    `{"ok": true, "media": {"workers": 2, "accepting": 1, "rooms": 3, "free_rooms": 497}}`: workers that are
    there, those that would take a new room, the rooms all of them told of, and how many more the accepting
    ones take (null: no limit). Without media the portal still answers: chat and pages go on.
    """
    rows = [row for row in nodes.present(MediaNode.Kind.MEDIA) if row.channel]
    open_ones = [
        row
        for row in rows
        if row.state == MediaNode.State.UP and not nodes.why_full(row, int(nodes.figure(row, "rooms")))
    ]
    free = [max(0, row.capacity - int(nodes.figure(row, "rooms"))) for row in open_ones if row.capacity]
    media = {
        "workers": len(rows),
        "accepting": len(open_ones),
        "rooms": sum(int(nodes.figure(row, "rooms")) for row in rows),
        "free_rooms": sum(free) if len(free) == len(open_ones) else None,
    }
    return JsonResponse({"ok": True, "media": media})
