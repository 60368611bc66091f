"""The Celery application: mails, compositions, housekeeping. Jobs are rows first, so a lost job is found again."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
app = Celery("plenum")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(
    ["meetings.invitations", "meetings.live", "meetings.recordings", "meetings.minutes", "media_gateway"],
)
