"""One's own settings: name, language, time zone; nothing else."""

from __future__ import annotations

import pytest
from django.conf import settings as django_settings
from django.urls import reverse

from accounts.models import AuditEntry, ClassGroup, ClassMembership, Department
from accounts.zones import clean_zone, zone_names
from tests.meetings.minutes import world

FORM = {"name": "Sara Y.", "language": "zh-hans", "time_zone": "Asia/Shanghai"}


@pytest.fixture
def sara(db):
    return world.person("Sara Yilmaz", role="student")


@pytest.fixture
def own(sara):
    return world.browser(sara)


URL = "/settings/"


def test_nobody_signed_in_is_led_to_sign_in(client, db):
    for response in (client.get(URL), client.post(URL, FORM)):
        assert response.status_code == 302 and response["Location"].startswith("/accounts/login/")


def test_role_department_and_address_are_not_changed_here(own, sara):
    department = Department.objects.create(name="Physics")
    own.post(URL, FORM | {"role": "admin", "department": department.pk, "email": "x@y.z", "is_active": ""})
    sara.refresh_from_db()
    assert (sara.role, sara.department, sara.is_active) == ("student", None, True)
    assert sara.email != "x@y.z"


@pytest.mark.parametrize(
    "wrong", [{"name": " "}, {"language": "fr"}, {"time_zone": "Nowhere"}, {"name": "a\nb\x00"}]
)
def test_faults_are_told_and_nothing_is_saved(own, sara, wrong):
    response = own.post(URL, FORM | wrong)
    assert response.status_code == 422 and "errorlist" in response.content.decode()
    sara.refresh_from_db()
    assert sara.name == "Sara Yilmaz" and not AuditEntry.objects.exists()


def test_saving_changes_the_page_at_once(own, sara):
    own.cookies[django_settings.LANGUAGE_COOKIE_NAME] = "en"
    response = own.post(URL, FORM)
    assert response.status_code == 302 and response["Location"] == reverse("accounts:settings")
    # The switch's cookie no longer stands in the way of what was chosen here.
    assert response.cookies[django_settings.LANGUAGE_COOKIE_NAME]["max-age"] == 0
    sara.refresh_from_db()
    assert (sara.name, sara.language, sara.time_zone) == ("Sara Y.", "zh-hans", "Asia/Shanghai")
    entry = AuditEntry.objects.get()
    assert entry.verb == "user.settings" and entry.changes["name"] == ["Sara Yilmaz", "Sara Y."]
    del own.cookies[django_settings.LANGUAGE_COOKIE_NAME]  # as a browser does with max-age 0
    shown = own.get(URL).content.decode()
    assert '<html lang="zh-hans"' in shown and 'data-time-zone="Asia/Shanghai"' in shown


def test_saving_the_same_leaves_no_audit_row(own, sara):
    own.post(URL, FORM)
    own.post(URL, FORM)
    assert AuditEntry.objects.count() == 1


def test_an_empty_zone_is_the_portals(own, sara):
    own.post(URL, FORM | {"time_zone": ""})
    sara.refresh_from_db()
    assert sara.time_zone == "" and str(sara.zone) == django_settings.TIME_ZONE


def test_the_page_shows_ones_place(own, sara, django_assert_max_num_queries):
    sara.department = Department.objects.create(name="Physics")
    sara.save()
    for name in ("7a", "7b"):
        group = ClassGroup.objects.create(name=name)
        ClassMembership.objects.create(class_group=group, user=sara, role="student")
    with django_assert_max_num_queries(6):
        shown = own.get(URL).content.decode()
    for text in (
        "Physics",
        "7a",
        "7b",
        "Student",
        sara.email,
        reverse("account_email"),
        reverse("account_change_password"),
    ):
        assert text in shown


@pytest.mark.parametrize(
    ("typed", "zone"),
    [("Europe/Berlin", "Europe/Berlin"), ("  europe/berlin ", "Europe/Berlin"), ("UTC", "UTC"), ("utc",
    "UTC"),
     ("America/New York", "America/New_York"), ("asia/ho chi minh", "Asia/Ho_Chi_Minh"), ("", "")],
)  # fmt: skip
def test_zones_are_understood_as_typed(typed, zone):
    assert clean_zone(typed) == zone


def test_unknown_zones_are_an_error():
    with pytest.raises(ValueError):
        clean_zone("Berlin")


def test_the_list_of_zones_has_places_only():
    names = zone_names()
    assert names[0] == "UTC" and "Asia/Shanghai" in names
    assert not [name for name in names if name.startswith(("Etc/", "US/"))] and "EST" not in names
