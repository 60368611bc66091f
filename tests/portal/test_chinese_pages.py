"""Whoever reads Chinese reads Chinese: pages, the scripts' words and mails, down to titles of buttons."""

from __future__ import annotations

import datetime as dt
import html
import re
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from django.contrib.admin import site
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from meetings.invitations.models import OutboxMail
from meetings.live.live_stats import tables
from meetings.minutes import tasks
from meetings.minutes.models import Minutes
from meetings.permissions.actor import Actor
from meetings.scheduling.services import AgendaDraft, Attendee, book_meeting, cancel_meeting
from tests.meetings.live.test_live_stats import stats
from tests.meetings.minutes import world

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("compiled")]

ATTRIBUTE = re.compile(r'\b(?:title|aria-label|placeholder|alt)="([^"]*)"')
UNSEEN = re.compile(r"<(script|style|datalist|svg)\b.*?</\1>|<!--.*?-->", re.DOTALL)
# Two or more words of Latin letters in a row; names of zones, addresses and media types have signs between.
ENGLISH = re.compile(r"(?<![\w/@.-])[A-Za-z]{2,}(?: [A-Za-z]{2,})+")


def seen(page: str) -> str:
    """The words of a page, one element a line, with those of its attributes."""
    page = UNSEEN.sub("\n", page)
    words = [html.unescape(found) for found in ATTRIBUTE.findall(page) if "=" not in found]
    return html.unescape(re.sub(r"<[^>]*>", "\n", page)) + "\n" + "\n".join(words)


def english_in(text: str) -> list[str]:
    return ENGLISH.findall(re.sub(r"\S+(?:://|@)\S+", "", text))


@pytest.fixture(autouse=True)
def _own_language() -> Iterator[None]:
    """A request leaves its language behind in the thread."""
    with translation.override("en"):
        yield


@pytest.fixture
def school() -> SimpleNamespace:
    """A teacher and an administrator with Chinese names, a meeting ahead and one that was held."""
    wang = world.person("王伟", email="wang@example.org", language="zh-hans")
    admin = world.person("李娜", email="li@example.org", role="admin", is_staff=True, is_superuser=True)
    ahead = book_meeting(
        actor=Actor(user=wang),
        title="物理课",
        starts_at=(timezone.now() + dt.timedelta(minutes=30)).replace(second=0, microsecond=0),
        duration_minutes=45,
        time_zone="Asia/Shanghai",
        attendees=[Attendee(admin.email), Attendee("guest@elsewhere.example", "张三", cohost=True)],
        agenda=[AgendaDraft("复习", 5)],
    )
    session = world.session_of(world.meeting_of(wang, "已结束的会"))
    world.came(session, wang, role="host")
    world.came(session, "赵六", role="guest", stays=[(1, 9), (20, 40)])
    recording = world.recorded(session)
    tasks.draft_minutes(session.pk)
    minutes = Minutes.objects.get()
    minutes.decisions.create(position=0, text="周五考试")
    minutes.actions.create(
        position=0, text="订会议室", owner=wang, owner_name=wang.name, due_date=timezone.now()
    )
    return SimpleNamespace(
        wang=wang, admin=admin, ahead=ahead, session=session, minutes=minutes, recording=recording
    )


def reader(user: object = None) -> Client:
    client = Client(headers={"accept-language": "zh-CN,zh;q=0.9,en;q=0.5"})
    if user is not None:
        client.force_login(user)  # type: ignore[arg-type]
    return client


SHOWN = {
    "/": "下午好|早上好|晚上好",
    "/meetings/new/": "预约并邀请",
    "/meetings/": "即将召开",
    "/meetings/?show=past": "已结束",
    "/minutes/": "会议纪要",
    "/actions/": "未完成",
    "/recordings/": "录像",
    "/settings/": "时区",
    "/accounts/email/": "邮箱",
    "/accounts/password/change/": "确认新密码",
    "/accounts/logout/": "要退出登录吗？",
    "/nowhere/": "找不到页面",
}


@pytest.mark.parametrize("path", SHOWN)
def test_pages_of_a_person(school: SimpleNamespace, path: str) -> None:
    page = reader(school.wang).get(path).content.decode()
    assert '<html lang="zh-hans"' in page
    assert re.search(SHOWN[path], seen(page))
    assert english_in(seen(page)) == []


@pytest.mark.parametrize("path", ["login", "signup", "password/reset", "confirm-email"])
def test_pages_before_signing_in(path: str) -> None:
    page = reader().get(f"/accounts/{path}/").content.decode()
    assert '<html lang="zh-hans"' in page
    assert english_in(seen(page)) == []


def test_errors_of_forms() -> None:
    page = reader().post("/accounts/login/", {"login": "nobody", "password": "x"}).content.decode()
    assert "请输入有效的邮箱地址。" in page
    page = reader().post("/accounts/login/", {"login": "a@example.org", "password": "x"}).content.decode()
    assert "邮箱地址或密码不正确。" in page
    page = reader().post("/accounts/signup/", {"email": "x", "password1": "1"}).content.decode()
    assert "此项必填。" in page
    assert "密码太短，至少需要 10 个字符。" in page
    assert english_in(seen(page)) == []


def test_pages_of_a_meeting(school: SimpleNamespace) -> None:
    client = reader(school.wang)
    for path, word in {
        school.ahead.get_absolute_url(): "入会链接",
        reverse("meetings:meeting_edit", args=[school.ahead.pk]): "等候室",
        reverse("meetings:meeting_cancel", args=[school.ahead.pk]): "要取消此会议吗？",
        reverse("meetings:minutes_detail", args=[school.minutes.pk]): "到场人员",
        reverse("meetings:minutes_edit", args=[school.minutes.pk]): "添加行动项",
        reverse("meetings:recording_detail", args=[school.recording.key]): "发起人",
    }.items():
        page = client.get(path).content.decode()
        assert word in page, path
        assert english_in(seen(page)) == [], path


def test_the_room_and_the_words_of_its_scripts(school: SimpleNamespace) -> None:
    for client in (reader(school.wang), reader()):
        page = client.get(school.ahead.join_path).content.decode()
        assert '<html lang="zh-hans"' in page
        for word in ("麦克风", "举手", "全员静音", "发消息给所有人"):
            assert word in page
        assert english_in(seen(page)) == []
        (source,) = re.findall(r'<script[^>]* src="([^"]*jsi18n[^"]*)"', page)
        script = client.get(html.unescape(source))
        words = script.content.decode()
        assert "\\u89e3\\u9664\\u9759\\u97f3" in words or "解除静音" in words  # "Unmute"
        assert "Accept-Language" in script.get("Vary", "") or "zh" in source


def test_pages_of_administrators(school: SimpleNamespace) -> None:
    client = reader(school.admin)
    page = seen(client.get(reverse("meetings:mail_folder")).content.decode())
    assert "邮件" in page
    assert english_in(page) == []
    page = seen(client.get("/admin/").content.decode())
    assert "Plenum 管理后台" in page
    assert "我的行动项" not in page, "what the administrator did there is no action of minutes"
    for model in sorted(site._registry, key=lambda model: model._meta.label):
        address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        page = seen(client.get(address).content.decode())
        assert english_in(page) == [], model._meta.label


def test_mails_about_a_meeting(school: SimpleNamespace, settings) -> None:  # type: ignore[no-untyped-def]
    cancel_meeting(meeting=school.ahead, actor=Actor(user=school.wang))
    Minutes.objects.all().delete()
    lin = world.person("陈琳", email="lin@example.org", language="zh-hans")
    book_meeting(
        actor=Actor(user=school.admin),
        title="例会",
        starts_at=dt.datetime(timezone.now().year + 1, 3, 1, 9, 0, tzinfo=dt.UTC),
        duration_minutes=45,
        time_zone="Asia/Shanghai",
        attendees=[Attendee(lin.email)],
    )
    invitation = OutboxMail.objects.get(to_email=lin.email)
    assert re.fullmatch(r"会议邀请：例会，\d+年3月1日 星期. 17:00", invitation.subject)
    assert re.search(r"时间: \d+年3月1日 星期. 17:00 – 17:45 \(Asia/Shanghai\)", invitation.text)
    told = OutboxMail.objects.get(to_email=school.wang.email, kind="minutes")
    assert told.subject == "会议纪要：已结束的会"
    for one in (invitation, told):
        assert 'lang="zh-hans"' in one.html
        assert "您好" in one.text and "您好" in one.html
        assert english_in(seen(one.html)) == english_in(one.text) == []


def test_mails_about_an_account(school: SimpleNamespace) -> None:
    reader().post("/accounts/password/reset/", {"email": school.wang.email})
    (sent,) = mail.outbox
    assert sent.subject == "设置新密码"
    assert english_in(str(sent.body)) == []
    (page, _kind), *_ = sent.alternatives
    assert english_in(seen(str(page))) == []


def test_what_a_media_worker_says_is_told_in_chinese() -> None:
    with translation.override("zh-hans"):
        found = tables(stats(), {"pa": "Ann"})
    assert (found.people[-1]["publish"], found.people[-1]["subscribe"]) == ("已连接", "正在连接")
    assert found.sent[0]["what"] == found.received[0]["what"] == "摄像头"
