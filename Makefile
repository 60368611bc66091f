# `make run` on a fresh machine serves the portal. Settings such as PORT, HOST, MEDIA_PORT and DATA_DIR may stand
# on the command line (make run PORT=9000) or in the environment; docs/operations.md lists them all.
PY := .venv/bin/python
PYTEST := $(PY) -m pytest

.DEFAULT_GOAL := help
.PHONY: help setup setup-test run demo doctor test test-postgres lint screenshots messages bench bench-sfu bench-impaired lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: ## virtual environment and packages (done once, then a moment)
	@sh tools/setup.sh runtime

setup-test: ## the same with what tests need: browser, servers, Node
	@sh tools/setup.sh test

run: setup ## run the portal until Ctrl-C
	@exec $(PY) manage.py portal $(ARGS)

demo: setup ## fill the portal with people and meetings to look at
	@$(PY) manage.py demo

doctor: setup ## check every part and say what to do
	@$(PY) manage.py doctor $(ARGS)

# Browsers and media need the processor to themselves, the rest may share it.
test: setup-test ## all tests, browsers included; one part with ARGS="tests/portal -k env"
ifdef ARGS
	$(PYTEST) $(ARGS)
else
	node --test $(wildcard tests/js/*.test.js tests/js/*/*.test.js)
	$(PYTEST) -n 2 --dist loadfile -m "not browser and not slow"
	$(PYTEST) -m "browser or slow"
endif

test-postgres: setup-test ## the tests that use the database, on a real PostgreSQL started for them
	$(PY) -m tests.services.postgres $(PYTEST) -n 2 --dist loadfile -m "not browser and not slow" $(or $(ARGS),tests/accounts tests/meetings tests/portal)

lint: setup-test ## ruff, mypy, djlint, tsc, and that generated files are of today
	@sh tools/lint.sh

# Needs Debian's gettext. Names of files without lines: fewer differences.
messages: setup ## take new strings into the catalogues to translate
	for domain in django djangojs; do $(PY) manage.py makemessages -l zh_Hans -d $$domain --no-wrap --no-obsolete --add-location file \
		--ignore .venv --ignore node_modules --ignore 'static/vendor/*' --ignore var --ignore tests || exit 1; done

screenshots: setup-test ## pictures of every page into docs/screenshots (some minutes); ARGS="--only 'room*'"
	$(PY) tools/screenshots.py $(ARGS)

bench: setup-test ## everything that is measured (a quarter of an hour, wants a calm machine)
	$(PY) -m benchmarks

bench-sfu: setup-test ## of it: forwarding, beside Janus and aiortc; a part with ARGS="--only costs"
	$(PY) -m benchmarks.sfu $(ARGS)

bench-impaired: setup-test ## of it: calls over bad networks, beside Janus; a part with ARGS="--cells far"
	$(PY) -m benchmarks.bench_impaired $(ARGS)

lock: setup-test ## pin everything that requirements*.txt pull in, anew
	.venv/bin/uv pip compile requirements-dev.txt --universal --python-version 3.11 --no-header --no-annotate --no-emit-index-url --upgrade --quiet --output-file constraints.txt

clean: ## remove what can be made again; DATA_DIR (var/) stays
	rm -rf .venv node_modules .mypy_cache .pytest_cache .ruff_cache .hypothesis test-results
	find . -name __pycache__ -prune -exec rm -rf {} +
