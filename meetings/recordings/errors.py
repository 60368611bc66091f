"""What can go wrong with a recording, as the room protocol says it (docs/protocol.md 1.4)."""

from __future__ import annotations

from meetings.live.errors import RoomError


class RecordingConflict(RoomError):
    """The recording is not in the state that the request needs: already running, not running, being
    prepared.
    """

    def __init__(self, message: str) -> None:
        super().__init__("conflict", message)


class SessionOver(RoomError):
    """The session has ended meanwhile."""

    def __init__(self, message: str) -> None:
        super().__init__("ended", message)


class MediaUnavailable(RoomError):
    """No recording worker, or it or the media worker refused; nothing was started."""

    def __init__(self, message: str) -> None:
        super().__init__("media_unavailable", message)
