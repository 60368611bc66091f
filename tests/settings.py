"""Settings of the test run: the portal's own, in a folder of its own, without servers beside it.

The environment of whoever runs the tests is left out, but for `DATA_DIR` (where to put the files) and
`DATABASE_URL` (to run the same tests on PostgreSQL).
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from portal import env

for _variable in env.TABLE:
    if _variable.name not in ("DATA_DIR", "DATABASE_URL"):
        os.environ.pop(_variable.name, None)

# One folder for each xdist worker, so that parallel runs share nothing.
_worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
if "PLENUM_TEST_DIR" not in os.environ:
    if os.environ.get("DATA_DIR"):
        _base = Path(os.environ["DATA_DIR"])
    else:
        _base = Path(tempfile.mkdtemp(prefix="plenum-test-"))
        atexit.register(shutil.rmtree, _base, ignore_errors=True)
    os.environ["PLENUM_TEST_DIR"] = str(_base)
os.environ["DATA_DIR"] = str(Path(os.environ["PLENUM_TEST_DIR"]) / _worker)

from portal.settings import *  # noqa: E402, F403
from portal.settings import DATA_DIR, DATABASES, PASSWORD_HASHERS, STORAGES  # noqa: E402

CHANNEL_LAYERS = {
    "default": {"BACKEND": "channels.layers.InMemoryChannelLayer", "CONFIG": {"capacity": 2000}}
}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
CELERY_BROKER_URL = "memory://"
CELERY_TASK_ALWAYS_EAGER = True
CELERY_TASK_EAGER_PROPAGATES = True
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher", *PASSWORD_HASHERS]
ACCOUNT_RATE_LIMITS = False  # an empty dict would mean allauth's own limits
AXES_ENABLED = False
STORAGES = {**STORAGES, "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = True

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # A file, so that the threads and processes of one test see the same rows.
    DATABASES["default"]["TEST"] = {"NAME": DATA_DIR / f"test-{os.getpid()}.sqlite3"}
else:
    # Each test database is dropped at the end; a pool would hold it open.
    DATABASES["default"]["OPTIONS"].pop("pool")
    DATABASES["default"]["TEST"] = {"NAME": f"plenum_test_{os.getpid()}"}
