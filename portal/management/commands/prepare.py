from typing import Any

from django.core.management.base import BaseCommand, CommandError

from portal.supervisor.preflight import CannotStart
from portal.supervisor.prepare import prepare


class Command(BaseCommand):
    help = (
        "Bring tables, static files and translations up to date and make the first administrator; then exit."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            prepare(self.stdout.write)
        except CannotStart as error:
            raise CommandError(str(error)) from error
