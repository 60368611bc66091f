"""PATCH of a running connection: new candidates of the client, or an ICE restart (RFC 9725 section 4.3)."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

from media_gateway.descriptions import BadDescription, read_fragment, restart_fragment
from meetings.streams.models import StreamConnection, new_etag
from meetings.streams.problems import StreamProblem
from meetings.streams.publishing import ask


@dataclass(frozen=True)
class Restarted:
    """The fragment to answer with, and the name of the new ICE session."""

    fragment: str
    etag: str


def take_fragment(connection: StreamConnection, text: str, *, if_match: str | None) -> Restarted | None:
    """Do what a fragment asks; None when it only brought candidates. Raises StreamProblem.

    Our end is ICE-lite and learns the client's addresses from its checks, so candidates are checked for form
    and then let go.
    """
    try:
        fragment = read_fragment(text)
    except BadDescription as error:
        detail = _("The fragment cannot be read: %(why)s.") % {"why": error}
        raise StreamProblem("bad_fragment", detail) from error
    if if_match is None:
        raise StreamProblem("precondition_required", _("Say which ICE session is meant, with If-Match."))
    if not _matches(if_match, connection.etag):
        detail = _("The ICE session was restarted meanwhile. Restart with If-Match: *.")
        raise StreamProblem("precondition_failed", detail)
    if fragment.ufrag in ("", connection.remote_ufrag):
        return None
    reply = ask(connection, "peer.ice", {"ufrag": fragment.ufrag})
    etag = new_etag()
    StreamConnection.objects.filter(pk=connection.pk).update(etag=etag, remote_ufrag=fragment.ufrag)
    head = connection.fragment_head
    return Restarted(restart_fragment(head, reply["ufrag"], reply["pwd"], reply["candidates"]), etag)


def _matches(if_match: str, etag: str) -> bool:
    """Strong comparison (RFC 9110 section 13.1.1): "*" is any, a weak tag none."""
    given = [tag.strip() for tag in if_match.split(",")]
    return "*" in given or '"*"' in given or f'"{etag}"' in given
