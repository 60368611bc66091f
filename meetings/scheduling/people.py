"""Finding people to invite: suggestions while typing, and whole classes or departments as their members."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Case, Count, Q, When
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import ClassGroup, Department, User
from meetings.permissions.actor import Actor
from meetings.permissions.decide import Decision, Refused

SUGGESTIONS = 8


@dataclass(frozen=True)
class Suggestion:
    """`kind` is "person", "class" or "department"; `value` an address, or a group as "class:12"."""

    kind: str
    value: str
    label: str
    detail: str


def require_booker(actor: Actor) -> None:
    """Raises Refused unless the actor is a person who may book meetings."""
    if actor.is_system or (actor.user is not None and actor.user.may_book):
        return
    raise Refused(
        Decision(
            False, "meeting.book", _("Your account cannot book meetings."), _("Staff and administrators can.")
        )
    )


def suggest_people(query: str, *, actor: Actor) -> list[Suggestion]:
    """Active people, classes and departments whose name (or address) holds `query`, at most SUGGESTIONS.

    Only for those who may book: the list of people is not for everyone. Three queries.
    """
    require_booker(actor)
    query = query.strip()[:80]
    if not query:
        return []
    people = (
        User.objects.filter(is_active=True)
        .filter(Q(name__icontains=query) | Q(email__icontains=query))
        .select_related("department")
        .order_by(Case(When(name__istartswith=query, then=0), default=1), "name", "email")
    )
    if actor.user is not None:
        people = people.exclude(pk=actor.user.pk)
    found = [
        Suggestion(
            "person",
            user.email,
            str(user),
            " · ".join(filter(None, [user.email, str(user.department or "")])),
        )
        for user in people[:SUGGESTIONS]
    ]
    classes = ClassGroup.objects.filter(name__icontains=query).annotate(
        size=Count("members", filter=Q(members__is_active=True))
    )
    groups = [
        Suggestion("class", f"class:{group.pk}", group.name, _("Class") + " · " + _people(group.size))
        for group in classes[:3]
    ]
    departments = Department.objects.filter(name__icontains=query).annotate(
        size=Count("people", filter=Q(people__is_active=True))
    )
    groups += [
        Suggestion(
            "department", f"department:{group.pk}", group.name, _("Department") + " · " + _people(group.size)
        )
        for group in departments[:3]
    ]
    return sorted([*groups, *found[: SUGGESTIONS - len(groups)]], key=lambda one: not _begins(one, query))


def _begins(suggestion: Suggestion, query: str) -> bool:
    """Whether a word of the name begins with what is typed: such ones come first, "an" means Anna."""
    name, start = suggestion.label.casefold(), query.casefold()
    return name.startswith(start) or f" {start}" in name


def _people(count: int) -> str:
    return ngettext("%(count)d person", "%(count)d people", count) % {"count": count}


def group_of(text: str) -> tuple[str, int] | None:
    """("class", 12) for "class:12"; None for anything that does not name a group."""
    kind, _sep, number = text.strip().partition(":")
    if kind in ("class", "department") and number.isascii() and number.isdigit() and len(number) < 10:
        return kind, int(number)
    return None


def members_of(kind: str, pk: int, *, actor: Actor) -> list[User]:
    """Active members of a class, or of a department with all departments below it; empty if there is no such
    group.
    """
    require_booker(actor)
    people = User.objects.filter(is_active=True)
    if kind == "class":
        people = people.filter(memberships__class_group=pk)
    else:
        people = people.filter(department__in=_departments_below(pk))
    if actor.user is not None:
        people = people.exclude(pk=actor.user.pk)
    return list(people.order_by("name", "email").distinct())


def _departments_below(pk: int) -> set[int]:
    """A department's id and those of all its parts, however deep (a loop in the data ends too)."""
    children: dict[int | None, list[int]] = {}
    for child, parent in Department.objects.values_list("pk", "parent_id"):
        children.setdefault(parent, []).append(child)
    found, todo = {pk}, [pk]
    while todo:
        new = [child for child in children.get(todo.pop(), []) if child not in found]
        found.update(new)
        todo.extend(new)
    return found
