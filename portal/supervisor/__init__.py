"""One command runs the whole portal: `manage.py portal` starts, watches and stops every process of it.

- `plan` says which processes there are, `preflight` whether they can start at all, `prepare` brings
  database and static files up to date, `child` runs one process, `valkey` the embedded broker,
  `supervisor` all of it together.
"""
