"""Pages of meetings: today, lists, one meeting, booking, changing, cancelling."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from meetings.invitations.ics import build_calendar
from meetings.invitations.links import personal_link
from meetings.invitations.throttle import JOIN_CODES, caller
from meetings.permissions.actor import Actor, actor_of
from meetings.permissions.capabilities import Capability, Role, capabilities_of
from meetings.permissions.decide import require
from meetings.scheduling import selectors
from meetings.scheduling.dashboard import today_of
from meetings.scheduling.forms import MeetingForm
from meetings.scheduling.join import read_code
from meetings.scheduling.mail_status import mail_badges
from meetings.scheduling.models import Meeting
from meetings.scheduling.people import group_of, members_of, require_booker, suggest_people
from meetings.scheduling.services import Conflict, book_meeting, cancel_meeting, change_meeting
from meetings.scheduling.times import same_clock
from meetings.scheduling.words import starts_in

PAGE = 20


@require_GET
def dashboard(request: HttpRequest) -> HttpResponse:
    """Today, for people who are signed in; for others the way in."""
    if not request.user.is_authenticated:
        return render(request, "meetings/landing.html")
    today = today_of(request.user, timezone.now())
    return render(
        request, "meetings/dashboard.html", {"today": today, "nav_counts": {"actions": today.action_total}}
    )


@require_http_methods(["GET", "POST"])
def join_by_code(request: HttpRequest) -> HttpResponse:
    """From a typed join code (or a whole pasted link) to the room page; misses are counted."""
    typed = request.POST.get("code") or request.GET.get("code") or ""
    who = caller(request)
    if not typed.strip():
        return render(request, "meetings/landing.html", {"typed": ""})
    if JOIN_CODES.is_blocked(who):
        error = _("Too many codes that do not exist. Wait ten minutes, or use the link of your invitation.")
        return render(request, "meetings/landing.html", {"typed": typed[:80], "error": error}, status=429)
    code = read_code(typed)
    meeting = Meeting.objects.filter(code=code).first() if code else None
    if meeting is None:
        JOIN_CODES.miss(who)
        error = _("There is no meeting with this code. It has ten letters, such as bcd-fghj-kmn.")
        return render(request, "meetings/landing.html", {"typed": typed[:80], "error": error}, status=404)
    return redirect(meeting.join_path)


@login_required
@require_GET
def meeting_list(request: HttpRequest) -> HttpResponse:
    """One's own meetings: upcoming, past or cancelled."""
    now = timezone.now()
    show = request.GET.get("show", "upcoming")
    user = request.user
    assert user.is_authenticated
    if show == "past":
        rows = selectors.past(user, now)
    elif show == "cancelled":
        rows = selectors.cancelled(user)
    else:
        show, rows = "upcoming", selectors.upcoming(user, now)
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    context = {
        "page_obj": page,
        "show": show,
        "now": now,
        "tabs": _tabs(),
        "this_year": timezone.localtime(now).year,
    }
    return render(request, "meetings/meeting_list.html", context)


def _tabs() -> list[tuple[str, str]]:
    return [("upcoming", _("Upcoming")), ("past", _("Past")), ("cancelled", _("Cancelled"))]


def _visible(request: HttpRequest, pk: int) -> tuple[Meeting, Actor]:
    """The meeting and who asks, if they may see it. Others learn nothing, not even that it exists (404)."""
    meeting = get_object_or_404(Meeting.objects.select_related("organizer"), pk=pk)
    actor = actor_of(request, meeting)
    if Capability.MEETING_VIEW not in _capabilities(actor, meeting):
        raise Http404
    return meeting, actor


def _capabilities(actor: Actor, meeting: Meeting) -> frozenset[str]:
    return frozenset(capabilities_of(actor.role_in(meeting)))


@require_GET
def meeting_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One meeting, for those who have a part in it; people without account come with their personal link."""
    if not request.user.is_authenticated and str(pk) not in request.session.get("invitations", {}):
        return redirect_to_login(request.get_full_path())
    meeting, actor = _visible(request, pk)
    detail = selectors.meeting_detail(meeting, actor)
    now = timezone.now()
    may_edit = detail.can(Capability.MEETING_EDIT)
    badges = mail_badges(meeting) if may_edit else {}
    # Readers without account have told no zone: theirs is the meeting's.
    here = request.user.zone if request.user.is_authenticated else meeting.zone
    context: dict[str, Any] = {
        "meeting": meeting,
        "detail": detail,
        "now": now,
        "here": here,
        "is_over": meeting.ends_at <= now and not detail.is_live,
        "can_join": selectors.may_join_now(meeting, now, is_live=detail.is_live)
        or (detail.role in (Role.HOST, Role.COHOST) and not meeting.is_cancelled),
        "joinable_at": meeting.starts_at - selectors.JOIN_EARLY,
        "may_edit": may_edit and not meeting.is_cancelled,
        "may_cancel": detail.can(Capability.MEETING_CANCEL)
        and not meeting.is_cancelled
        and not detail.is_live
        and meeting.ends_at > now,
        "may_stream": detail.can(Capability.STREAM_MANAGE),
        "sees_minutes": detail.can(Capability.MINUTES_VIEW),
        "sees_recordings": detail.can(Capability.RECORDING_VIEW),
        "other_zone": not same_clock(meeting.starts_at, here, meeting.zone),
        "people": [(invitation, badges.get(invitation.email)) for invitation in detail.invitations],
        "starts_in": starts_in(timezone.localtime(meeting.starts_at, here), timezone.localtime(now, here)),
        "may_edit_people": may_edit,
    }
    with timezone.override(here):
        return render(request, "meetings/meeting_detail.html", context)


@require_GET
def meeting_calendar(request: HttpRequest, pk: int) -> HttpResponse:
    """The meeting as an .ics file for one's own calendar."""
    meeting, actor = _visible(request, pk)
    url = personal_link(actor.invitation) if actor.invitation and not actor.user else meeting.join_url
    response = HttpResponse(
        build_calendar(meeting, method="PUBLISH", join_url=url), content_type="text/calendar; charset=utf-8"
    )
    response["Content-Disposition"] = f'attachment; filename="meeting-{meeting.code}.ics"'
    return response


@login_required
def meeting_new(request: HttpRequest) -> HttpResponse:
    actor = actor_of(request)
    require_booker(actor)
    form = MeetingForm(request.POST or None, actor=actor)
    if request.method == "POST" and form.is_valid():
        try:
            meeting = book_meeting(actor=actor, **form.booking())
        except ValidationError as error:
            form.add_faults(error)
        else:
            messages.success(request, _("The meeting is booked. Invitations are on their way."))
            _tell_clock(request, form)
            return redirect(meeting)
    return _form_page(request, form, None)


@login_required
def meeting_edit(request: HttpRequest, pk: int) -> HttpResponse:
    meeting, actor = _visible(request, pk)
    require(actor, Capability.MEETING_EDIT, meeting)
    if meeting.is_cancelled:
        messages.error(request, _("This meeting was cancelled; book a new one."))
        return redirect(meeting)
    form = MeetingForm(request.POST or None, actor=actor, meeting=meeting)
    if request.method == "POST" and form.is_valid():
        try:
            change_meeting(
                meeting, actor=actor, version=form.cleaned_data["version"] or None, **form.booking()
            )
        except ValidationError as error:
            form.add_faults(error)
        except Conflict as error:
            differences = form.differences(error.meeting)
            form.accept_version(error.meeting)
            return _form_page(request, form, meeting, conflict=differences, status=409)
        else:
            messages.success(request, _("Saved. Whoever is concerned gets a mail."))
            _tell_clock(request, form)
            return redirect(meeting)
    return _form_page(request, form, meeting)


def _form_page(
    request: HttpRequest,
    form: MeetingForm,
    meeting: Meeting | None,
    *,
    conflict: list[tuple[str, str]] | None = None,
    status: int = 200,
) -> HttpResponse:
    context = {"form": form, "meeting": meeting, "conflict": conflict}
    return render(request, "meetings/meeting_form.html", context, status=status)


def _tell_clock(request: HttpRequest, form: MeetingForm) -> None:
    """Says so when the clock made the time mean something else than was typed."""
    start = form.start
    if start is None:
        return
    facts = {"zone": form.cleaned_data["time_zone"].replace("_", " "), "time": f"{start.local:%H:%M}"}
    if start.moved:
        messages.warning(
            request,
            _("The clocks in %(zone)s go forward and skip the time you chose. It starts at %(time)s.")
            % facts,
        )
    elif start.ambiguous:
        messages.info(
            request,
            _("The clocks in %(zone)s go back, so %(time)s comes twice. The first one is meant.") % facts,
        )


@login_required
def meeting_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    meeting, actor = _visible(request, pk)
    require(actor, Capability.MEETING_CANCEL, meeting)
    if request.method == "POST":
        try:
            cancel_meeting(meeting, actor=actor, note=request.POST.get("note", ""))
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
        else:
            messages.success(request, _("The meeting is cancelled. Everybody who was invited gets a mail."))
        return redirect(meeting)
    people = meeting.invitations.filter(revoked_at=None).count()
    return render(request, "meetings/meeting_cancel.html", {"meeting": meeting, "people_total": people})


@login_required
@require_GET
def people(request: HttpRequest) -> JsonResponse:
    """For the picker. `?q=` → `{"suggestions": [{kind, value, label, detail}]}`;
    `?group=class:12` → `{"people": [{email, name}]}`. 403 for those who may not book."""
    actor = actor_of(request)
    group = group_of(request.GET.get("group", ""))
    if group:
        found = [{"email": user.email, "name": user.name} for user in members_of(*group, actor=actor)]
        return JsonResponse({"people": found})
    suggestions = suggest_people(request.GET.get("q", ""), actor=actor)
    return JsonResponse({"suggestions": [vars(suggestion) for suggestion in suggestions]})
