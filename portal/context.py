"""What every template may need to know of the site."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest


def site(request: HttpRequest) -> dict[str, Any]:
    """`public_url` without a trailing slash; `signup_open` tells whether people may create accounts."""
    return {"public_url": settings.PUBLIC_URL, "signup_open": settings.SIGNUP_OPEN}
