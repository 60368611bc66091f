#!/bin/sh
# Every check of style and types; all run, so that one look shows everything.
cd "$(dirname "$0")/.."
failed=

check() {
    name=$1
    shift
    printf '%s\n' "lint: $name"
    "$@" || failed="$failed $name"
}

check "ruff" .venv/bin/ruff check --quiet .
check "format" .venv/bin/ruff format --quiet --check .
check "mypy" .venv/bin/mypy --no-error-summary .
check "djlint" .venv/bin/djlint --lint --quiet templates
check "tsc" node_modules/.bin/tsc --project tsconfig.json
check "settings-table" .venv/bin/python tools/settings_table.py --check
check "vendor" .venv/bin/python tools/vendor.py --check
check "migrations" env DATA_DIR="${TMPDIR:-/tmp}/plenum-lint-$(id -u)" .venv/bin/python manage.py makemigrations --check --dry-run

[ -z "$failed" ] || {
    printf '%s\n' "lint: these failed:$failed" >&2
    exit 1
}
