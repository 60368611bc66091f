"""An upload that is too large is cut off while it comes, not after."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.files.uploadhandler import FileUploadHandler, StopUpload

# The multipart envelope around the file: boundaries, headers, the CSRF field.
ENVELOPE = 16 * 1024


class CappedUpload(FileUploadHandler):
    """First of the upload handlers: passes chunks on up to SHARED_FILE_MAX_BYTES."""

    def __init__(self, request: Any = None) -> None:
        super().__init__(request)
        self.received = 0
        self.exceeded = False

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        self.received += len(raw_data)
        if self.received > settings.SHARED_FILE_MAX_BYTES:
            self.exceeded = True
            raise StopUpload(connection_reset=True)
        return raw_data

    def file_complete(self, file_size: int) -> None:
        return None


def declared_too_large(content_length: str | None) -> bool:
    """Whether the request says itself that it is too large."""
    return bool(content_length and content_length.isdigit()) and int(content_length or 0) > (
        settings.SHARED_FILE_MAX_BYTES + ENVELOPE
    )
