"""Django settings. Every value that differs between installations comes from `portal/env.py`."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from csp.constants import SELF

from portal import env

BASE_DIR = Path(__file__).resolve().parent.parent
try:
    ENV = env.load(os.environ)
except env.BadEnvironment as error:
    sys.exit(str(error))

DATA_DIR: Path = ENV["DATA_DIR"]
try:
    DATA_DIR.mkdir(parents=True, exist_ok=True, mode=0o700)
    SECRET_KEY = ENV["SECRET_KEY"] or env.private_secret(DATA_DIR / "secrets", "secret_key")
    MEDIA_SECRET = ENV["MEDIA_SECRET"] or env.private_secret(DATA_DIR / "secrets", "media_secret")
except OSError as error:
    sys.exit(
        f"DATA_DIR={DATA_DIR} cannot be written ({error.strerror or error}): choose another with DATA_DIR=…"
    )

DEBUG = ENV["DEBUG"]
HOST, PORT = ENV["HOST"], ENV["PORT"]
EVERY_ADDRESS = HOST in ("0.0.0.0", "::")  # noqa: S104
_url_host = f"[{HOST}]" if ":" in HOST else HOST
_shown_host = "localhost" if EVERY_ADDRESS or HOST in ("127.0.0.1", "::1") else _url_host
PUBLIC_URL = (ENV["PUBLIC_URL"] or f"http://{_shown_host}:{PORT}").rstrip("/")
_public = urlsplit(PUBLIC_URL)
SECURE_SITE = _public.scheme == "https"
_hosts = {_public.hostname or "localhost", "localhost", "127.0.0.1", "[::1]", *ENV["ALLOWED_HOSTS"]}
if not EVERY_ADDRESS:
    _hosts.add(_url_host)
elif not ENV["PUBLIC_URL"]:
    # Whoever listens on every address without a public name tries it out in a local network.
    _hosts.update(f"[{address}]" if ":" in address else address for address in env.own_addresses())
ALLOWED_HOSTS = sorted(_hosts)
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.forms",
    "channels",
    "allauth",
    "allauth.account",
    "axes",
    "csp",
    "portal",
    "accounts",
    "meetings",
    "media_gateway",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.middleware.PersonalLocaleMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "portal.urls"
ASGI_APPLICATION = "portal.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.template.context_processors.tz",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.context.site",
            ],
            "builtins": [
                "portal.templatetags.plenum",
                "django.templatetags.i18n",
                "django.templatetags.static",
            ],
        },
    }
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

# --- database -------------------------------------------------------------------------------------
if ENV["DATABASE_URL"].startswith(("postgres://", "postgresql://")):
    _db = urlsplit(ENV["DATABASE_URL"])
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": unquote(_db.path.lstrip("/")) or "plenum",
            "USER": unquote(_db.username or ""),
            "PASSWORD": unquote(_db.password or ""),
            "HOST": _db.hostname or "",
            "PORT": _db.port or 5432,
            # Under ASGI each request may run on a thread of its own, so persistent connections would pile
            # up; a pool bounds them instead.
            "OPTIONS": {"pool": {"min_size": 1, "max_size": 12, "timeout": 20}, **dict(parse_qsl(_db.query))},
        }
    }
else:
    _file = unquote(urlsplit(ENV["DATABASE_URL"]).path) if ENV["DATABASE_URL"] else ""
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": _file or DATA_DIR / "plenum.sqlite3",
            "OPTIONS": {
                "timeout": 20,
                # IMMEDIATE takes the write lock at BEGIN, so a read-then-write never fails half-way.
                "transaction_mode": "IMMEDIATE",
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
            },
        }
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"


# --- broker: channel layer, Celery, locks ---------------------------------------------------------
def _embedded_redis_url() -> str:
    password = env.private_secret(DATA_DIR / "secrets", "valkey_password")
    try:
        port = int((DATA_DIR / "run" / "valkey.port").read_text())
    except (FileNotFoundError, ValueError):
        port = 1  # nothing runs yet: a port where nobody answers, rather than someone else's server
    return f"redis://:{password}@127.0.0.1:{port}/0"


REDIS_URL = ENV["REDIS_URL"] or _embedded_redis_url()
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {
            # Receiving waits 5 s at the server; the client must not give up first.
            "hosts": [{"address": REDIS_URL, "socket_timeout": 20, "socket_connect_timeout": 5}],
            "capacity": 2000,
            "expiry": 30,
            "group_expiry": 86400,
        },
    }
}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}
CELERY_BROKER_URL = REDIS_URL
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 6 * 3600}
# Composing takes minutes of processor time: a queue of its own, or mails would wait behind it.
CELERY_TASK_ROUTES = {"meetings.recordings.tasks.compose_recording": {"queue": "composer"}}
CELERY_TIMEZONE = "UTC"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULE = {
    "deliver-outbox": {"task": "meetings.invitations.tasks.deliver_due", "schedule": 20.0},
    "reap-participants": {"task": "meetings.live.tasks.reap_participants", "schedule": 20.0},
    "reap-streams": {"task": "meetings.streams.tasks.reap_streams", "schedule": 20.0},
    "draft-missing-minutes": {"task": "meetings.minutes.tasks.draft_missing", "schedule": 120.0},
    "resume-compositions": {"task": "meetings.recordings.tasks.resume_compositions", "schedule": 60.0},
}

# --- people ---------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_SIGNUP_FORM_CLASS = "accounts.forms.SignupForm"
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_CONFIRM_EMAIL_ON_GET = False
ACCOUNT_CHANGE_EMAIL = True  # one address a person: a new one takes the place of the old once it is confirmed
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_RATE_LIMITS = {
    "login_failed": "10/m/ip,5/5m/key",
    "signup": "20/m/ip",
    "reset_password": "20/m/ip,5/m/key",
}
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_USERNAME_FORM_FIELD = "login"
AXES_USERNAME_CALLABLE = "accounts.network.login_name"
AXES_CLIENT_IP_CALLABLE = "accounts.network.client_ip"
AXES_LOCKOUT_TEMPLATE = "accounts/locked_out.html"
AXES_RESET_ON_SUCCESS = True

# --- language and time ----------------------------------------------------------------------------
LANGUAGE_CODE = ENV["DEFAULT_LANGUAGE"]
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = ENV["TIME_ZONE"]
USE_TZ = True
USE_I18N = True

# --- files ----------------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = DATA_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "portal.static.ModuleManifestStorage"
    },
}
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = DEBUG
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
MEDIA_ROOT = DATA_DIR / "files"  # private: nothing here has a public URL; views check rights and stream
MEDIA_URL = ""
RECORDINGS_DIR = DATA_DIR / "recordings"
MAIL_DIR = DATA_DIR / "mail"
SHARED_FILE_MAX_BYTES = 25 * 1024 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024

# --- mail -----------------------------------------------------------------------------------------
DEFAULT_FROM_EMAIL = SERVER_EMAIL = ENV["MAIL_FROM"]
if ENV["SMTP_URL"]:
    _smtp = urlsplit(ENV["SMTP_URL"])
    EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    EMAIL_HOST = _smtp.hostname or "localhost"
    EMAIL_PORT = _smtp.port or {"smtp": 25, "smtps": 465, "smtp+tls": 587}[_smtp.scheme]
    EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = unquote(_smtp.username or ""), unquote(_smtp.password or "")
    EMAIL_USE_SSL, EMAIL_USE_TLS = _smtp.scheme == "smtps", _smtp.scheme == "smtp+tls"
    EMAIL_TIMEOUT = 20
else:
    EMAIL_BACKEND = "meetings.invitations.mailfolder.EmailBackend"

# --- security -------------------------------------------------------------------------------------
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SITE
# Several copies on one host name must not sign each other out: cookies do not tell ports apart.
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = (
    f"plenum_session_{_public.port or PORT}",
    f"plenum_csrf_{_public.port or PORT}",
)
SECURE_HSTS_SECONDS = 31536000 if SECURE_SITE else 0
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if ENV["TRUST_PROXY"]:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:", "blob:"],
        "media-src": [SELF, "blob:"],
        "connect-src": [SELF, f"{'wss' if SECURE_SITE else 'ws'}://{_public.netloc}"],
        "font-src": [SELF],
        "object-src": ["'none'"],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": ["'none'"],
        "worker-src": [SELF, "blob:"],
    }
}

# --- media ----------------------------------------------------------------------------------------
MEDIA_HOST = ENV["MEDIA_HOST"] or HOST
MEDIA_PORT, MEDIA_WORKERS, MEDIA_IPS = ENV["MEDIA_PORT"], ENV["MEDIA_WORKERS"], ENV["MEDIA_IPS"]
MEDIA_TCP = ENV["MEDIA_TCP"]
MEDIA_MAX_ROOMS, MEDIA_MAX_PEERS = ENV["MEDIA_MAX_ROOMS"], ENV["MEDIA_MAX_PEERS"]
MEDIA_SPREAD_AT = ENV["MEDIA_SPREAD_AT"]
MEDIA_MAX_PEERS_PER_ROOM, MEDIA_MAX_BITRATE = ENV["MEDIA_MAX_PEERS_PER_ROOM"], ENV["MEDIA_MAX_BITRATE"]
MEDIA_AUDIO_LOUDEST, ROOM_DATA_RATE = ENV["MEDIA_AUDIO_LOUDEST"], ENV["ROOM_DATA_RATE"]
METRICS_TOKEN = ENV["METRICS_TOKEN"]
NODE_NAME = ENV["NODE_NAME"] or socket.gethostname()
LOCAL_HOST = "127.0.0.1" if HOST == "0.0.0.0" else "[::1]" if HOST == "::" else _url_host  # noqa: S104
CONTROL_URL = ENV["CONTROL_URL"] or f"ws://{LOCAL_HOST}:{PORT}"
LINK_DAYS = ENV["LINK_DAYS"]
TURN_URLS, TURN_SECRET = ENV["TURN_URLS"], ENV["TURN_SECRET"]
SIGNUP_OPEN = ENV["SIGNUP"]

_jobs_level = "INFO" if ENV["LOG_LEVEL"] == "DEBUG" else "WARNING"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname:<7} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": ENV["LOG_LEVEL"]},
    "loggers": {
        "daphne": {"level": "WARNING"},
        "django.channels.server": {"level": "WARNING"},
        "aiortc": {"level": "WARNING"},
        "axes": {"level": "WARNING"},
        # Some jobs run every few seconds; what fails is told in any case.
        "celery.app.trace": {"level": _jobs_level},
        "celery.worker.strategy": {"level": _jobs_level},
    },
}
