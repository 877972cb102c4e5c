# Whatever is done in a checkout. `make` alone lists it.

VENV ?= .venv
OUT ?= out
# The interpreter for the virtual environment: 3.11 or newer. Left empty, one is looked for, python3 first.
PYTHON ?=
# On all cores, as most tests wait; few processes, because each starts servers of its own.
PYTEST_ARGS ?= -n auto --maxprocesses 4 --dist worksteal
# Only `make lock` uses uv, and only `make lock UPGRADE=1` lets go of pins that still fit.
UV ?= $(firstword $(wildcard $(VENV)/bin/uv) uv)
UPGRADE ?=

PY := $(VENV)/bin/python
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(PY) -m pip install --quiet --no-input

.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help demo test check format bench lock clean FORCE

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/.base ## the whole cycle in the embedded lab; the page is out/index.html
	@$(VENV)/bin/mailwhy demo --out $(OUT)

test: $(VENV)/.dev ## all tests, on real mail servers where they are or may be installed
	@sh tests/servers/install.sh $(if $(filter true,$(CI)),--strict)
	@$(PY) -m pytest $(PYTEST_ARGS)

check: $(VENV)/.dev ## linters, types and import rules
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy
	@PYTHONPATH=. $(VENV)/bin/lint-imports

format: $(VENV)/.dev ## let ruff format the code, and mend what it can
	$(PY) -m ruff format
	$(PY) -m ruff check --fix

bench: $(VENV)/.dev ## round trips, time and memory against a plain reader
	@sh tests/servers/install.sh
	@$(PY) -m tests.bench

lock: ## pin the dependencies anew, with hashes (needs uv)
	$(COMPILE) --group build -o requirements-build.lock
	$(COMPILE) pyproject.toml --group build -c requirements-build.lock -o requirements.lock
	$(COMPILE) pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock

clean: ## remove what these commands made
	rm -rf $(VENV) $(OUT) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Without an index in the files: the one that pip is configured for is asked.
COMPILE = $(UV) pip compile $(if $(UPGRADE),--upgrade) --quiet --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command "make lock" --no-emit-index-url

# -- the virtual environment ------------------------------------------------------------------------------------------
# Each stamp is newer than what it was made from. An environment does not survive a move of the checkout, nor the end of
# its interpreter: it is then made anew.

ifneq ($(shell cat $(VENV)/.made 2>/dev/null && $(PY) -c ''),$(CURDIR))
$(VENV)/.made: FORCE
endif

$(VENV)/.made:
	@PYTHON="$(PYTHON)" sh .ci/make-venv $(VENV)
	@echo "$(CURDIR)" >$@

# What builds comes first and is pinned too; nothing is built with anything else (--no-build-isolation).
$(VENV)/.build: $(VENV)/.made requirements-build.lock
	@echo "mailwhy: installing pinned dependencies into $(VENV)" >&2
	@$(PIP) --require-hashes -r requirements-build.lock
	@touch $@

$(VENV)/.base: $(VENV)/.build requirements.lock pyproject.toml
	@$(PIP) --no-build-isolation --use-pep517 --require-hashes -r requirements.lock
	@$(PIP) --no-build-isolation --no-deps --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.base requirements-dev.lock
	@$(PIP) --no-build-isolation --use-pep517 --require-hashes -r requirements-dev.lock
	@touch $@
