from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from portal.celery import app
from portal.demo.booked import book
from portal.demo.film import film
from portal.demo.held import hold_all, unfilmed
from portal.demo.people import STAFF, STUDENTS, address, demo_password, make_people, password_file
from portal.supervisor.preflight import CannotStart
from portal.supervisor.prepare import prepare


class Command(BaseCommand):
    help = "Fill the portal with a small school to look at: people, a class, meetings past and to come."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--no-recording", action="store_true", help="leave out the recording (some seconds)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.ENV["SMTP_URL"]:
            raise CommandError(
                "SMTP_URL is set: demo data would send mails. Use a copy with its own DATA_DIR."
            )
        try:
            prepare(self.stdout.write)
        except CannotStart as error:
            raise CommandError(str(error)) from error
        # Mails are written to the folder now, whether or not a worker runs.
        app.conf.task_always_eager = True
        before = User.objects.count()
        people = make_people()
        told = hold_all(people)
        booked = book(people)
        films = [] if options["no_recording"] else [film(session) for session in unfilmed(people)]
        self.stdout.write(
            f"{User.objects.count() - before} people, {told} past meetings, {booked} to come and "
            f"{len(films)} recordings were added."
        )
        teacher, student = address(next(iter(STAFF))), address(next(iter(STUDENTS)))
        self.stdout.write(f"Sign in at {settings.PUBLIC_URL}/ as {teacher} (staff) or {student} (student),")
        self.stdout.write(f"password: {demo_password()}  (kept in {password_file()})")
