"""Refusals of the WHIP and WHEP endpoints: a status, a code for programs, a sentence that says what to do."""

from __future__ import annotations

from http import HTTPStatus

STATUS = {
    "bad_sdp": 400,
    "bad_fragment": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "removed": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "not_open": 409,
    "in_use": 409,
    "cancelled": 410,
    "precondition_failed": 412,
    "too_large": 413,
    "unsupported_media_type": 415,
    "not_acceptable": 422,
    "precondition_required": 428,
    "rate_limited": 429,
    "unavailable": 503,
}


class StreamProblem(Exception):
    """`code` is one of STATUS; `retry_after` (seconds) tells when the same request may succeed."""

    def __init__(self, code: str, detail: str, *, retry_after: int | None = None) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.status = STATUS[code]
        self.retry_after = retry_after

    def body(self) -> dict[str, object]:
        """Problem details (RFC 9457); `code` is an extension member."""
        return {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
