"""Celery jobs of the outbox. Both may run any number of times, anywhere: the rows decide what happens."""

from __future__ import annotations

from celery import shared_task

from meetings.invitations import delivery, outbox


@shared_task(name="meetings.invitations.tasks.deliver_mail")
def deliver_mail(pk: int) -> bool:
    """Sends one mail if it is waiting; True if this run sent it."""
    return delivery.deliver(pk)


@shared_task(name="meetings.invitations.tasks.deliver_due")
def deliver_due() -> int:
    """Hands every due mail to the workers: retries, and mails whose own job was lost. How many."""
    pks = delivery.due()
    outbox.dispatch(pks)
    return len(pks)
