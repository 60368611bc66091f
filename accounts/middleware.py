"""Each person's own language and time zone, for every page."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation


class PersonalLocaleMiddleware:
    """Activates the signed-in person's zone and language.

    A language chosen with the switch (cookie) wins over the stored one, so that the switch works at once.
    Guests get the browser's language (LocaleMiddleware) and the portal's zone; pages show times with their
    zone, and scripts re-show them in the browser's.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        if user.is_authenticated:
            timezone.activate(user.zone)
            if user.language and settings.LANGUAGE_COOKIE_NAME not in request.COOKIES:
                translation.activate(user.language)
                request.LANGUAGE_CODE = translation.get_language()
        try:
            return self.get_response(request)
        finally:
            timezone.deactivate()
