# Everything a developer types. `make` alone lists the targets; all you need is make and a Python >= 3.11.

PYTHON ?=
ARGS ?=
DIST ?= dist
BIN := .venv/bin
READY := .venv/.ready
LINTED := $(wildcard app.py bench chalicelib daemon/src infra tests)
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

.DEFAULT_GOAL := help
.PHONY: help setup run demo test test-agents lint bench package lock clean

help:  ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(READY)  ## Make .venv with everything the lock names, and the daemon itself.

$(READY): requirements-dev.lock daemon/pyproject.toml tests/sdk/newest.lock tests/sdk/oldest.lock
	@set -e; for python in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11) none; do \
	  if [ "$$python" = none ]; then \
	    echo "make setup: found no Python >= 3.11 that can make a virtual environment." >&2; \
	    echo "Install one (on Debian or Ubuntu also python3-venv), or name it: make setup PYTHON=/path/to/python3" >&2; \
	    exit 1; \
	  fi; \
	  if "$$python" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then break; fi; \
	done; \
	if ! $(BIN)/python -c 'import pip' 2>/dev/null; then "$$python" -m venv --clear .venv; fi
	@echo "Installing into .venv; the first time takes a minute or two."
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e daemon
	$(BIN)/python -m tests.sdk.install
	@touch $@

run: $(READY)  ## Start a plane and one runtime on this machine.
	$(BIN)/python -m infra.local run $(ARGS)

demo: $(READY)  ## Show one session from start to end, then stop.
	$(BIN)/python -m infra.local demo $(ARGS)

test: $(READY)  ## Run the tests; `make test ARGS=tests/core` runs some.
	$(BIN)/pytest -n 2 $(ARGS)

test-agents: $(READY)  ## Run the real agents, installed from npm, against a scripted model.
	$(BIN)/python -m tests.agents.install
	REAL_AGENTS=1 $(BIN)/pytest tests/agents $(ARGS)

lint: $(READY)  ## Check style, types, import contracts and pinned requirements.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(LINTED)
	PYTHONPATH=.:daemon/src $(BIN)/lint-imports
	$(BIN)/pytest -q tests/house/test_requirements.py

bench: $(READY)  ## Measure what one action costs.
	$(BIN)/python -m bench $(ARGS)

package: $(READY)  ## Build what is deployed: dist/deployment.zip and dist/sam.json.
	@# Chalice asks for a region and then names none in what it writes.
	AWS_DEFAULT_REGION=$${AWS_DEFAULT_REGION:-us-east-1} $(BIN)/chalice package --pkg-format cloudformation $(DIST)

lock: $(READY)  ## Take the newest allowed dependencies into requirements-dev.lock and requirements.txt.
	$(COMPILE) --upgrade --group dev -o requirements-dev.lock pyproject.toml daemon/pyproject.toml
	$(COMPILE) --upgrade -c requirements-dev.lock -o requirements.txt pyproject.toml
	for sdk in newest oldest; do $(COMPILE) --upgrade -o tests/sdk/$$sdk.lock tests/sdk/$$sdk.in; done

clean:  ## Remove what was built and cached; .venv stays.
	rm -rf dist daemon/dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage* .chalice/deployments
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
