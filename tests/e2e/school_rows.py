"""What the demo data lacks for a look at every page; runs inside the portal (`manage.py shell`)."""

from __future__ import annotations

import datetime as dt
import json
import time
from importlib import import_module

from allauth.account.forms import default_token_generator
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from meetings.invitations import mailfolder
from meetings.invitations.links import personal_link
from meetings.live.models import MediaIncident, Session
from meetings.minutes.models import Minutes
from meetings.permissions.actor import Actor
from meetings.recordings.models import Recording
from meetings.scheduling.models import Meeting
from meetings.scheduling.services import AgendaDraft, Attendee, book_meeting
from meetings.streams.keys import make_key, revoke_key
from meetings.streams.models import StreamKey
from portal.demo.people import CLASSES, GUEST, address
from portal.supervisor.prepare import FIRST_ADMIN

TITLE = "Physics 101: waves and interference"
SOON = dt.timedelta(minutes=8, seconds=30)


def session_key(user: User) -> str:
    """A session in which `user` is signed in."""
    store = import_module(settings.SESSION_ENGINE).SessionStore()
    store[SESSION_KEY] = str(user.pk)
    store[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[-1]
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store.create()
    return str(store.session_key)


def book_soon(teacher: User) -> Meeting:
    """The meeting people join next, with the class, a colleague and a guest."""
    logins = [*CLASSES["Physics 101"][2], "jonas.okafor"]
    people = {user.email: user for user in User.objects.filter(email__in=map(address, logins))}
    return book_meeting(
        actor=Actor(user=teacher),
        title=TITLE,
        starts_at=(timezone.now() + SOON).replace(second=0, microsecond=0),
        duration_minutes=60,
        time_zone=settings.TIME_ZONE,
        description="Two slits, one wave tank. Bring your laptop: we measure the distance of the minima.",
        attendees=[
            *(Attendee(email, user.name, user, False) for email, user in people.items()),
            Attendee(*GUEST),
        ],
        agenda=[
            AgendaDraft("Questions from last week", 5),
            AgendaDraft("Superposition", 20),
            AgendaDraft("Measuring in the wave tank", 25),
            AgendaDraft("Exercises", 10),
        ],
    )


def stream_keys(meeting: Meeting) -> None:
    """Keys in every state: used, fresh, revoked."""
    actor = Actor(user=meeting.organizer)
    for name, source in (
        ("Camera of the lecture hall", "camera"),
        ("Wave tank", "screen"),
        ("Old laptop", "camera"),
    ):
        made = make_key(meeting, actor=actor, name=name, direction="publish", source=source, lifetime="month")
        if source == "screen":
            StreamKey.objects.filter(pk=made.key.pk).update(
                last_used_at=timezone.now() - dt.timedelta(days=2)
            )
    revoke_key(made.key, actor=actor)


def unfinished_recordings(session: Session) -> dict[str, str]:
    """One being composed and one that failed; keys by state. They look claimed, so nothing touches them."""
    made = {}
    for state, progress, error in (("composing", 0.42, ""), ("failed", 0.0, "No space left on device")):
        started = session.started_at + dt.timedelta(minutes=3)
        recording = Recording.objects.create(
            session=session, state=state, started_at=started, stopped_at=started + dt.timedelta(minutes=31),
            started_by=session.participants.first(), progress=progress, error=error, attempts=1,
            claimed_at=timezone.now() + dt.timedelta(hours=2),
        )  # fmt: skip
        made[state] = str(recording.key)
    return made


def wait_for_film() -> Recording:
    """The demo's recording: the portal's own composer may have been quicker to take it."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        ready = Recording.objects.filter(state="ready").first()
        if ready is not None:
            return ready
        time.sleep(0.5)
    raise AssertionError(f"no film: {list(Recording.objects.values_list('state', 'error'))}")


def build() -> dict[str, dict[str, str]]:
    """`sessions` (person → session key) and `paths` (page → path), for an installation with demo data."""
    lin, sara, wang = (
        User.objects.get(email=address(name)) for name in ("lin.mei", "sara.yilmaz", "wang.wei")
    )
    admin = User.objects.get(email=FIRST_ADMIN)
    soon = book_soon(lin)
    stream_keys(soon)
    guest = soon.invitations.get(email=GUEST[0])
    draft = Minutes.objects.get(state="draft", session__meeting__organizer=lin)
    approved = Minutes.objects.get(state="approved", session__meeting__organizer=lin)
    cancelled = Meeting.objects.get(status="cancelled", title="Fire drill briefing")
    ready = wait_for_film()
    recordings = {"ready": str(ready.key), **unfinished_recordings(draft.session)}
    open_address, _ = EmailAddress.objects.get_or_create(
        user=sara, email="sara@home.example", verified=False, primary=False
    )
    mails = mailfolder.envelopes(mailfolder.keys())
    invitation = next(mail for mail in mails if "Physics 101" in mail.subject)
    paths = {
        "meeting": soon.get_absolute_url(),
        "edit": reverse("meetings:meeting_edit", args=[soon.pk]),
        "cancel": reverse("meetings:meeting_cancel", args=[soon.pk]),
        "streams": reverse("meetings:streams", args=[soon.pk]),
        "held": approved.session.meeting.get_absolute_url(),
        "cancelled": cancelled.get_absolute_url(),
        "room": soon.join_path,
        "left": reverse("meetings:room_left", args=[soon.code]),
        "closed": cancelled.join_path,
        "personal": personal_link(guest).removeprefix(settings.PUBLIC_URL),
        "minutes": reverse("meetings:minutes_detail", args=[approved.pk]),
        "draft": reverse("meetings:minutes_detail", args=[draft.pk]),
        "minutes-edit": reverse("meetings:minutes_edit", args=[draft.pk]),
        **{
            f"recording-{state}": reverse("meetings:recording_detail", args=[key])
            for state, key in recordings.items()
        },
        "recording-delete": reverse("meetings:recording_delete", args=[recordings["ready"]]),
        "confirm": reverse("account_confirm_email", args=[EmailConfirmationHMAC(open_address).key]),
        "new-password": reverse(
            "account_reset_password_from_key",
            args=[user_pk_to_url_str(sara), default_token_generator.make_token(sara)],
        ),
        "mail": reverse("meetings:mail_message", args=[invitation.key]),
        "admin-user": reverse("admin:accounts_user_change", args=[sara.pk]),
        "admin-meeting": reverse("admin:meetings_meeting_change", args=[soon.pk]),
    }
    sessions = {
        name: session_key(user)
        for name, user in (("lin", lin), ("sara", sara), ("wang", wang), ("admin", admin))
    }
    return {"sessions": sessions, "paths": paths, "names": {"session_cookie": settings.SESSION_COOKIE_NAME}}


def show() -> None:
    print(json.dumps(build()))


def incidents() -> None:
    """Media that stopped on its way, in the session that runs: one case over, one that goes on."""
    session = Session.objects.filter(ended_at=None).latest("opened_at")
    first, second = session.participants.filter(state="in").order_by("pk")[:2]
    long_ago = timezone.now() - dt.timedelta(minutes=4)
    for publisher, subscriber, source, hop, actions, healed in (
        (first, second, "camera", "downlink", ["keyframe", "resubscribe"], True),
        (second, None, "mic", "uplink", ["reconnect"], False),
    ):
        MediaIncident.objects.create(
            session=session, publisher=publisher, subscriber=subscriber, source=source, hop=hop,
            actions=actions, began_at=long_ago, node=session.node,
            ended_at=long_ago + dt.timedelta(seconds=9) if healed else None,
            end_reason="healed" if healed else "",
        )  # fmt: skip
