"""What went wrong with media, kept for the administration: written from what media workers tell."""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Greatest
from django.utils import timezone

from meetings.live.models import MediaIncident, Participant, Session

log = logging.getLogger("plenum.live")

MAX_PER_SESSION = 300
MAX_ACTIONS = 20
ACTIONS = frozenset({"none", "keyframe", "resubscribe", "restart", "reconnect"})
STATES = frozenset({"silent", "healed"})
# What does not reach the server reaches nobody: one incident, however many miss it.
_FOR_ALL = frozenset({MediaIncident.Hop.DEVICE, MediaIncident.Hop.UPLINK})


def note_trouble(room_id: str, trouble: Mapping[str, Any], *, node: str) -> MediaIncident | None:
    """Write down a `trouble` event of docs/protocol.md 2.1.

    "silent" opens an incident or adds to the open one what is being done about it, "healed" closes it.
    Returns the incident; None when there is nothing to write: unknown people, people who are gone, too many
    already, or nothing open to close.
    """
    source, hop, state, action = (str(trouble.get(key)) for key in ("source", "hop", "state", "action"))
    known = source in MediaIncident.Source.values and hop in MediaIncident.Hop.values
    if not known or state not in STATES or action not in ACTIONS:
        log.warning("trouble of %s is not understood: %r", node, dict(trouble))
        return None
    with transaction.atomic():
        session = _session(room_id)
        people = _people(session, trouble)
        if session is None or people is None:
            return None
        publisher, subscriber = people
        mine = Q(subscriber=None) if subscriber is None else Q(subscriber=None) | Q(subscriber=subscriber)
        open_ones = MediaIncident.objects.filter(
            mine, publisher=publisher, source=source, ended_at=None
        ).select_for_update(of=("self",))
        if state == "healed":
            return _close(list(open_ones), action)
        if hop in _FOR_ALL:
            subscriber = None
        found = next((one for one in open_ones if one.subscriber_id == getattr(subscriber, "pk", None)), None)
        if found is None:
            if session.incidents.count() >= MAX_PER_SESSION:
                return None
            # The constraint decides if two write at once.
            found, _new = MediaIncident.objects.get_or_create(
                publisher=publisher,
                subscriber=subscriber,
                source=source,
                ended_at=None,
                defaults={"session": session, "hop": hop, "node": node},
            )
        found.hop = hop
        _add(found, action)
        found.save(update_fields=["hop", "actions"])
        return found


def _session(room_id: str) -> Session | None:
    try:
        # Locked, so that nobody goes out meanwhile: what is written then would never be closed.
        running = Session.objects.select_for_update(of=("self",)).filter(ended_at=None)
        return running.filter(room_id=uuid.UUID(room_id)).first()
    except ValueError:
        return None


def _people(
    session: Session | None, trouble: Mapping[str, Any]
) -> tuple[Participant, Participant | None] | None:
    if session is None:
        return None
    ids = [one for one in (trouble.get("peer"), trouble.get("subscriber")) if isinstance(one, str)]
    here = session.participants.filter(state=Participant.State.IN)
    found = {one.public_id: one for one in here.filter(public_id__in=ids)}
    publisher = found.get(str(trouble.get("peer")))
    subscriber = found.get(str(trouble.get("subscriber")))
    if publisher is None or (trouble.get("subscriber") is not None and subscriber is None):
        return None
    return publisher, subscriber


def _add(incident: MediaIncident, action: str) -> None:
    if action != "none" and incident.actions[-1:] != [action]:
        incident.actions = [*incident.actions, action][-MAX_ACTIONS:]


def _close(incidents: list[MediaIncident], action: str) -> MediaIncident | None:
    for incident in incidents:
        _add(incident, action)
        incident.ended_at, incident.end_reason = timezone.now(), MediaIncident.End.HEALED
        incident.save(update_fields=["actions", "ended_at", "end_reason"])
    return incidents[0] if incidents else None


def end_of_person(participant: Participant, *, at: dt.datetime) -> None:
    """They left at that moment: whatever they sent or missed."""
    theirs = Q(publisher=participant) | Q(subscriber=participant)
    _end(MediaIncident.objects.filter(theirs), MediaIncident.End.LEFT, at=at)


def end_of_sources(participant: Participant, sources: Iterable[str]) -> None:
    """They send these no more, by their own choice or a host's."""
    of_these = MediaIncident.objects.filter(publisher=participant, source__in=sources)
    _end(of_these, MediaIncident.End.OFF, at=timezone.now())


def end_of_session(session: Session, *, at: dt.datetime) -> None:
    _end(MediaIncident.objects.filter(session=session), MediaIncident.End.SESSION, at=at)


def end_of_worker(node: str) -> None:
    """It is gone: what it watched is connected anew, by another worker or another life of the same."""
    _end(MediaIncident.objects.filter(node=node), MediaIncident.End.WORKER, at=timezone.now())


def _end(incidents: QuerySet[MediaIncident], reason: MediaIncident.End, *, at: dt.datetime) -> None:
    # Somebody's network may have gone before the worker noticed that their media stopped.
    open_ones = incidents.filter(ended_at=None)
    open_ones.update(ended_at=Greatest(F("began_at"), at), end_reason=reason)
