# `make study` and `make test` each suffice on a fresh machine with Python >= 3.11 and make.
#
#   PYTHON        the interpreter that creates the environment        (python3)
#   VENV          where the environment lives                         (.venv)
#   PYTEST_ARGS   passed on to pytest, e.g. PYTEST_ARGS='-k advantage'

PYTHON ?= python3
VENV ?= .venv
PYTEST_ARGS ?=

BIN := $(VENV)/bin
# Stamps say what is installed. They live in the environment, so they go when it goes, and they are
# older than pyproject.toml or constraints.txt exactly when something must be installed again.
RUNTIME := $(VENV)/.installed-runtime
DEV := $(VENV)/.installed-dev

# One thread per test process: with two workers on two cores, torch's own threads would wait for each
# other at every barrier and run up to a hundred times slower.
TEST_ENV := OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE
PYTEST := $(TEST_ENV) $(BIN)/python -m pytest -n 2 --dist worksteal --quiet

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help study test check lint types setup format clean

# stage TITLE COMMAND...: run the command between a header and the time it took; keep its status.
STAGE := stage() { \
	  title=$$1; shift; start=$$(date +%s); status=0; printf '\n== %s\n' "$$title"; \
	  "$$@" || status=$$?; \
	  if [ $$status -eq 0 ]; then verdict=ok; else verdict=FAILED; fi; \
	  printf -- '-- %s: %s, %d s\n' "$$title" "$$verdict" $$(( $$(date +%s) - start )); \
	  return $$status; \
	}; stage

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

study: $(RUNTIME) ## the quick study: base, GRPO, DPO, best of 4, and the report; minutes; resumes
	@$(STAGE) study $(BIN)/tessera study quick --out runs/study --resume

test: lint types ## everything CI runs: lint, types, all tests
	@$(STAGE) tests env $(PYTEST) $(PYTEST_ARGS)

check: lint types ## the quick loop, under a minute: lint, types, tests/architecture, tests/unit
	@$(STAGE) tests env $(PYTEST) -m 'not slow' tests/architecture tests/unit $(PYTEST_ARGS)

lint: $(DEV) ## ruff: rules and format
	@$(STAGE) lint $(BIN)/ruff check --quiet --output-format=concise .
	@$(STAGE) format $(BIN)/ruff format --quiet --check --output-format=concise .

types: $(DEV) ## basedpyright
	@$(STAGE) types $(BIN)/basedpyright --pythonpath $(BIN)/python

setup: $(DEV) ## install everything needed to work on the code, run nothing

format: $(DEV) ## let ruff mend and format the code
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format .

clean: ## remove caches and builds; the environment and runs/ stay, they are dear
	@rm -rf dist build .pytest_cache .ruff_cache .hypothesis
	@find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

# --- the environment -----------------------------------------------------------------------------

# install WHAT: one quiet pip call, and on failure a sentence that tells the way out.
INSTALL := install() { \
	  printf '%s\n' 'pip is quiet; the first time takes some minutes and 2 GB (5 or more where torch brings CUDA).'; \
	  $(BIN)/python -m pip install -qq --disable-pip-version-check --constraint constraints.txt --editable "$$1" && return; \
	  printf '%s\n' '' \
	    'The installation failed; pip says why above. Usual reasons: no way to a package index (set' \
	    'PIP_INDEX_URL to one you can reach), a full disk, or a Python for which torch has no wheel yet' \
	    '(choose another: make PYTHON=python3.11 VENV=.venv311 ...). Then run make again.' >&2; \
	  return 1; \
	}

$(RUNTIME): $(BIN)/python pyproject.toml constraints.txt
	@$(INSTALL); $(STAGE) 'install tessera in $(VENV)' install .
	@touch $@

# The dev extra contains the runtime, so its stamp sets both.
$(DEV): $(BIN)/python pyproject.toml constraints.txt
	@$(INSTALL); $(STAGE) 'install tessera and its dev tools in $(VENV)' install '.[dev]'
	@touch $(RUNTIME) $@

$(BIN)/python:
	@found=$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2]); sys.exit(sys.version_info < (3, 11))' 2>/dev/null) || { \
	  printf '%s\n' "tessera needs Python 3.11 or newer, and $(PYTHON) is $${found:-not there}: install one and name it, e.g. make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
	  printf '%s\n' 'Could not create $(VENV): see above. On Debian and Ubuntu, install python3-venv first.' >&2; exit 1; }
