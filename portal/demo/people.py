"""Departments, staff, students, classes. All addresses are at example.org, which receives no mail."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from accounts.models import ClassGroup, ClassMembership, Department, User
from accounts.services import trust_address
from portal import env

DEPARTMENTS = {
    "Sciences": None,
    "Physics": "Sciences",
    "Chemistry": "Sciences",
    "Languages": None,
    "Office": None,
}

# address → name, department, language
STAFF = {
    "lin.mei": ("Lin Mei", "Physics", ""),
    "jonas.okafor": ("Jonas Okafor", "Physics", ""),
    "anna.kowalska": ("Anna Kowalska", "Languages", ""),
    "priya.rao": ("Priya Rao", "Chemistry", ""),
    "marc.dubois": ("Marc Dubois", "Office", ""),
}
STUDENTS = {
    "sara.yilmaz": ("Sara Yilmaz", "Physics", ""),
    "wang.wei": ("王伟", "Physics", "zh-hans"),
    "tom.becker": ("Tom Becker", "Physics", ""),
    "amina.diallo": ("Amina Diallo", "Physics", ""),
    "noah.silva": ("Noah Silva", "Languages", ""),
    "chloe.martin": ("Chloé Martin", "Languages", ""),
}
# Someone without account.
GUEST = ("elena.petrova@example.org", "Elena Petrova")
CLASSES = {
    "Physics 101": ("Physics", ["lin.mei"], ["sara.yilmaz", "wang.wei", "tom.becker", "amina.diallo"]),
    "Chinese A2": ("Languages", ["anna.kowalska"], ["noah.silva", "chloe.martin", "tom.becker"]),
}


def address(login: str) -> str:
    return f"{login}@example.org"


def password_file() -> Path:
    return settings.DATA_DIR / "secrets" / "demo-password"


def demo_password() -> str:
    """One password for all demo accounts, made at random at the first run and kept privately."""
    return env.private_secret(password_file().parent, password_file().name, random_bytes=9)


def make_people() -> dict[str, User]:
    """Everyone by login; what is there already stays as it is."""
    departments: dict[str, Department] = {}
    for name, parent in DEPARTMENTS.items():
        above = departments[parent] if parent else None
        departments[name] = Department.objects.get_or_create(name=name, parent=above)[0]
    password = demo_password()
    people: dict[str, User] = {}
    for role, group in ((User.Role.STAFF, STAFF), (User.Role.STUDENT, STUDENTS)):
        for login, (name, department, language) in group.items():
            user = User.objects.filter(email=address(login)).first()
            if user is None:
                user = User.objects.create_user(
                    address(login),
                    password,
                    name=name,
                    role=role,
                    language=language,
                    department=departments[department],
                )
                trust_address(user)
            people[login] = user
    for name, (department, teachers, students) in CLASSES.items():
        group_row = ClassGroup.objects.get_or_create(name=name, department=departments[department])[0]
        for login in (*teachers, *students):
            part = ClassMembership.Role.TEACHER if login in teachers else ClassMembership.Role.STUDENT
            ClassMembership.objects.get_or_create(
                class_group=group_row, user=people[login], defaults={"role": part}
            )
    return people
