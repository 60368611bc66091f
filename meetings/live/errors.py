"""Refusals of the room protocol: docs/protocol.md section 1.4."""

from __future__ import annotations

from django.utils.translation import gettext as _

CODES = frozenset(
    [
        "bad_json",
        "bad_message",
        "unknown_type",
        "too_large",
        "rate_limited",
        "not_joined",
        "already_joined",
        "forbidden",
        "not_found",
        "bad_name",
        "meeting_cancelled",
        "sign_in_required",
        "removed",
        "refused",
        "ended",
        "media_unavailable",
        "bad_sdp",
        "stale_generation",
        "conflict",
        "internal",
    ]
)


class RoomError(Exception):
    """A request that is not done: `code` is for programs, `message` for the person, in their language."""

    def __init__(self, code: str, message: str, *, rule: str = "", who: str = "") -> None:
        assert code in CODES, code
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.rule = rule
        self.who = who

    def payload(self) -> dict[str, str]:
        payload = {"code": self.code, "message": self.message}
        return payload | {key: value for key, value in (("rule", self.rule), ("who", self.who)) if value}


def unavailable() -> RoomError:
    return RoomError("media_unavailable", _("Audio and video are not available just now."))


def crowded() -> RoomError:
    """The room's own worker takes nobody more, so that those in it are not harmed."""
    return RoomError(
        "media_unavailable",
        _("No more people fit in here with audio and video just now; chat works all the same."),
    )


def full() -> RoomError:
    return RoomError("media_unavailable", _("The media server is full; try again in a minute."))
