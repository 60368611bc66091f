"""`manage.py demo`: a small school to look at, so that no page is empty.

- `people` makes departments, accounts and classes, `booked` what is to come, `held` what has been, `film` the
  recording of one lesson. A second run adds only what is missing (or over).
"""
