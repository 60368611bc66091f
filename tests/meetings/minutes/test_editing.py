"""Hosts write the minutes; rows are added, removed and moved; two editors never overwrite each other
unseen.
"""

from __future__ import annotations

import datetime as dt
import threading

import pytest
from django.db import connection
from django.urls import reverse

from accounts.models import AuditEntry
from meetings.minutes import services
from meetings.minutes.conflict import differences
from meetings.minutes.models import ActionItem, Minutes
from meetings.minutes.selectors import owner_choices
from tests.meetings.minutes import world
from tests.meetings.minutes.posting import editor


def save(client, minutes, **parts):
    return client.post(reverse("meetings:minutes_edit", args=[minutes.pk]), editor(minutes, **parts))


def test_saving_writes_everything(minutes, held):
    response = save(
        world.browser(held.jonas),
        minutes,
        summary="  Short and clear.  ",
        new_decisions=[{"text": "No phones"}],
        new_actions=[{"text": "Send the slides", "owner": f"user:{held.mei.pk}", "due_date": "2026-12-01"}],
        new_notes=[{"title": "Any other business", "body": "Nothing."}],
    )
    assert response.status_code == 302 and response["Location"] == f"/minutes/{minutes.pk}/"
    minutes = Minutes.objects.get()
    assert minutes.summary == "Short and clear." and minutes.version == 2
    assert [row.text for row in minutes.decisions.all()] == ["The exam is on Friday", "No phones"]
    assert [row.title for row in minutes.notes.all()] == ["Waves", "Any other business"]
    item = minutes.actions.get(text="Send the slides")
    assert (item.owner, item.owner_name, item.due_date) == (held.mei, "Lin Mei", dt.date(2026, 12, 1))


def test_an_owner_with_an_account_is_named_by_it(minutes, held):
    services.save_minutes(
        minutes,
        actor=world.by(held.mei),
        version=1,
        summary="",
        actions=[services.ActionDraft(None, "Send the slides", owner_id=held.sara.pk)],
    )
    assert minutes.actions.get(text="Send the slides").owner_name == "Sara Yilmaz"


def test_one_audit_row_says_what_changed(minutes, held):
    save(world.browser(held.mei), minutes, new_decisions=[{"text": "No phones"}])
    entry = AuditEntry.objects.get(verb="minutes.edit")
    assert entry.actor == held.mei and entry.target_id == str(minutes.pk)
    assert entry.changes["decisions"] == [["The exam is on Friday"], ["The exam is on Friday", "No phones"]]
    assert "notes" not in entry.changes


def test_rows_are_removed_and_moved(minutes, held):
    first = minutes.decisions.get()
    services.save_minutes(
        minutes,
        actor=world.by(held.mei),
        version=1,
        summary="",
        decisions=[services.DecisionDraft(None, "Second"), services.DecisionDraft(None, "Third")],
    )
    second, third = minutes.decisions.get(text="Second"), minutes.decisions.get(text="Third")
    minutes = Minutes.objects.get()
    decisions = [
        {"id": first.pk, "text": first.text, "ORDER": 2},
        {"id": second.pk, "text": second.text, "ORDER": 3, "DELETE": "on"},
        {"id": third.pk, "text": third.text, "ORDER": 1},
    ]
    assert save(world.browser(held.mei), minutes, decisions=decisions).status_code == 302
    assert [row.pk for row in minutes.decisions.all()] == [third.pk, first.pk]


def test_empty_new_rows_are_no_rows_even_with_a_number(minutes, held):
    save(world.browser(held.mei), minutes, new_decisions=[{"text": ""}, {"text": "", "ORDER": ""}])
    assert minutes.decisions.count() == 1


def test_a_row_that_is_emptied_is_asked_about(minutes, held):
    row = minutes.decisions.get()
    response = save(world.browser(held.mei), minutes, decisions=[{"id": row.pk, "text": ""}])
    assert response.status_code == 422
    assert minutes.decisions.get().text == "The exam is on Friday"


def test_a_removed_row_may_be_empty(minutes, held):
    row = minutes.decisions.get()
    response = save(world.browser(held.mei), minutes, decisions=[{"id": row.pk, "text": "", "DELETE": "on"}])
    assert response.status_code == 302
    assert not minutes.decisions.exists()


def test_a_faulty_form_keeps_what_was_typed(minutes, held):
    response = save(
        world.browser(held.mei),
        minutes,
        summary="kept on the page",
        new_actions=[{"text": "Somehow", "due_date": "31 February"}],
    )
    assert response.status_code == 422
    page = response.content.decode()
    assert "kept on the page" in page and "Somehow" in page
    assert Minutes.objects.get().version == 1


def test_owners_are_people_of_the_meeting(minutes, held):
    values = dict(owner_choices(minutes))
    assert values[f"user:{held.sara.pk}"] == "Sara Yilmaz"
    assert values["name:Ada Lovelace"] == "Ada Lovelace"
    assert f"user:{held.tom.pk}" not in values
    response = save(
        world.browser(held.mei), minutes, new_actions=[{"text": "Spy", "owner": f"user:{held.tom.pk}"}]
    )
    assert response.status_code == 422
    assert not ActionItem.objects.filter(text="Spy").exists()


def test_rows_of_other_minutes_are_out_of_reach(minutes, held):
    other = Minutes.objects.create(session=world.session_of(world.meeting_of(held.tom)))
    foreign = services.save_minutes(
        other,
        actor=world.by(held.tom),
        version=1,
        summary="",
        decisions=[services.DecisionDraft(None, "Theirs")],
    ).decisions.get()
    save(world.browser(held.mei), minutes, decisions=[{"id": foreign.pk, "text": "Stolen"}])
    foreign.refresh_from_db()
    assert foreign.text == "Theirs" and foreign.minutes == other


@pytest.mark.parametrize("key", ["notes-TOTAL_FORMS", "version", "actions-INITIAL_FORMS"])
def test_a_mutilated_form_is_no_server_error(minutes, held, key):
    data = editor(minutes)
    data[key] = "x"
    response = world.browser(held.mei).post(reverse("meetings:minutes_edit", args=[minutes.pk]), data)
    assert response.status_code == 422
    assert Minutes.objects.get().version == 1


def test_too_many_rows_are_refused(minutes, held):
    new = [{"text": f"Decision {number}"} for number in range(201)]
    assert save(world.browser(held.mei), minutes, new_decisions=new).status_code == 422
    assert minutes.decisions.count() == 1


def test_without_scripts_more_rows_come_by_saving(minutes, held):
    url = reverse("meetings:minutes_edit", args=[minutes.pk])
    response = world.browser(held.mei).post(url, editor(minutes) | {"more": "1"})
    assert response["Location"] == url


# --- two editors ---------------------------------------------------------------------------------------


def test_the_second_editor_sees_both_texts_and_nothing_is_lost(minutes, held):
    mine = editor(minutes, summary="Jonas wrote this", new_decisions=[{"text": "By Jonas"}])
    save(world.browser(held.mei), minutes, summary="Mei wrote this", new_decisions=[{"text": "By Mei"}])
    client = world.browser(held.jonas)
    response = client.post(reverse("meetings:minutes_edit", args=[minutes.pk]), mine)
    assert response.status_code == 409
    page = response.content.decode()
    assert "Lin Mei saved these minutes while you were writing" in page
    for text in ("Mei wrote this", "Jonas wrote this", "By Mei", "By Jonas"):
        assert text in page
    assert Minutes.objects.get().summary == "Mei wrote this"

    # Saving again is now a decision: the summary is replaced, the row the other one added stays.
    again = dict(mine, version=str(response.context["editor"].form["version"].value()))
    assert client.post(reverse("meetings:minutes_edit", args=[minutes.pk]), again).status_code == 302
    stored = Minutes.objects.get()
    assert stored.summary == "Jonas wrote this"
    assert {row.text for row in stored.decisions.all()} == {"The exam is on Friday", "By Mei", "By Jonas"}


def test_a_row_the_other_one_deleted_is_written_anew(minutes, held):
    mine = editor(minutes)
    row = minutes.decisions.get()
    save(world.browser(held.mei), minutes, decisions=[{"id": row.pk, "text": row.text, "DELETE": "on"}])
    client = world.browser(held.jonas)
    response = client.post(reverse("meetings:minutes_edit", args=[minutes.pk]), mine)
    assert response.status_code == 409
    shown = [(row.label, row.stored, row.mine) for row in response.context["conflict"]]
    assert shown == [("Decision", "", "The exam is on Friday")]
    client.post(reverse("meetings:minutes_edit", args=[minutes.pk]), dict(mine, version="2"))
    assert [row.text for row in minutes.decisions.all()] == ["The exam is on Friday"]


def test_equal_texts_are_no_difference(minutes, held):
    values = {
        "summary": "Waves were explained.\r\n",
        "notes": [services.NoteDraft(minutes.notes.get().pk, "Waves", "They interfere.")],
        "decisions": [services.DecisionDraft(minutes.decisions.get().pk, "The exam is on Friday")],
        "actions": [
            services.ActionDraft(row.pk, row.text, row.owner_id, row.owner_name)
            for row in minutes.actions.all()
        ],
    }
    assert differences(minutes, values) == []


def test_approval_meanwhile_keeps_the_text_on_the_page(minutes, held):
    mine = editor(minutes, summary="Too late")
    services.approve_minutes(minutes, actor=world.by(held.mei), version=1)
    response = world.browser(held.jonas).post(reverse("meetings:minutes_edit", args=[minutes.pk]), mine)
    assert response.status_code == 409
    assert "Too late" in response.content.decode()
    assert "approved and closed" in response.content.decode()


@pytest.mark.django_db(transaction=True)
def test_of_two_at_the_same_moment_one_wins(minutes, held):
    outcomes = []
    gate = threading.Barrier(2)

    def write(text):
        try:
            gate.wait(timeout=10)
            services.save_minutes(minutes, actor=world.by(held.mei), version=1, summary=text)
            outcomes.append("saved")
        except services.MinutesConflict:
            outcomes.append("conflict")
        finally:
            connection.close()

    threads = [threading.Thread(target=write, args=(text,)) for text in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert sorted(outcomes) == ["conflict", "saved"]
    assert Minutes.objects.get().version == 2
