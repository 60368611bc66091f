import django.db.models.deletion
import django.utils.timezone
import meetings.streams.models
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('meetings', '0002_media_incidents'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name='participant',
            name='role',
            field=models.CharField(choices=[('host', 'Host'), ('cohost', 'Co-host'), ('participant', 'Participant'), ('guest', 'Guest'), ('stream', 'Stream')], max_length=12, verbose_name='role'),
        ),
        migrations.CreateModel(
            name='StreamKey',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=80, verbose_name='name')),
                ('direction', models.CharField(choices=[('publish', 'Stream in'), ('play', 'Play out')], max_length=8, verbose_name='direction')),
                ('source', models.CharField(choices=[('camera', 'As a camera'), ('screen', 'As a shared screen')], default='camera', max_length=8, verbose_name='shown')),
                ('token_hash', models.CharField(editable=False, max_length=64, unique=True)),
                ('hint', models.CharField(editable=False, max_length=8, verbose_name='token ends with')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='made')),
                ('expires_at', models.DateTimeField(verbose_name='expires')),
                ('revoked_at', models.DateTimeField(blank=True, null=True, verbose_name='revoked')),
                ('last_used_at', models.DateTimeField(blank=True, null=True, verbose_name='last used')),
                ('created_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='made by')),
                ('meeting', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='stream_keys', to='meetings.meeting', verbose_name='meeting')),
            ],
            options={
                'verbose_name': 'stream key',
                'verbose_name_plural': 'stream keys',
                'ordering': ['pk'],
            },
        ),
        migrations.CreateModel(
            name='StreamConnection',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.CharField(default=meetings.streams.models.new_resource_id, editable=False, max_length=32, unique=True)),
                ('peer', models.CharField(editable=False, max_length=16)),
                ('generation', models.PositiveIntegerField(default=0, editable=False)),
                ('node', models.CharField(blank=True, max_length=80, verbose_name='media worker')),
                ('node_instance', models.CharField(blank=True, editable=False, max_length=40)),
                ('etag', models.CharField(default=meetings.streams.models.new_etag, editable=False, max_length=32)),
                ('remote_ufrag', models.CharField(editable=False, max_length=256)),
                ('fragment_head', models.TextField(blank=True, editable=False)),
                ('ip', models.GenericIPAddressField(blank=True, null=True, verbose_name='address')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='asked')),
                ('opened_at', models.DateTimeField(blank=True, null=True, verbose_name='opened')),
                ('ended_at', models.DateTimeField(blank=True, null=True, verbose_name='ended')),
                ('end_reason', models.CharField(blank=True, max_length=12, verbose_name='why it ended')),
                ('participant', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='stream_connections', to='meetings.participant', verbose_name='participant')),
                ('session', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='stream_connections', to='meetings.session', verbose_name='session')),
                ('key', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='connections', to='meetings.streamkey', verbose_name='stream key')),
            ],
            options={
                'verbose_name': 'stream connection',
                'verbose_name_plural': 'stream connections',
                'ordering': ['-created_at'],
                'constraints': [models.UniqueConstraint(condition=models.Q(('ended_at', None), ('participant__isnull', False)), fields=('key',), name='one_sender_per_stream_key')],
            },
        ),
    ]
