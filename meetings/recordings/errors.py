"""What can go wrong with a recording, with the error code of the room protocol (docs/protocol.md 1.4)."""

from __future__ import annotations


class RecordingError(Exception):
    """`code` is for programs, the text for people."""

    code = "internal"

    @property
    def message(self) -> str:
        return str(self)


class RecordingConflict(RecordingError):
    """The recording is not in the state that the request needs: already running, not running, being prepared."""

    code = "conflict"


class SessionOver(RecordingError):
    """The session has ended meanwhile."""

    code = "ended"


class MediaUnavailable(RecordingError):
    """No recording worker, or it or the media worker refused; nothing was started."""

    code = "media_unavailable"
