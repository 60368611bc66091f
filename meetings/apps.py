from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MeetingsConfig(AppConfig):
    name = "meetings"
    verbose_name = _("Meetings")

    def ready(self) -> None:
        # Each of these connects signals when it is imported.
        import meetings.live.receivers
        import meetings.minutes.receivers
        import meetings.permissions.link_accounts
        import meetings.recordings.receivers
        import meetings.streams.receivers  # noqa: F401
