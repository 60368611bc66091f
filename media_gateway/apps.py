from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MediaGatewayConfig(AppConfig):
    name = "media_gateway"
    verbose_name = _("Media")
