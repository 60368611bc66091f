"""Suggestions and groups: for those who may book, complete, and in a fixed number of queries."""

from __future__ import annotations

import pytest

from accounts.models import ClassGroup, ClassMembership, Department, User
from meetings.permissions.actor import Actor
from meetings.permissions.decide import Refused
from meetings.scheduling.people import group_of, members_of, suggest_people
from tests.meetings.scheduling import builders

pytestmark = pytest.mark.django_db


@pytest.fixture
def physics() -> Department:
    return Department.objects.create(name="Physics")


def test_the_list_of_people_is_not_for_everyone(student: User) -> None:
    for actor in (Actor(user=student), Actor()):
        with pytest.raises(Refused):
            suggest_people("a", actor=actor)
        with pytest.raises(Refused):
            members_of("class", 1, actor=actor)


def test_suggests_people_classes_departments(
    staff: User, physics: Department, django_assert_num_queries
) -> None:  # type: ignore[no-untyped-def]
    phyllis = builders.person(name="Phyllis", department=physics)
    builders.person(name="Phyllo", is_active=False)
    group = ClassGroup.objects.create(name="Physics 101")
    ClassMembership.objects.create(class_group=group, user=phyllis)
    for _number in range(20):
        builders.person(name="Phy")
    with django_assert_num_queries(3):
        found = suggest_people("phy", actor=Actor(user=staff))
    assert len(found) == 8
    assert [one.value for one in found[:2]] == [f"class:{group.pk}", f"department:{physics.pk}"]
    assert "1 person" in found[0].detail
    assert "Phyllo" not in [one.label for one in found]


def test_names_that_begin_so_come_first(staff: User) -> None:
    Department.objects.create(name="Languages")
    for name in ("Wang Fang", "Johann Maier", "Anna Kowalska"):
        builders.person(name=name)
    found = [one.label for one in suggest_people("an", actor=Actor(user=staff))]
    assert found == ["Anna Kowalska", "Languages", "Johann Maier", "Wang Fang"]


def test_never_oneself_and_nothing_for_nothing(staff: User) -> None:
    assert suggest_people("Lin", actor=Actor(user=staff)) == []
    assert suggest_people("  ", actor=Actor(user=staff)) == []


def test_a_department_with_all_below_it_even_in_a_loop(staff: User, physics: Department) -> None:
    optics = Department.objects.create(name="Optics", parent=physics)
    lasers = Department.objects.create(name="Lasers", parent=optics)
    Department.objects.filter(pk=physics.pk).update(parent=lasers)
    people = [builders.person(department=one) for one in (physics, optics, lasers)]
    builders.person(department=lasers, is_active=False)
    assert set(members_of("department", physics.pk, actor=Actor(user=staff))) == set(people)


def test_members_of_a_class(staff: User) -> None:
    group = ClassGroup.objects.create(name="A")
    people = [builders.person("student") for _number in range(3)]
    for one in [*people, staff]:
        ClassMembership.objects.create(class_group=group, user=one)
    assert set(members_of("class", group.pk, actor=Actor(user=staff))) == set(people)
    assert members_of("class", 999, actor=Actor(user=staff)) == []


@pytest.mark.parametrize(
    "text", ["class:", "class:x", "class:-1", "class:²", "user:1", "class", "class:12345678901"]
)
def test_no_group(text: str) -> None:
    assert group_of(text) is None


def test_group() -> None:
    assert group_of(" class:12 ") == ("class", 12)
