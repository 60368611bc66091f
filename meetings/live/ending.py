"""The end of a session."""

from __future__ import annotations

import datetime as dt

from django.db import transaction
from django.db.models import F, Max
from django.urls import reverse
from django.utils import timezone

from meetings.live import events, incidents, media, presence
from meetings.live.guards import audit, lock_session, present_with
from meetings.live.models import Attendance, Participant, Session
from meetings.live.payloads import live_json
from meetings.live.signals import session_ended
from meetings.permissions.actor import SYSTEM, Actor
from meetings.permissions.capabilities import Capability
from meetings.permissions.decide import require

# A forgotten encoder must not keep a room open for ever; one that others watch elsewhere may be alone in it.
STREAM_ALONE = dt.timedelta(hours=1)  # after the booked end
EMPTY_AFTER = 600.0  # seconds with nobody in after which a session ends by itself


def left_url(session: Session) -> str:
    """The page people are sent to afterwards; it shows the minutes as soon as there are any."""
    return reverse("meetings:room_left", args=[session.meeting.code])


def end_session(session: Session, *, actor: Actor, reason: str = "host") -> bool:
    """End the session for everyone; False if it has ended already. Raises Refused.

    Without a participant (Django admin, housekeeping) the actor's role in the meeting decides. A session that
    nobody ever entered leaves nothing worth keeping, so it is deleted and no `session_ended` is sent.
    """
    with transaction.atomic():
        session = lock_session(session.pk)
        if session.ended_at is not None:
            return False
        if actor.participant is not None:
            _ender, actor = present_with(actor, Capability.SESSION_END)
        else:
            require(actor, Capability.SESSION_END, session.meeting)
        now = timezone.now()
        session.ended_at, session.end_reason = now, reason
        session.save(update_fields=["ended_at", "end_reason"])
        told = {"reason": reason, "url": left_url(session)}
        events.notify_session(session, "room.ended", **told)
        for waiting in presence.people_waiting(session):
            events.notify(waiting, "room.ended", **told)
        media.tell(session, "room.close")
        _close_stays(session, now)
        incidents.end_of_session(session, at=now)
        here = (Participant.State.IN, Participant.State.LOBBY)
        session.participants.filter(state__in=here).update(
            state=Participant.State.LEFT, channel="", mic=False, camera=False, screen=False, hand_at=None
        )
        events.notify_watchers(session.meeting_id, "room.live", data=live_json(session.meeting))
        if session.opened_at is None:
            transaction.on_commit(lambda: Session.objects.filter(pk=session.pk).delete())
            return True
        audit("session.end", session, actor=actor, reason=reason)
        transaction.on_commit(lambda: session_ended.send_robust(sender=Session, session=session))
    return True


def _close_stays(session: Session, now: dt.datetime) -> None:
    """Stays end now, those of a dropped network when it was last there."""
    stays = Attendance.objects.filter(participant__session=session, left_at=None)
    dropped = stays.filter(participant__channel="").exclude(participant__role=Participant.Role.STREAM)
    for stay in dropped.select_related("participant"):
        stay.left_at = max(stay.joined_at, min(now, stay.participant.last_seen_at))
        stay.save(update_fields=["left_at"])
    stays.filter(joined_at__gt=now).update(left_at=F("joined_at"))
    stays.update(left_at=now)


def end_if_deserted(session: Session) -> bool:
    """End a session in which nobody has been for EMPTY_AFTER seconds, and for which nobody waits."""
    if presence.attendees_in(session).exists() or presence.people_waiting(session).exists():
        return False
    if presence.people_in(session).exists() and timezone.now() < session.meeting.ends_at + STREAM_ALONE:
        return False
    last = Attendance.objects.filter(participant__session=session).aggregate(last=Max("left_at"))["last"]
    people = session.participants.exclude(role=Participant.Role.STREAM)
    asked = people.aggregate(last=Max("last_seen_at"))["last"]
    since = max(moment for moment in (last, asked, session.started_at) if moment is not None)
    if since > timezone.now() - dt.timedelta(seconds=EMPTY_AFTER):
        return False
    return end_session(session, actor=SYSTEM, reason="empty")
