"""Meetings that have been: sessions, attendance, chat, a file, minutes."""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.core.files.base import ContentFile
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from meetings.chat.models import ChatMessage, SharedFile
from meetings.invitations.models import Invitation
from meetings.live.models import Attendance, Participant, Session
from meetings.minutes.models import AgendaItem
from meetings.minutes.services import (
    ActionDraft,
    DecisionDraft,
    NoteDraft,
    approve_minutes,
    draft_minutes,
    save_minutes,
    tick_action,
)
from meetings.permissions.actor import Actor
from meetings.scheduling.models import Meeting
from portal.demo.days import at
from portal.demo.people import GUEST, address
from portal.demo.stories import STORIES, Story


def hold_all(people: dict[str, User]) -> int:
    """Tells the stories that are not there yet; returns how many."""
    told = 0
    for story in STORIES:
        if not Meeting.objects.filter(organizer=people[story.organizer], title=story.title).exists():
            with transaction.atomic():
                _Past(story, people).tell()
            told += 1
    return told


def unfilmed(people: dict[str, User]) -> list[Session]:
    """Sessions of stories that were filmed, without their recording."""
    titles = [story.title for story in STORIES if story.filmed]
    sessions = Session.objects.filter(meeting__organizer__in=people.values(), meeting__title__in=titles)
    return list(sessions.filter(recordings=None))


class _Past:
    """One story turned into rows. Written directly: services write what happens now, not last week."""

    def __init__(self, story: Story, people: dict[str, User]) -> None:
        self.story = story
        self.people = people
        self.start = at(-story.days, story.hour)
        self.end = self.start + dt.timedelta(minutes=story.minutes - 3)
        self.here: dict[str, Participant] = {}

    def tell(self) -> Session:
        self.meeting = self._meeting()
        self.session = Session.objects.create(
            meeting=self.meeting,
            started_at=self.start - dt.timedelta(minutes=2),
            ended_at=self.end,
            end_reason="host",
        )
        self._attendance()
        self._chat()
        self._minutes()
        return self.session

    def _meeting(self) -> Meeting:
        story = self.story
        meeting = Meeting.objects.create(
            organizer=self.people[story.organizer],
            title=story.title,
            starts_at=self.start,
            duration_minutes=story.minutes,
            time_zone=settings.TIME_ZONE,
        )
        for position, title in enumerate(story.agenda):
            AgendaItem.objects.create(
                meeting=meeting, position=position, title=title, minutes=story.minutes // len(story.agenda)
            )
        for login in story.people:
            user = self.people[login]
            role = Invitation.Role.COHOST if login in story.cohosts else Invitation.Role.PARTICIPANT
            Invitation.objects.create(
                meeting=meeting, user=user, email=address(login), name=user.name, role=role
            )
        if story.guest:
            Invitation.objects.create(meeting=meeting, email=GUEST[0], name=GUEST[1])
        return meeting

    def _attendance(self) -> None:
        for number, login in enumerate((self.story.organizer, *self.story.people)):
            if login in self.story.absent:
                continue
            user = self.people[login]
            invitation = Invitation.objects.filter(meeting=self.meeting, user=user).first()
            role = Participant.Role.HOST if invitation is None else Participant.Role(invitation.role)
            self._comes(login, number, user=user, name=user.name, role=role, invitation=invitation)
        if self.story.guest:
            invitation = Invitation.objects.get(meeting=self.meeting, email=GUEST[0])
            role = Participant.Role.PARTICIPANT
            self._comes("guest", len(self.here), name=GUEST[1], role=role, invitation=invitation, user=None)

    def _comes(
        self,
        key: str,
        number: int,
        *,
        user: User | None,
        name: str,
        role: str,
        invitation: Invitation | None,
    ) -> None:
        joined = self.start + dt.timedelta(seconds=47 * number - 100)
        identity = f"user:{user.pk}" if user else f"invitation:{invitation.pk}" if invitation else key
        participant = Participant.objects.create(
            session=self.session,
            identity=identity,
            user=user,
            invitation=invitation,
            name=name,
            role=role,
            state=Participant.State.LEFT,
            asked_at=joined,
            joined_at=joined,
            last_seen_at=self.end,
        )
        self.here[key] = participant
        if number == 2:  # someone's network went away for a while
            gone = joined + dt.timedelta(minutes=11)
            Attendance.objects.create(participant=participant, joined_at=joined, left_at=gone)
            joined = gone + dt.timedelta(minutes=1, seconds=20)
        left = self.end - dt.timedelta(seconds=20 * number)
        Attendance.objects.create(participant=participant, joined_at=joined, left_at=left)

    def _chat(self) -> None:
        written: list[tuple[int, str, str, SharedFile | None]] = [
            (minute, login, text, None) for login, minute, text in self.story.chat
        ]
        if self.story.file:
            login, name, minute, text = self.story.file
            content = ContentFile(text.encode(), name)
            shared = SharedFile.objects.create(
                session=self.session,
                participant=self.here[login],
                name=name,
                size=content.size,
                content_type="text/plain",
                file=content,
                created_at=self.start + dt.timedelta(minutes=minute),
            )
            written.append((minute, login, "", shared))
        for minute, login, text, file in sorted(written, key=lambda line: line[0]):
            ChatMessage.objects.create(
                session=self.session,
                participant=self.here[login],
                body=text,
                file=file,
                created_at=self.start + dt.timedelta(minutes=minute),
            )

    def _minutes(self) -> None:
        actor = Actor(user=self.people[self.story.organizer])
        minutes, _new = draft_minutes(self.session)
        today = timezone.localdate()
        rows = list(minutes.notes.order_by("position"))
        minutes = save_minutes(
            minutes,
            actor=actor,
            version=minutes.version,
            summary=self.story.summary,
            notes=[
                NoteDraft(row.pk, row.title, body) for row, body in zip(rows, self.story.notes, strict=True)
            ],
            decisions=[DecisionDraft(None, text) for text in self.story.decisions],
            actions=[
                ActionDraft(
                    None,
                    action.text,
                    owner_id=self.people[action.owner].pk if action.owner in self.people else None,
                    owner_name="" if action.owner in self.people else action.owner,
                    due_date=today + dt.timedelta(days=action.due),
                )
                for action in self.story.actions
            ],
        )
        for item, action in zip(minutes.actions.order_by("position"), self.story.actions, strict=True):
            if action.done:
                tick_action(item, actor=actor, done=True)
        if self.story.approved:
            approve_minutes(minutes, actor=actor, version=minutes.version)
