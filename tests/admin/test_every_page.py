"""Every list, form and row of the administration opens, costs the same for many rows, and is for
administrators.
"""

from __future__ import annotations

import pytest
from django.apps import apps
from django.contrib import admin
from django.urls import reverse

from tests.admin.conftest import fill
from tests.meetings.minutes import world

OURS = ("accounts", "meetings", "media_gateway")
MODELS = sorted(
    (model for model in admin.site._registry if model._meta.app_label in OURS),
    key=lambda model: model._meta.label,
)
ALL = sorted(admin.site._registry, key=lambda model: model._meta.label)
# Rows that people write by hand; everything else is written by services.
BY_HAND = {"User", "Department", "ClassGroup", "ClassMembership"}


def page(model, name, *args):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{name}", args=args)


def label(model):
    return model._meta.label


def test_every_model_has_its_page():
    models = {model for app in OURS for model in apps.get_app_config(app).get_models()}
    assert models == set(MODELS)


@pytest.mark.parametrize("who", ["staff", "student", None])
def test_only_administrators_come_in(db, who):
    client = world.browser(world.person(role=who) if who else None)
    for url in (reverse("admin:index"), page(MODELS[0], "changelist"), page(MODELS[0], "add")):
        response = client.get(url)
        assert response.status_code == 302 and "/login/" in response["Location"]


@pytest.mark.parametrize("model", ALL, ids=label)
def test_lists_open_and_search_and_filter(office, filled, model):
    response = office.get(page(model, "changelist"))
    assert response.status_code == 200
    if model in MODELS:
        assert response.context["cl"].result_count >= 1
    registered = admin.site._registry[model]
    if registered.get_search_fields(response.wsgi_request):
        assert office.get(page(model, "changelist"), {"q": "phys ics"}).status_code == 200
    for spec in response.context["cl"].filter_specs:
        for choice in list(spec.choices(response.context["cl"]))[:6]:
            assert office.get(page(model, "changelist") + choice["query_string"]).status_code == 200


@pytest.mark.parametrize("model", MODELS, ids=label)
def test_rows_open(office, filled, model):
    response = office.get(page(model, "change", model._default_manager.order_by("pk").first().pk))
    assert response.status_code == 200
    if model._meta.app_label != "media_gateway":
        assert ("_save" in response.content.decode()) == (model.__name__ in BY_HAND)


@pytest.mark.parametrize("model", MODELS, ids=label)
def test_forms_for_new_rows_open_where_people_may_add(office, filled, model):
    expected = 200 if model.__name__ in BY_HAND else 403
    assert office.get(page(model, "add")).status_code == expected


@pytest.mark.parametrize("model", [m for m in MODELS if m.__name__ not in BY_HAND], ids=label)
def test_what_services_write_is_not_written_here(office, filled, model):
    row = model._default_manager.order_by("pk").first()
    before = model._default_manager.filter(pk=row.pk).values().get()
    data = {field.name: "changed" for field in model._meta.fields}
    assert office.post(page(model, "change", row.pk), data).status_code in (403, 302, 200)
    assert model._default_manager.filter(pk=row.pk).values().get() == before
    if model.__name__ != "MediaNode":
        assert office.post(page(model, "delete", row.pk), {"post": "yes"}).status_code == 403
        assert model._default_manager.filter(pk=row.pk).exists()


@pytest.mark.parametrize("model", MODELS, ids=label)
def test_lists_cost_the_same_for_many_rows(office, filled, model, django_assert_max_num_queries):
    url = page(model, "changelist")
    office.get(url)
    with django_assert_max_num_queries(40) as few:
        office.get(url)
    for number in range(2, 6):
        fill(number)
    with django_assert_max_num_queries(len(few) + 1):  # a second date may add one to the date hierarchy
        response = office.get(url)
    assert response.context["cl"].result_count >= 5


@pytest.mark.parametrize("name", ["Meeting", "Session", "Minutes", "Participant", "Recording", "User"])
def test_rows_cost_the_same_with_many_parts(office, filled, name, django_assert_max_num_queries):
    model = next(model for model in MODELS if model.__name__ == name)
    row = {"User": filled.sara, "Meeting": filled.meeting, "Session": filled.session, "Minutes":
    filled.minutes,
           "Recording": filled.recording}.get(name) or filled.session.participants.first()  # fmt: skip
    url = page(model, "change", row.pk)
    office.get(url)
    with django_assert_max_num_queries(60) as few:
        office.get(url)
    for number in range(6):
        person = world.person()
        world.invite(filled.meeting, person)
        world.came(filled.session, person)
        world.recorded(filled.session, state="failed")
        filled.minutes.actions.create(text=f"Do {number}", owner=person)
    with django_assert_max_num_queries(len(few)):
        assert office.get(url).status_code == 200


def test_secrets_are_shown_to_nobody(office, filled):
    participant = filled.session.participants.first()
    invitation = filled.meeting.invitations.first()
    for model, row, secret in (
        ("participant", participant, participant.resume_key),
        ("invitation", invitation, invitation.nonce),
    ):
        shown = office.get(reverse(f"admin:meetings_{model}_change", args=[row.pk])).content.decode()
        assert secret not in shown
    assert (
        filled.mei.password
        not in office.get(reverse("admin:accounts_user_change", args=[filled.mei.pk])).content.decode()
    )


def test_the_front_page_says_where_one_is(office):
    shown = office.get(reverse("admin:index")).content.decode()
    assert "Plenum administration" in shown
    assert "/admin/auth/group/" not in shown
