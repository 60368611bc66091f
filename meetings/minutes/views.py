"""Minutes: the list, one to read, the editor; and one's own action items."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from meetings.minutes import services
from meetings.minutes.conflict import differences, last_change
from meetings.minutes.due import due_label
from meetings.minutes.facts import facts_of
from meetings.minutes.forms import MinutesEditor
from meetings.minutes.models import ActionItem, Minutes
from meetings.minutes.selectors import actions_of, minutes_of, open_action_count
from meetings.permissions.actor import Actor, actor_of
from meetings.permissions.capabilities import Capability
from meetings.permissions.decide import decide
from meetings.permissions.pages import refuse

PAGE_SIZE = 25


def _minutes(pk: int) -> Minutes:
    rows = Minutes.objects.select_related("session__meeting__organizer", "approved_by")
    return get_object_or_404(rows, pk=pk)


def with_due(items: Any) -> list[ActionItem]:
    """The items, each with `due` (a `Due` or None) for its badge."""
    today = timezone.localdate()
    listed = list(items)
    for item in listed:
        item.due = due_label(item.due_date, today) if item.done_at is None else None
    return listed


@login_required
@require_safe
def minutes_list(request: HttpRequest) -> HttpResponse:
    user: Any = request.user
    page = Paginator(minutes_of(user), PAGE_SIZE).get_page(request.GET.get("page"))
    return render(request, "meetings/minutes_list.html", {"page_obj": page, "minutes_list": page.object_list})


@require_safe
def minutes_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """For everyone who took part, with or without an account."""
    minutes = _minutes(pk)
    meeting = minutes.session.meeting
    actor = actor_of(request, meeting)
    decision = decide(actor, Capability.MINUTES_VIEW, meeting)
    if not decision:
        return refuse(request, decision)
    may_chat = bool(decide(actor, Capability.CHAT_READ, meeting))
    may_edit = bool(decide(actor, Capability.MINUTES_EDIT, meeting))
    actions = with_due(minutes.actions.select_related("owner").order_by("position", "pk"))
    for item in actions:
        item.may_tick = may_edit or (actor.user is not None and item.owner_id == actor.user.pk)  # type: ignore[attr-defined]
    context = {
        "minutes": minutes,
        "meeting": meeting,
        "facts": facts_of(
            minutes.session, chat=may_chat, recordings=bool(decide(actor, Capability.RECORDING_VIEW, meeting))
        ),
        "notes": list(minutes.notes.all()),
        "decisions": list(minutes.decisions.all()),
        "actions": actions,
        "may_chat": may_chat,
        "may_edit": may_edit and minutes.state == Minutes.State.DRAFT,
        "may_reopen": minutes.state == Minutes.State.APPROVED
        and bool(decide(actor, Capability.MINUTES_REOPEN, meeting)),
        "may_open_meeting": actor.user is not None and bool(decide(actor, Capability.MEETING_VIEW, meeting)),
    }
    zone = meeting.zone if actor.user is None else timezone.get_current_timezone()
    with timezone.override(zone):
        return render(request, "meetings/minutes_detail.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def minutes_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """The editor. If somebody else saved meanwhile, both texts are shown (409) and nothing is overwritten."""
    minutes = _minutes(pk)
    meeting = minutes.session.meeting
    actor = actor_of(request, meeting)
    decision = decide(actor, Capability.MINUTES_EDIT, meeting)
    if not decision:
        return refuse(request, decision)
    if minutes.state == Minutes.State.APPROVED and request.method != "POST":
        messages.info(request, _("These minutes are approved and closed."))
        return redirect("meetings:minutes_detail", pk=pk)
    if request.method != "POST":
        return _render_editor(request, MinutesEditor(minutes))
    editor = MinutesEditor(minutes, request.POST)
    if not editor.is_valid():
        return _render_editor(request, editor, status=422)
    try:
        services.save_minutes(minutes, actor=actor, **editor.values())
    except services.MinutesConflict as conflict:
        return _render_conflict(request, conflict.current, editor)
    except services.MinutesLocked as error:
        # The text stays on the page, so that it can be copied before the minutes are opened again.
        editor.form.add_error(None, str(error))
        return _render_editor(request, editor, status=409)
    messages.success(request, _("The minutes are saved."))
    if "more" in request.POST:
        return redirect("meetings:minutes_edit", pk=pk)
    return redirect("meetings:minutes_detail", pk=pk)


def _render_editor(
    request: HttpRequest, editor: MinutesEditor, status: int = 200, **extra: Any
) -> HttpResponse:
    context = {
        "editor": editor,
        "minutes": editor.minutes,
        "meeting": editor.minutes.session.meeting,
        **extra,
    }
    return render(request, "meetings/minutes_edit.html", context, status=status)


def _render_conflict(request: HttpRequest, current: Minutes, editor: MinutesEditor) -> HttpResponse:
    """The same text again, now on top of the stored version, so that saving it once more is a decision."""
    shown = differences(current, editor.values())
    data = request.POST.copy()
    data["version"] = str(current.version)
    fresh = MinutesEditor(current, data)
    fresh.is_valid()
    return _render_editor(request, fresh, status=409, conflict=shown, change=last_change(current))


@require_POST
def minutes_approve(request: HttpRequest, pk: int) -> HttpResponse:
    minutes = _minutes(pk)
    actor = actor_of(request, minutes.session.meeting)
    version = request.POST.get("version", "")
    try:
        services.approve_minutes(minutes, actor=actor, version=int(version) if version.isdecimal() else 0)
    except services.MinutesConflict:
        messages.warning(
            request, _("Somebody changed the minutes meanwhile. Please read them again, then approve.")
        )
    else:
        messages.success(request, _("The minutes are approved."))
    return redirect("meetings:minutes_detail", pk=pk)


@require_POST
def minutes_reopen(request: HttpRequest, pk: int) -> HttpResponse:
    minutes = _minutes(pk)
    services.reopen_minutes(minutes, actor=actor_of(request, minutes.session.meeting))
    messages.success(request, _("The minutes are open again."))
    return redirect("meetings:minutes_edit", pk=pk)


@login_required
@require_safe
def action_list(request: HttpRequest) -> HttpResponse:
    """One's own action items: open ones, or (`?done=1`) finished ones."""
    user: Any = request.user
    show_done = request.GET.get("done") == "1"
    page = Paginator(actions_of(user, done=show_done), PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "page_obj": page,
        "actions": with_due(page.object_list),
        "show_done": show_done,
        "nav_counts": {"actions": open_action_count(user)},
    }
    return render(request, "meetings/action_list.html", context)


@require_POST
def action_toggle(request: HttpRequest, pk: int) -> HttpResponse:
    """POST `done` = 1 or 0; goes back to `next`, a page of this site."""
    items = ActionItem.objects.select_related("minutes__session__meeting__organizer")
    item = get_object_or_404(items, pk=pk)
    actor: Actor = actor_of(request, item.minutes.session.meeting)
    services.tick_action(item, actor=actor, done=request.POST.get("done") == "1")
    target = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(target, allowed_hosts=None):
        target = reverse("meetings:action_list")
    return redirect(target)
