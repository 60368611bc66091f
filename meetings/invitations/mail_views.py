"""The local mail folder as pages, for administrators: what the portal sent while no mail server is set up."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from csp.constants import SELF
from csp.decorators import csp_replace
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.http import content_disposition_header
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_GET

from meetings.invitations import mailfolder

PAGE = 50


def administrators_only(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Others find no such page: mails hold links that let people in."""

    @wraps(view)
    @login_required
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated or request.user.role != "admin":
            raise Http404
        return view(request, *args, **kwargs)

    return guarded


@require_GET
@administrators_only
def mail_folder(request: HttpRequest) -> HttpResponse:
    page = Paginator(mailfolder.keys(), PAGE).get_page(request.GET.get("page"))
    context = {
        "page_obj": page,
        "mails": mailfolder.envelopes(page.object_list),
        "sends_by_smtp": not settings.EMAIL_BACKEND.endswith("mailfolder.EmailBackend"),
    }
    return render(request, "meetings/mail_folder.html", context)


def _stored(key: str) -> mailfolder.StoredMail:
    mail = mailfolder.read(key)
    if mail is None:
        raise Http404
    return mail


@require_GET
@administrators_only
def mail_message(request: HttpRequest, key: str) -> HttpResponse:
    mail = _stored(key)
    show = "text" if request.GET.get("show") == "text" or not mail.raw_html else "html"
    return render(request, "meetings/mail_message.html", {"mail": mail, "show": show})


@require_GET
@administrators_only
@xframe_options_sameorigin
@csp_replace(  # type: ignore[arg-type]
    {
        "default-src": ["'none'"],
        "style-src": ["'unsafe-inline'"],
        "img-src": ["data:"],
        "frame-ancestors": [SELF],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
        # No script, no form, no access to this site's cookies; links open in a tab of their own.
        "sandbox": ["allow-popups", "allow-popups-to-escape-sandbox"],
        "script-src": None,
        "connect-src": None,
        "font-src": None,
        "media-src": None,
        "worker-src": None,
        "object-src": None,
    }
)
def mail_html(request: HttpRequest, key: str) -> HttpResponse:
    """The HTML part as it was sent, to be shown in a frame that can do nothing."""
    mail = _stored(key)
    if not mail.raw_html:
        raise Http404
    return HttpResponse('<base target="_blank">' + mail.raw_html)


@require_GET
@administrators_only
def mail_part(request: HttpRequest, key: str, number: int) -> HttpResponse:
    """One attached file or calendar part, always as a download."""
    found = mailfolder.read_part(key, number)
    if found is None:
        raise Http404
    part, content = found
    response = HttpResponse(
        content, content_type="application/octet-stream" if "html" in part.content_type else part.content_type
    )
    response["Content-Disposition"] = content_disposition_header(as_attachment=True, filename=part.name)
    return response
