# The house's commands. `make` alone lists them.
# A fresh machine needs Python 3.11, 3.12 or 3.13 and make; everything else comes into .venv, from the lock files.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV ?= .venv
DEMO_HOME ?= .demo
CORES ?= $(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
PYTEST_ARGS ?=
BENCHMARKS ?= $(wildcard benchmarks/end_to_end.py benchmarks/kernels.py benchmarks/codecs.py)
BIN := $(VENV)/bin

# A machine that forbids bytecode would compile every module anew at every start.
unexport PYTHONDONTWRITEBYTECODE
export DAGSTER_DISABLE_TELEMETRY := yes

.PHONY: help demo ui test lint types floors style pytest coverage peer oracle faults live power bench lock format clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.runtime ## import real microscopy through the main job, into $(DEMO_HOME)
	@$(BIN)/wk-assets demo --home $(DEMO_HOME)

ui: $(VENV)/.runtime ## open the Dagster UI on the demo's home
	@$(BIN)/wk-assets ui --home $(DEMO_HOME)

test: lint pytest ## lint, types, floors, then every test

lint: style types floors ## ruff, mypy --strict, import-linter

style: $(VENV)/.development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.development
	$(BIN)/mypy

floors: $(VENV)/.development
	$(BIN)/lint-imports --no-logo

pytest: $(VENV)/.development
	$(BIN)/python -m pytest -n $(CORES) --dist worksteal -m "not (oracle or exhaustive or power or live)" $(PYTEST_ARGS)

coverage: $(VENV)/.development ## every test, and which lines it reached (a quarter slower)
	rm -f .coverage .coverage.*
	$(BIN)/python -m pytest -n $(CORES) --dist worksteal --cov --cov-report=term -m "not (oracle or exhaustive or power or live)" $(PYTEST_ARGS)

# The peer library (AGPL) and its requirements live in an environment of their own; nothing of ours imports it.
PEER := $(CURDIR)/.venv-peer
peer: $(PEER)/.installed ## make .venv-peer, with WEBKNOSSOS' own Python library in it

oracle: $(VENV)/.development $(PEER)/.installed ## compare with other implementations: tests marked `oracle`
	WK_ASSETS_PEER_PYTHON=$(PEER)/bin/python $(BIN)/python -m pytest -m oracle $(PYTEST_ARGS)

# One of its requirements (loxun) exists as source only.
$(PEER)/.installed: requirements-peer.lock $(VENV)/.installer
	@echo "installing $< into $(PEER)"
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(PEER)
	@VIRTUAL_ENV=$(PEER) $(BIN)/uv pip install --quiet --only-binary :all: --no-binary loxun --require-hashes -r $<
	@touch $@

faults: $(VENV)/.development ## fail at, or die in, every rename, fsync and unlink; every state a power cut may leave
	$(BIN)/python -m pytest -n $(CORES) -m exhaustive $(PYTEST_ARGS)

live: $(VENV)/.development ## hold the server of WK_URL, WK_TOKEN to the contract; it keeps nothing of what is made
	$(BIN)/python -m pytest -n 0 -m live $(PYTEST_ARGS)

power: $(VENV)/.development ## cut the power of ext4 and xfs on loop devices (root; strace, xfsprogs, e2fsprogs)
	$(BIN)/python -m pytest -n 0 -m power $(PYTEST_ARGS)

bench: $(VENV)/.development ## measure: voxels per second and peak memory (benchmarks/)
	@for benchmark in $(BENCHMARKS); do echo "== $$benchmark"; $(BIN)/python "$$benchmark"; done

format: $(VENV)/.development ## let ruff format the code and sort the imports
	$(BIN)/ruff check --fix --exit-zero .
	$(BIN)/ruff format .

# One resolution for all platforms and Python 3.11 to 3.13. Hashes make a changed package fail the install.
# The lock files name no index: a mirror that pip or uv is configured for is used as it is.
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --only-binary :all: \
	--no-emit-index-url --no-header --no-annotate
lock: $(VENV)/.installer ## resolve the dependencies anew (UPGRADE=--upgrade takes newer ones)
	$(LOCK) $(UPGRADE) pyproject.toml --extra demo --extra postgres --group install --group test -o requirements-test.lock > /dev/null
	$(LOCK) pyproject.toml --extra demo --constraint requirements-test.lock -o requirements.lock > /dev/null
	$(LOCK) pyproject.toml --extra postgres --constraint requirements-test.lock -o requirements-deploy.lock > /dev/null
	$(LOCK) --group install --constraint requirements-test.lock -o requirements-install.lock > /dev/null
	printf 'webknossos[tifffile]==4.3.3\nnumba\n' | $(LOCK) --no-binary loxun $(UPGRADE) - -o requirements-peer.lock > /dev/null

clean: ## remove the environment and every cache, keep the demo
	rm -rf $(VENV) $(PEER) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage .coverage.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# PYTHON=/path/to/python3.12 chooses one.
$(VENV)/bin/python:
	@python=; for candidate in $(PYTHON) python3.11 python3.12 python3.13 python3 python; do \
	  if "$$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; \
	  then python=$$candidate; break; fi; done; \
	if [ -z "$$python" ]; then \
	  echo "wk-assets needs Python 3.11, 3.12 or 3.13 and found none; install one, or say PYTHON=/path/to/python3.11" >&2; \
	  exit 3; fi; \
	echo "making $(VENV) with $$($$python --version)"; \
	"$$python" -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "this Python can not make environments; on Debian: apt-get install python3-venv" >&2; exit 3; }

# uv installs ten times as fast as pip; it and the build backend come with hashes, like everything else.
$(VENV)/.installer: requirements-install.lock | $(VENV)/bin/python
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --only-binary :all: --require-hashes -r $<
	@touch $@

# pip stands in where uv can not reach the packages (a mirror that only pip.conf names, a proxy's certificate).
define install
@echo "installing $< into $(VENV)"
@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --only-binary :all: --require-hashes --compile-bytecode -r $< \
  || $(BIN)/python -m pip install -qq --disable-pip-version-check --only-binary :all: --require-hashes -r $<
@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --offline --no-deps --no-build-isolation -e .
@touch $@
endef

$(VENV)/.runtime: requirements.lock pyproject.toml $(VENV)/.installer
	$(install)

$(VENV)/.development: requirements-test.lock pyproject.toml $(VENV)/.installer
	$(install)
