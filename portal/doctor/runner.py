"""The checks in the order in which a fault in one explains faults in the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from portal.doctor import broker, clock, codecs, database, files, mail, network, workers
from portal.doctor.report import Finding, fail

Check = Callable[[], Iterator[Finding]]

CHECKS: tuple[tuple[str, Check], ...] = (
    ("Files", files.data_folder),
    ("Secrets", files.secrets),
    ("Static files", files.static_files),
    ("Database", database.database),
    ("Broker", broker.broker),
    ("Clock", clock.clock),
    ("Web", network.web),
    ("Media ports", network.media_ports),
    ("Addresses", network.addresses),
    ("TURN", network.turn),
    ("UDP", network.udp),
    ("Workers", workers.workers),
    ("Jobs", workers.jobs),
    ("Mail", mail.mail),
    ("Codecs", codecs.codecs),
    ("Encryption", codecs.encryption),
)


def examine() -> Iterator[Finding]:
    """Run every check. One that breaks is a finding too, and does not keep the others from running."""
    for part, check in CHECKS:
        try:
            yield from check()
        except Exception as error:
            says = f"could not be checked: {type(error).__name__}: {error}"
            yield fail(part, says, "mend what the other lines say, then run this again")
