"""People, departments and classes in the administration."""

from __future__ import annotations

import pytest
from allauth.account.models import EmailAddress
from django.urls import reverse

from accounts.models import AuditEntry, ClassGroup, Department, User
from tests.meetings.minutes import world

NEW = {
    "email": "Ada@Example.org",
    "name": "Ada Lovelace",
    "role": "staff",
    "language": "en",
    "time_zone": "Europe/London",
    "department": "",
    "usable_password": "true",
    "password1": "a long enough one",
    "password2": "a long enough one",
}
NO_CLASSES = {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}


def change(client, user, **values):
    data = {
        "email": user.email,
        "name": user.name,
        "role": user.role,
        "department": user.department_id or "",
        "is_active": "on" if user.is_active else "",
        "language": user.language,
        "time_zone": user.time_zone,
    }
    return client.post(reverse("admin:accounts_user_change", args=[user.pk]), data | NO_CLASSES | values)


def test_a_new_person_signs_in_at_once(office, root, client):
    assert office.post(reverse("admin:accounts_user_add"), NEW).status_code == 302
    ada = User.objects.get(email="ada@example.org")
    assert (ada.name, ada.role, ada.is_staff) == ("Ada Lovelace", "staff", False)
    assert EmailAddress.objects.get(user=ada).verified
    client.post(reverse("account_login"), {"login": "ada@example.org", "password": NEW["password1"]})
    assert client.session["_auth_user_id"] == str(ada.pk)
    entry = AuditEntry.objects.get(verb="user.add")
    assert entry.actor == root and entry.changes["email"] == [None, "ada@example.org"]


@pytest.mark.parametrize(
    "wrong",
    [{"email": "x"}, {"email": "root@example.org"}, {"password2": "else"}, {"name": ""}, {"role": "boss"}],
)
def test_faulty_people_are_not_made(office, root, wrong):
    root.email = "root@example.org"
    root.save()
    assert office.post(reverse("admin:accounts_user_add"), NEW | wrong).status_code == 200
    assert User.objects.count() == 1


def test_the_role_decides_who_is_administrator(office, root):
    mei = world.person("Lin Mei")
    assert change(office, mei, role="admin").status_code == 302
    mei.refresh_from_db()
    assert (mei.is_staff, mei.is_superuser) == (True, True)
    assert world.browser(mei).get(reverse("admin:meetings_meeting_changelist")).status_code == 200
    change(office, mei, role="student")
    mei.refresh_from_db()
    assert (mei.is_staff, mei.is_superuser) == (False, False)
    assert AuditEntry.objects.filter(verb="user.change").count() == 2


@pytest.mark.parametrize("wish", [{"role": "staff"}, {"is_active": ""}])
def test_the_last_administrator_stays(office, root, wish):
    response = change(office, root, **wish)
    assert response.status_code == 200 and "last active administrator" in response.content.decode()
    root.refresh_from_db()
    assert root.role == "admin" and root.is_active
    world.person("Second", role="admin")
    assert change(office, root, **wish).status_code == 302


def test_a_changed_address_is_trusted_and_the_old_one_gone(office):
    mei = world.person("Lin Mei")
    EmailAddress.objects.create(user=mei, email=mei.email, verified=True, primary=True)
    change(office, mei, email="New@Example.org")
    mei.refresh_from_db()
    assert mei.email == "new@example.org"
    [address] = EmailAddress.objects.filter(user=mei)
    assert (address.email, address.verified, address.primary) == ("new@example.org", True, True)


def test_a_taken_address_is_an_error_not_a_crash(office, root):
    mei = world.person("Lin Mei")
    response = change(office, mei, email=root.email.upper())
    assert response.status_code == 200 and "has this address already" in response.content.decode()


def test_administrators_set_passwords(office, root):
    mei = world.person("Lin Mei")
    url = reverse("admin:auth_user_password_change", args=[mei.pk])
    assert office.get(url).status_code == 200
    data = {"usable_password": "true", "password1": "quite a new word", "password2": "quite a new word"}
    assert office.post(url, data).status_code == 302
    mei.refresh_from_db()
    assert mei.check_password("quite a new word")
    entry = AuditEntry.objects.get(verb="user.password")
    assert entry.actor == root and "quite" not in str(entry.changes)


def test_nobody_deletes_themselves(office, root):
    assert (
        office.post(reverse("admin:accounts_user_delete", args=[root.pk]), {"post": "yes"}).status_code == 403
    )
    assert User.objects.filter(pk=root.pk).exists()


def test_organisers_are_protected_and_others_deleted_with_an_audit_row(office, filled):
    office.post(reverse("admin:accounts_user_delete", args=[filled.mei.pk]), {"post": "yes"})
    assert User.objects.filter(pk=filled.mei.pk).exists()
    tom = world.person("Tom")
    office.post(reverse("admin:accounts_user_delete", args=[tom.pk]), {"post": "yes"})
    assert not User.objects.filter(pk=tom.pk).exists()
    assert AuditEntry.objects.get(verb="user.delete").target_label == "Tom"


def test_departments_and_classes_are_written_with_an_audit_row(office):
    parts = {
        f"{name}-{key}": "0" for name in ("children", "classes") for key in ("TOTAL_FORMS", "INITIAL_FORMS")
    }
    office.post(reverse("admin:accounts_department_add"), {"name": "Physics", "parent": ""} | parts)
    department = Department.objects.get()
    assert AuditEntry.objects.get(verb="department.add").changes["name"] == [None, "Physics"]
    sara = world.person("Sara", role="student")
    members = {
        "memberships-TOTAL_FORMS": "1",
        "memberships-INITIAL_FORMS": "0",
        "memberships-0-user": str(sara.pk),
        "memberships-0-role": "student",
    }
    office.post(
        reverse("admin:accounts_classgroup_add"), {"name": "7a", "department": department.pk} | members
    )
    assert [person.name for person in ClassGroup.objects.get().members.all()] == ["Sara"]
    assert office.get(reverse("admin:autocomplete"), {
        "term": "sar", "app_label": "accounts", "model_name": "classmembership", "field_name": "user",
    }).json()["results"] == [{"id": str(sara.pk), "text": "Sara"}]  # fmt: skip
