"""Errors that cross the control link."""

CODES = frozenset(
    {
        "bad_request",
        "bad_sdp",
        "not_found",
        "stale_generation",
        "forbidden",
        "overloaded",
        "rate_limited",
        "internal",
    }
)


class GatewayError(Exception):
    """A refused operation: `code` is for programs (docs/protocol.md 2.1), `message` for logs and people."""

    def __init__(self, code: str, message: str) -> None:
        assert code in CODES, code
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
