"""What WHIP and WHEP ask of HTTP: bearer tokens, CORS, limits, problem details, several Link headers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt

from accounts.network import client_ip
from meetings.invitations.throttle import Throttle
from meetings.streams.models import StreamKey
from meetings.streams.problems import StreamProblem
from meetings.streams.tokens import find_key

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"
MAX_BODY = 65536
# Tokens cannot be guessed; this keeps trying cheap for the portal.
BAD_TOKENS = Throttle("stream-token", limit=30, window=600)
OFFERS_BY_KEY = Throttle("stream-offer-key", limit=30, window=60)
# All screens of a hall begin at once when the meeting does.
PLAYS_BY_KEY = Throttle("stream-play-key", limit=300, window=60)
OFFERS_BY_ADDRESS = Throttle("stream-offer-ip", limit=120, window=60)
CHANGES = Throttle("stream-change", limit=120, window=60)

# Any page may send: nothing is done in the name of a browser's cookies, only for who holds the token.
CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Location, ETag, Link, Retry-After, Accept-Post, Accept-Patch",
}
PREFLIGHT = {
    "Access-Control-Allow-Headers": "Authorization, Content-Type, If-Match",
    "Access-Control-Max-Age": "86400",
}
View = Callable[..., HttpResponse]


class LinkedResponse(HttpResponse):
    """A response with a Link header for each of `links`: encoders read one link a header."""

    links: tuple[str, ...] = ()

    def items(self) -> Iterator[tuple[str, str]]:  # type: ignore[override]
        yield from super().items()
        for link in self.links:
            yield "Link", link


def ice_links(servers: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    """STUN and TURN servers as Link values (RFC 9725 section 4.6)."""
    links = []
    for server in servers:
        for url in server["urls"]:
            link = f'<{url}>; rel="ice-server"'
            if url.startswith("turn"):
                name, secret = server["username"], server["credential"]
                link += f'; username="{name}"; credential="{secret}"; credential-type="password"'
            links.append(link)
    return tuple(links)


def endpoint(methods: dict[str, View], *, accepts: tuple[str, str]) -> View:
    """One URL: a view for each of `methods`, OPTIONS, 405 for the rest, problems as JSON, CORS on everything.

    `accepts` is the header that names the media type taken (Accept-Post or Accept-Patch) and that type.
    """
    allowed = ", ".join(sorted({*methods, "OPTIONS"} | ({"HEAD"} if "GET" in methods else set())))

    @csrf_exempt
    def view(request: HttpRequest, **kwargs: str) -> HttpResponse:
        name = "GET" if request.method == "HEAD" else str(request.method)
        try:
            if name == "OPTIONS" and "OPTIONS" not in methods:
                response: HttpResponse = HttpResponse()
            elif name in methods:
                response = methods[name](request, **kwargs)
            else:
                detail = _("This address takes %(methods)s.") % {"methods": allowed}
                raise StreamProblem("method_not_allowed", detail)
        except StreamProblem as problem:
            response = problem_response(problem, request)
        if name in ("OPTIONS", "GET") or response.status_code == 405:
            response["Allow"] = allowed
            response[accepts[0]] = accepts[1]
        if name == "OPTIONS":
            response["Access-Control-Allow-Methods"] = allowed
            for header, value in PREFLIGHT.items():
                response[header] = value
        for header, value in CORS.items():
            response[header] = value
        response["Cache-Control"] = "no-store"
        return response

    return view


def problem_response(problem: StreamProblem, request: HttpRequest) -> HttpResponse:
    """The problem as application/problem+json (RFC 9457)."""
    response = HttpResponse(
        json.dumps(problem.body(), ensure_ascii=False),
        status=problem.status,
        content_type="application/problem+json",
    )
    if problem.status == 401:
        # Who sent none is told of no error (RFC 6750 section 3.1).
        error = ', error="invalid_token"' if request.headers.get("Authorization") else ""
        response["WWW-Authenticate"] = f'Bearer realm="plenum"{error}'
    if problem.retry_after is not None:
        response["Retry-After"] = str(problem.retry_after)
    return response


def bearer_key(request: HttpRequest) -> StreamKey:
    """The usable key of the request's bearer token (RFC 6750 section 2.1). Raises StreamProblem."""
    scheme, _space, token = request.headers.get("Authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() == "bearer" and 0 < len(token) <= 512 and token.isascii():
        key = find_key(token)
        if key is not None:
            return key
    # Who has a good key is never held up by others behind the same address who have none.
    who = client_ip(request) or "-"
    if BAD_TOKENS.is_blocked(who):
        detail = _("Too many requests without a valid key. Check the bearer token, then wait some minutes.")
        raise StreamProblem("rate_limited", detail, retry_after=BAD_TOKENS.window)
    BAD_TOKENS.miss(who)
    detail = _(
        "The bearer token is missing, unknown, revoked or expired. A host makes keys on the meeting's page."
    )
    raise StreamProblem("unauthorized", detail)


def limit(throttle: Throttle, who: str) -> None:
    """Count one request. Raises StreamProblem when there are too many."""
    if throttle.miss(who) > throttle.limit:
        detail = _("Too many requests. Wait a little before the next one.")
        raise StreamProblem("rate_limited", detail, retry_after=throttle.window)


def body_of(request: HttpRequest, media_type: str) -> str:
    """The body as text. Raises StreamProblem for another media type, too much of it, or broken UTF-8."""
    if request.content_type != media_type:
        detail = _("The body must be of type %(type)s.") % {"type": media_type}
        raise StreamProblem("unsupported_media_type", detail)
    data = request.read(MAX_BODY + 1)
    if len(data) > MAX_BODY:
        raise StreamProblem("too_large", _("The body is longer than 64 KiB."))
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        code = "bad_sdp" if media_type == SDP else "bad_fragment"
        raise StreamProblem(code, _("The body is not UTF-8.")) from error
