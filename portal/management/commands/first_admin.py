from typing import Any

from django.core.management.base import BaseCommand

from portal.supervisor.prepare import FIRST_ADMIN, create_first_admin, first_admin_file


class Command(BaseCommand):
    help = "Make the first administrator with a random password, if there is no administrator."

    def handle(self, *args: Any, **options: Any) -> None:
        password = create_first_admin()
        if password is None:
            self.stdout.write("There is an administrator already; nothing was changed.")
        else:
            self.stdout.write(f"{FIRST_ADMIN} {password} (kept in {first_admin_file()})")
