"""The Celery application: mails, compositions, housekeeping. Jobs are rows first: a lost one is found."""

import os
from typing import Any

from celery import Celery
from celery.signals import worker_process_init

from portal.supervisor.parent import die_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
app = Celery("plenum")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(
    [
        "meetings.invitations",
        "meetings.live",
        "meetings.recordings",
        "meetings.minutes",
        "meetings.streams",
        "media_gateway",
    ],
)


@worker_process_init.connect
def _end_with_the_worker(**details: Any) -> None:
    """A pool process in the middle of a long job would outlive its worker otherwise, and do the job twice."""
    die_with_parent(os.getppid())
