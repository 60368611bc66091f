"""Pages and files of recordings: who may see, keep and delete them."""

from __future__ import annotations

import pytest
from django.urls import reverse

from accounts.models import AuditEntry
from meetings.recordings.models import Recording
from tests.meetings.minutes import world

FILES = ("recording_file", "recording_poster", "recording_state", "recording_download")


@pytest.fixture
def film(running):
    recording = world.recorded(running.session)
    recording.directory.mkdir(parents=True)
    recording.video_path.write_bytes(b"0123456789")
    recording.poster_path.write_bytes(b"picture")
    return recording


def url(name, recording):
    return reverse(f"meetings:{name}", args=[recording.key])


# --- refusals ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("who", ["stranger", "nobody", "guest"])
def test_files_are_refused(running, film, name, who):
    if who == "guest":
        world.came(running.session, running.tom, role="guest")
    client = world.browser(None if who == "nobody" else running.tom)
    response = client.get(url(name, film))
    assert response.status_code == 403
    assert b"0123456789" not in response.content


def test_watching_is_not_keeping(running, film):
    for client in (world.browser(running.sara), world.browser(link=running.ada)):
        assert client.get(url("recording_file", film)).status_code == 200
        assert client.get(url("recording_download", film)).status_code == 403
        assert (
            url("recording_download", film) not in client.get(url("recording_detail", film)).content.decode()
        )


def test_nobody_signed_in_is_led_to_sign_in(film):
    response = world.browser().get(url("recording_detail", film))
    assert response.status_code == 302 and response["Location"].startswith(
        "/accounts/login/?next=/recordings/"
    )
    assert world.browser().get(reverse("meetings:recording_list")).status_code == 302


@pytest.mark.parametrize("who", ["jonas", "sara", "tom"])
def test_only_the_organiser_and_administrators_delete(running, film, who):
    client = world.browser(getattr(running, who))
    assert client.get(url("recording_delete", film)).status_code == 403
    assert client.post(url("recording_delete", film)).status_code == 403
    assert Recording.objects.exists() and film.video_path.exists()


def test_a_forged_key_is_not_found(running, film):
    client = world.browser(running.mei)
    assert client.get("/recordings/00000000-0000-4000-8000-000000000000/").status_code == 404
    assert client.get("/recordings/..%2f..%2fsecrets/").status_code == 404


# --- what is there -------------------------------------------------------------------------------------


def test_hosts_watch_and_download_with_a_good_name(running, film):
    running.meeting.title = 'Physics: waves / 波 "1"'
    running.meeting.save()
    client = world.browser(running.jonas)
    response = client.get(url("recording_download", film))
    assert b"".join(response) == b"0123456789"
    # 09:05 UTC is 10:05 in the meeting's zone.
    assert response["Content-Disposition"] == (
        "attachment; filename*=utf-8''Physics%20waves%20%E6%B3%A2%201%202026-11-23%2010.05.mp4"
    )
    assert client.get(url("recording_poster", film))["Content-Type"] == "image/jpeg"


def test_the_player_seeks(running, film):
    response = world.browser(running.sara).get(url("recording_file", film), headers={"Range": "bytes=3-5"})
    assert response.status_code == 206 and b"".join(response) == b"345"
    assert response["Content-Disposition"].startswith("inline")


def test_the_page_plays_the_film(running, film):
    for client in (world.browser(running.mei), world.browser(link=running.ada)):
        page = client.get(url("recording_detail", film)).content.decode()
        assert (
            f'src="{url("recording_file", film)}"' in page
            and "controls" in page
            and 'preload="metadata"' in page
        )


@pytest.mark.parametrize(
    ("state", "says"),
    [("recording", "Recording now"), ("composing", "being prepared"), ("failed", "could not be made")],
)
def test_other_states_say_what_is_happening(running, state, says):
    recording = world.recorded(running.session, state=state, progress=0.42)
    page = world.browser(running.sara).get(url("recording_detail", recording)).content.decode()
    assert says in page and "<video" not in page
    assert ("42 %" in page) == (state == "composing")


def test_progress_is_told_as_a_number(running):
    recording = world.recorded(running.session, state="composing", progress=0.427)
    response = world.browser(running.sara).get(url("recording_state", recording))
    assert response.json() == {"state": "composing", "percent": 43}
    assert response["Cache-Control"] == "no-store"


def test_a_film_that_is_not_there_yet_is_not_found(running):
    recording = world.recorded(running.session, state="composing")
    assert world.browser(running.mei).get(url("recording_file", recording)).status_code == 404


def test_the_organiser_deletes_row_and_files_after_being_asked(
    running, film, django_capture_on_commit_callbacks
):
    client = world.browser(running.mei)
    assert client.get(url("recording_delete", film)).status_code == 200
    assert Recording.objects.exists()
    with django_capture_on_commit_callbacks(execute=True):
        assert client.post(url("recording_delete", film))["Location"] == reverse("meetings:recording_list")
    assert not Recording.objects.exists() and not film.directory.exists()
    entry = AuditEntry.objects.get(verb="recording.delete")
    assert entry.actor == running.mei and entry.target_id == str(film.pk)


def test_files_stay_if_the_deletion_is_not_committed(running, film, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=False):
        world.browser(running.mei).post(url("recording_delete", film))
    assert film.video_path.exists()


def test_an_administrator_deletes_but_does_not_watch(running, film):
    admin = world.person(role="admin")
    client = world.browser(admin)
    page = client.get(url("recording_detail", film)).content.decode()
    assert "<video" not in page and url("recording_delete", film) in page
    assert client.get(url("recording_file", film)).status_code == 403
    assert client.post(url("recording_delete", film)).status_code == 302
    assert not Recording.objects.exists()


def test_a_running_recording_is_not_deleted(running):
    recording = world.recorded(running.session, state="recording")
    response = world.browser(running.mei).post(url("recording_delete", recording), follow=True)
    assert "Stop it first" in response.content.decode()
    assert Recording.objects.exists()


def test_the_list_shows_ones_own_for_the_same_cost(running, film, django_assert_max_num_queries):
    address = reverse("meetings:recording_list")
    client = world.browser(running.sara)
    assert url("recording_detail", film) in client.get(address).content.decode()
    with django_assert_max_num_queries(30) as few:
        client.get(address)
    for number in range(8):
        meeting = world.meeting_of(world.person(), f"Meeting {number}")
        world.invite(meeting, running.sara)
        world.recorded(world.session_of(meeting), state="failed")
    with django_assert_max_num_queries(len(few)):
        page = client.get(address).content.decode()
    assert page.count('class="list-row"') == 9
    assert url("recording_detail", film) not in world.browser(running.tom).get(address).content.decode()


def test_an_empty_list_teaches(db):
    page = world.browser(world.person()).get(reverse("meetings:recording_list")).content.decode()
    assert "presses Record" in page


@pytest.mark.parametrize(("who", "status"), [("sara", 403), ("tom", 403), (None, 403)])
def test_only_hosts_have_a_failed_film_prepared_again(running, who, status):
    recording = world.recorded(running.session, state="failed")
    client = world.browser(getattr(running, who) if who else None)
    assert client.post(url("recording_compose", recording)).status_code == status
    assert Recording.objects.get().state == "failed"


def test_hosts_have_a_failed_film_prepared_again(running, monkeypatch):
    monkeypatch.setattr("meetings.recordings.composition.has_tracks", lambda _directory: True)
    recording = world.recorded(running.session, state="failed")
    client = world.browser(running.jonas)
    address = url("recording_compose", recording)
    assert address in client.get(url("recording_detail", recording)).content.decode()
    assert address not in world.browser(running.sara).get(url("recording_detail", recording)).content.decode()
    assert client.post(address)["Location"] == url("recording_detail", recording)
    assert Recording.objects.get().state == "composing"
    again = client.post(address, follow=True)
    assert "already being prepared" in again.content.decode()
