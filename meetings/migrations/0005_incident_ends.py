from django.db import migrations, models
from django.db.models import F, Q
from django.db.models.functions import Greatest


def say_how_they_ended(apps, schema_editor):
    """What was over had healed; what a session left open ended with it, as no worker tells of it any more."""
    incidents = apps.get_model("meetings", "MediaIncident").objects.using(schema_editor.connection.alias)
    incidents.exclude(ended_at=None).update(end_reason="healed")
    sessions = apps.get_model("meetings", "Session").objects.using(schema_editor.connection.alias)
    left_open = incidents.filter(ended_at=None).exclude(session__ended_at=None)
    for session in sessions.filter(pk__in=left_open.values("session")):
        incidents.filter(ended_at=None, session=session).update(
            ended_at=Greatest(F("began_at"), session.ended_at), end_reason="session"
        )


def forget(apps, schema_editor):
    """Nothing to take back: the column goes."""


class Migration(migrations.Migration):
    dependencies = [("meetings", "0004_spread_rooms")]

    operations = [
        migrations.RemoveConstraint("mediaincident", "one_open_incident_per_source"),
        migrations.RemoveConstraint("mediaincident", "one_open_incident_per_receiver"),
        migrations.RenameField("mediaincident", "healed_at", "ended_at"),
        migrations.AlterField(
            "mediaincident", "ended_at", models.DateTimeField(blank=True, null=True, verbose_name="over")
        ),
        migrations.AddField(
            "mediaincident",
            "end_reason",
            models.CharField(
                blank=True,
                choices=[
                    ("healed", "healed"),
                    ("off", "switched off"),
                    ("left", "one of them left"),
                    ("session", "the session ended"),
                    ("worker", "the media worker was lost"),
                ],
                max_length=10,
                verbose_name="how it ended",
            ),
        ),
        migrations.AddConstraint(
            "mediaincident",
            models.UniqueConstraint(
                fields=["publisher", "source"],
                condition=Q(ended_at=None, subscriber=None),
                name="one_open_incident_per_source",
            ),
        ),
        migrations.AddConstraint(
            "mediaincident",
            models.UniqueConstraint(
                fields=["publisher", "source", "subscriber"],
                condition=Q(ended_at=None) & ~Q(subscriber=None),
                name="one_open_incident_per_receiver",
            ),
        ),
        migrations.RunPython(say_how_they_ended, forget),
    ]
