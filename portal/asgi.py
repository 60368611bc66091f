"""ASGI entry: HTTP pages through Django, `/ws/` through Channels."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

from django.core.asgi import get_asgi_application

http = get_asgi_application()

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.urls import path

from media_gateway.control.consumer import ControlConsumer
from meetings.live.consumer import RoomConsumer

# Workers are programs: they send no Origin and no cookie, they sign their request instead.
application = ProtocolTypeRouter(
    {
        "http": http,
        "websocket": URLRouter(
            [
                path("ws/gateway/", ControlConsumer.as_asgi()),
                path(
                    "ws/room/<str:code>/",
                    AllowedHostsOriginValidator(AuthMiddlewareStack(RoomConsumer.as_asgi())),
                ),
            ]
        ),
    }
)
