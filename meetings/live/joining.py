"""Coming in and going out: the services behind join, resume, leave, and networks that drop."""

from __future__ import annotations

import datetime as dt
import secrets
from dataclasses import dataclass, replace

from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from meetings.live import events, incidents, media, presence
from meetings.live.errors import RoomError
from meetings.live.guards import audit, lock_session
from meetings.live.identity import Visitor, clean_name
from meetings.live.models import Attendance, Participant, Session
from meetings.live.payloads import live_json, participant_json
from meetings.live.signals import participant_left
from meetings.permissions.actor import SYSTEM, Actor
from meetings.permissions.capabilities import Capability, Role
from meetings.scheduling.models import Meeting

LOST_AFTER = 30.0  # seconds a participant may be without network and still be the same stay
SILENT_AFTER = 75.0  # seconds without a sign after which a connection that was never closed counts as dead


@dataclass(frozen=True)
class JoinRequest:
    """What the browser asks: `screen` None means "as it was"."""

    name: str | None = None
    resume: str = ""
    takeover: bool = False
    mic: bool = False
    camera: bool = False
    screen: bool | None = None


def join_session(visitor: Visitor, wish: JoinRequest, *, channel: str) -> Participant:
    """Bring the visitor into the room or the lobby (see `state` of the result), speaking through `channel`.

    Raises RoomError: meeting_cancelled, ended (the resume key is of a session that is over), removed,
    refused, already_joined, bad_name.
    """
    with transaction.atomic():
        meeting = Meeting.objects.select_related("organizer").get(pk=visitor.meeting.pk)
        if meeting.is_cancelled:
            raise RoomError("meeting_cancelled", _("This meeting was cancelled."))
        visitor = replace(visitor, meeting=meeting)
        resumed = _by_resume_key(visitor, wish.resume)
        if resumed is not None and resumed.session.ended_at is not None:
            raise RoomError("ended", _("The meeting has ended."))
        session = running_session(meeting)
        participant = (
            resumed or session.participants.filter(identity=visitor.identity).exclude(identity="").first()
        )
        _refuse_banned(visitor, session, participant)
        if participant is None:
            participant = _newcomer(visitor, session, wish)
        else:
            participant.session = session
            _welcome_back(visitor, participant, wish, channel, resumed=resumed is not None)
        participant.channel = channel
        participant.last_seen_at = timezone.now()
        participant.mic, participant.camera = wish.mic, wish.camera
        if wish.screen is not None:
            participant.screen = wish.screen
        actor = replace(visitor.actor, participant=participant)
        # Who was let in once in this session needs no second permission after a reload.
        if participant.joined_at or visitor.may(Capability.LOBBY_BYPASS) or not meeting.lobby_enabled:
            enter(participant, actor=actor)
        else:
            _wait(participant, actor=actor)
    return participant


def would_wait(visitor: Visitor) -> bool:
    """Whether the visitor would come to the lobby if they joined now."""
    if visitor.may(Capability.LOBBY_BYPASS) or not visitor.meeting.lobby_enabled:
        return False
    session = presence.running_session_of(visitor.meeting)
    known = (
        session.participants.filter(identity=visitor.identity).exclude(joined_at=None) if session else None
    )
    return known is None or not visitor.identity or not known.exists()


def _by_resume_key(visitor: Visitor, key: str) -> Participant | None:
    """The participant whose secret this is, if this visitor may be them; a foreign key is no key."""
    if not key:
        return None
    rows = Participant.objects.select_related("session__meeting").filter(session__meeting=visitor.meeting)
    participant = rows.filter(resume_key=key).first()
    if participant is None or participant.identity == visitor.identity:
        return participant
    # Someone with an account proves it by being signed in: a tab left open on a shared computer is no proof.
    if visitor.person is not None or participant.user_id is not None:
        return None
    own_link = visitor.invitation is None or participant.invitation_id == visitor.invitation.pk
    return participant if own_link else None


def running_session(meeting: Meeting) -> Session:
    """The running session, locked; begun now if there is none."""
    while True:
        found = Session.objects.filter(meeting=meeting, ended_at=None).values_list("pk", flat=True).first()
        if found is None:
            try:
                with transaction.atomic():
                    found = Session.objects.create(meeting=meeting, opened_at=None).pk
            except IntegrityError:
                continue  # someone else began it in this very moment
        try:
            session = lock_session(found)
        except Session.DoesNotExist:
            continue
        if session.ended_at is None:
            session.meeting = meeting
            return session


def _refuse_banned(visitor: Visitor, session: Session, participant: Participant | None) -> None:
    if visitor.role is Role.HOST:
        return
    same = Q(pk=None)
    if visitor.identity:
        same |= Q(identity=visitor.identity)
    if visitor.person is not None:
        same |= Q(user=visitor.person)
    if visitor.invitation is not None:
        same |= Q(invitation=visitor.invitation)
    if participant is not None:
        same |= Q(pk=participant.pk)
    states = session.participants.filter(same).values_list("state", flat=True)
    if Participant.State.REMOVED in states:
        raise RoomError(
            "removed", _("You were removed from this meeting."), who=_("The host decides who takes part.")
        )
    if Participant.State.REFUSED in states:
        raise RoomError("refused", _("You were not let in."), who=_("The host decides who takes part."))


def _newcomer(visitor: Visitor, session: Session, wish: JoinRequest) -> Participant:
    name = visitor.known_name
    if not name and visitor.invitation is not None and not wish.name:
        name = visitor.invitation.display_name
    return Participant(
        session=session,
        identity=visitor.identity or f"guest:{secrets.token_hex(8)}",
        user=visitor.person,
        invitation=visitor.invitation,
        name=name or clean_name(wish.name),
        role=visitor.role.value,
        state=Participant.State.LOBBY,
    )


def _welcome_back(
    visitor: Visitor, participant: Participant, wish: JoinRequest, channel: str, *, resumed: bool
) -> None:
    """Same person, new connection: the old one goes, if this one may take its place."""
    here = participant.state in (Participant.State.IN, Participant.State.LOBBY)
    if here and participant.channel and participant.channel != channel:
        fresh = participant.last_seen_at > timezone.now() - dt.timedelta(seconds=SILENT_AFTER)
        if fresh and not resumed and not wish.takeover:
            raise RoomError(
                "already_joined", _("You are in this meeting in another tab or on another device.")
            )
        events.notify_channel(participant.channel, "room.taken_over")
    if visitor.role is Role.HOST or participant.role == Participant.Role.GUEST:
        participant.role = visitor.role.value
    # The name under which someone was let in stays.
    if wish.name and not visitor.known_name and not participant.joined_at:
        participant.name = clean_name(wish.name)


def enter(participant: Participant, *, actor: Actor, verb: str = "participant.join") -> None:
    """Put the participant into the room: open the session if they are the first, and their stay.

    Call in a transaction, with the session locked. `verb` is what the audit calls it.
    """
    session, now = participant.session, timezone.now()
    if session.opened_at is None:
        session.opened_at = session.started_at = now
        session.save(update_fields=["opened_at", "started_at"])
        audit("session.start", session, actor=actor)
    was_in = participant.state == Participant.State.IN and participant.pk is not None
    participant.state = Participant.State.IN
    participant.joined_at = participant.joined_at or now
    _save_presence(participant)
    if not Attendance.objects.filter(participant=participant, left_at=None).exists():
        Attendance.objects.create(participant=participant, joined_at=now)
    if was_in:
        events.send_to_session(session, "participant.updated", {"participant": participant_json(participant)})
        return
    audit(verb, participant, actor=actor, role=participant.role)
    events.send_to_session(session, "participant.joined", {"participant": participant_json(participant)})
    announce_live(session)


def _save_presence(participant: Participant) -> None:
    """Write what comes and goes with presence, not over a media generation that moved on meanwhile."""
    fields = ("state", "channel", "name", "role", "mic", "camera", "screen", "hand_at")
    times = ("asked_at", "joined_at", "last_seen_at")
    participant.save(update_fields=None if participant.pk is None else [*fields, *times])


def _wait(participant: Participant, *, actor: Actor) -> None:
    """Put the participant into the lobby, and tell those who may let them in."""
    asked_before = participant.pk is not None and participant.state == Participant.State.LOBBY
    participant.state = Participant.State.LOBBY
    if not asked_before:
        participant.asked_at = timezone.now()
    _save_presence(participant)
    if not asked_before:
        audit("participant.ask", participant, actor=actor)
    data = {"participant": participant_json(participant)}
    events.send_to_session(participant.session, "lobby.waiting", data, only=Capability.LOBBY_ADMIT)


def announce_live(session: Session) -> None:
    """Tell those at the door how many are in, and whether they are recorded."""
    events.notify_watchers(session.meeting_id, "room.live", data=live_json(session.meeting))


def go_out(participant: Participant, state: Participant.State, reason: str, *, at: dt.datetime) -> None:
    """Take the participant out of the room or lobby, their stay ending at `at`. In a transaction."""
    was_in = participant.state == Participant.State.IN
    stay = Attendance.objects.filter(participant=participant, left_at=None)
    # Someone let in whose network was gone already was there for no time at all.
    stay.filter(joined_at__gt=at).update(left_at=F("joined_at"))
    stay.update(left_at=at)
    incidents.end_of_person(participant, at=at)
    participant.state, participant.channel = state, ""
    participant.mic = participant.camera = participant.screen = False
    participant.hand_at = None
    _save_presence(participant)
    session = participant.session
    if was_in:
        events.send_to_session(session, "participant.left", {"id": participant.public_id, "reason": reason})
        media.tell(session, "peer.remove", peer=participant.public_id)
        announce_live(session)
        transaction.on_commit(
            lambda: participant_left.send_robust(sender=Participant, participant=participant)
        )
    else:
        events.send_to_session(
            session, "lobby.left", {"id": participant.public_id}, only=Capability.LOBBY_ADMIT
        )


def leave_session(*, actor: Actor) -> None:
    """The actor goes, from the room or the lobby. Nothing happens if they are gone already."""
    if actor.participant is None:
        return
    with transaction.atomic():
        session = lock_session(actor.participant.session_id)
        participant = Participant.objects.get(pk=actor.participant.pk)
        participant.session = session
        if participant.state not in (Participant.State.IN, Participant.State.LOBBY):
            return
        go_out(participant, Participant.State.LEFT, "left", at=timezone.now())
        audit("participant.leave", participant, actor=actor)


def touch(participant_id: int, channel: str) -> None:
    """A sign of life on that connection."""
    Participant.objects.filter(pk=participant_id, channel=channel).update(last_seen_at=timezone.now())


def mark_disconnected(participant_id: int, channel: str) -> bool:
    """That connection broke.

    The person stays in for LOST_AFTER seconds; False if they are back on another one.
    """
    with transaction.atomic():
        rows = Participant.objects.filter(pk=participant_id, channel=channel)
        if not rows.update(channel="", last_seen_at=timezone.now()):
            return False
        participant = Participant.objects.select_related("session__meeting").get(pk=participant_id)
        session = participant.session
        if session.ended_at is not None:
            return False
        if participant.state == Participant.State.IN:
            events.send_to_session(
                session, "participant.updated", {"participant": participant_json(participant)}
            )
        elif participant.state == Participant.State.LOBBY:
            events.send_to_session(
                session, "lobby.left", {"id": participant.public_id}, only=Capability.LOBBY_ADMIT
            )
    return True


def overdue() -> Q:
    """Participants without network for too long, or whose connection died unnoticed (their web process with
    it).
    """
    now = timezone.now()
    # Streams have no browser: their media worker knows whether they are there.
    here = Q(state__in=(Participant.State.IN, Participant.State.LOBBY)) & ~Q(role=Participant.Role.STREAM)
    cut = Q(channel="", last_seen_at__lte=now - dt.timedelta(seconds=LOST_AFTER))
    dead = Q(last_seen_at__lte=now - dt.timedelta(seconds=SILENT_AFTER))
    return here & (cut | dead)


def mark_lost(participant_id: int) -> bool:
    """Let go of someone who is overdue; their stay ends when they were last seen. False if not overdue."""
    found = Participant.objects.filter(pk=participant_id).values_list("session_id", flat=True).first()
    if found is None:
        return False
    with transaction.atomic():
        session = lock_session(found)
        participant = Participant.objects.filter(overdue(), pk=participant_id).first()
        if participant is None or session.ended_at is not None:
            return False
        participant.session = session
        # Should that connection live after all, its browser has to come back properly.
        events.notify(participant, "room.dropped")
        go_out(participant, Participant.State.LEFT, "lost", at=participant.last_seen_at)
        audit("participant.lost", participant, actor=SYSTEM)
    return True
