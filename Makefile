# `make run` and `make test` do all their own set-up: system packages where they are missing, a virtual environment, the
# pinned Python packages. A second run starts at once.

# Looked up when it is used (=), since system-python may have just installed it.
PYTHON = $(shell for python in python3.13 python3.12 python3.11 python3; do \
	$$python -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin
# pip builds the package from the sources, so whatever shapes the installation is listed here.
INPUTS := pyproject.toml constraints.txt Makefile

HOURS := 1

.PHONY: run test test-bridges web docs lint types unit audit soak system system-python system-test clean

run: $(VENV)/run.stamp  ## the demo: the real daemon over bundled clips, its events received by another process
	$(BIN)/inherentd demo

test: $(VENV)/test.stamp lint types audit unit test-bridges  ## everything CI checks

lint: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/test.stamp
	$(BIN)/pyright --pythonpath $(BIN)/python

# Two at a time: most of them wait for something that goes on in real time.
unit: $(VENV)/test.stamp
	$(BIN)/pytest -n 2

audit: $(VENV)/test.stamp  ## known vulnerabilities in the pinned dependencies
	$(BIN)/python scripts/audit.py constraints.txt

test-bridges: .venv-bridges/test.stamp  ## Pipecat and LiveKit, which need an environment of their own
	.venv-bridges/bin/pyright --project pyright-bridges.json --pythonpath .venv-bridges/bin/python
	.venv-bridges/bin/pytest tests/bridges/apart
	$(BIN)/python scripts/audit.py constraints-bridges.txt

soak: $(VENV)/test.stamp  ## listen for HOURS beside other work: make soak HOURS=24
	$(BIN)/python -m benchmarks.soak --hours $(HOURS)

web: web/node_modules/.package-lock.json  ## the browser demo in web/dist, for any static host
	cd web && npm run --silent build

docs: $(VENV)/test.stamp  ## the pages of docs/ as a site in site/
	$(BIN)/zensical build --clean --strict

web/node_modules/.package-lock.json: web/package.json web/package-lock.json
	@sh scripts/system-packages.sh browser
	cd web && npm ci --no-audit --no-fund --loglevel=error
	touch $@

$(VENV)/bin/pip: | system-python
	@python="$(PYTHON)"; test -n "$$python" || { echo "Python 3.11, 3.12 or 3.13 with venv is needed: apt-get install python3 python3-venv, or brew install python@3.12"; exit 1; }; \
	echo "$$python -m venv $(VENV)"; $$python -m venv $(VENV)

$(VENV)/run.stamp: $(INPUTS) | $(VENV)/bin/pip system
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	touch $@

$(VENV)/test.stamp: $(INPUTS) | $(VENV)/bin/pip system-test
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,export-all,openvino,ray,transcribe,bench,wyoming,watch,dashboard,nats,docs]'
	touch $@ $(VENV)/run.stamp

.venv-bridges/test.stamp: pyproject.toml constraints-bridges.txt Makefile | $(VENV)/test.stamp
	$(BIN)/python -m venv .venv-bridges
	.venv-bridges/bin/pip install --quiet --disable-pip-version-check --constraint constraints-bridges.txt --editable '.[pipecat,livekit]' pyright pytest
	touch $@

system-python:
	@test -x $(BIN)/pip || test -n "$(PYTHON)" || sh scripts/system-packages.sh python

system:
	@sh scripts/system-packages.sh microphone

system-test:
	@sh scripts/system-packages.sh microphone pulseaudio services synthesizer terminal broker browser

clean:
	rm -rf $(VENV) .venv-audit .venv-bridges build dist site web/dist web/node_modules *.egg-info src/*.egg-info .pytest_cache .hypothesis .ruff_cache .import_linter_cache
