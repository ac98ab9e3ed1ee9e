# The verbs of this project. Everything lives in .venv; nothing else on the machine is changed.
#
#   make demo         the environment, then a first sweep and its report
#   make unit         tests without a process make test       those and tests of single processes
#   make e2e          tests of whole processes make test-all   all there are
#   make lint         what CI lints           make bench      benchmarks
#   make venv         the environment alone   make constraints  pin anew what is installed in .venv
#
# Another interpreter: make venv PYTHON=python3.12

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
INSTALL := $(PIP) install --no-compile -c constraints.txt # of the 16,000 modules most are never imported

# Stamps: the environment is made again when what it is made from has changed.
CREATED := $(VENV)/.created
RUN_STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev

# Workers take whole stretches of tests, which share what a module prepares; one that is done takes from another's.
PYTEST := $(BIN)/python -m pytest -q
PARALLEL := --dist worksteal -n
ON_ALL_CORES := OPENBLAS_NUM_THREADS=1 $(PYTEST) $(PARALLEL) auto # a second thread for a small matrix only spins
QUICK := --ignore tests/e2e

# Tests of processes, a few at a time since they wait more than they compute; those that failed beside another are run once more, alone.
twice = $(PYTEST) $(2) $(1) || \
	{ echo "what failed beside other tests is run again, alone"; \
	  $(PYTEST) $(1) --last-failed --last-failed-no-failures none; }

unexport PYTHONDONTWRITEBYTECODE # tests start hundreds of processes, which would all compile the same modules

.DELETE_ON_ERROR:
.PHONY: help venv dev unit test e2e test-all lint bench demo constraints

help:
	@sed -n '3,9s/^# \{0,3\}//p' Makefile

venv: $(RUN_STAMP)

dev: $(DEV_STAMP)

$(CREATED):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is missing or older than Python 3.11; name another: make venv PYTHON=python3.11" >&2; exit 1; }
	@echo "venv: making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) || \
		{ echo "venv: this Python cannot make environments; on Debian and Ubuntu: apt-get install python3-venv" >&2; \
		  exit 1; }
	@touch $@

$(RUN_STAMP): pyproject.toml constraints.txt | $(CREATED)
	@echo "venv: installing what Sweepspot runs with (TensorFlow is large: minutes the first time)"
	@$(INSTALL) -e '.[tensorflow]'
	@touch $@

$(DEV_STAMP): pyproject.toml constraints.txt | $(CREATED)
	@echo "venv: installing what Sweepspot runs and is tested with (minutes the first time)"
	@$(INSTALL) -e '.[dev]'
	@touch $@ $(RUN_STAMP)

demo: $(RUN_STAMP)
	@$(BIN)/python -m harness sweep batch_size

unit: $(DEV_STAMP)
	@echo "unit: quick tests that open no socket and start no process, on all cores"
	@$(ON_ALL_CORES) $(QUICK) -m "not slow and not process"

test: $(DEV_STAMP)
	@echo "test: all quick tests; first those without a process, on all cores"
	@$(ON_ALL_CORES) $(QUICK) -m "not process"
	@$(call twice,$(QUICK) -m "process and not slow",--dist loadscope -n 3)

e2e: $(DEV_STAMP)
	@echo "e2e: tests that drive whole processes two at a time (they need wrk and chromium), and those that train models"
	@$(call twice,tests/e2e -m e2e,$(PARALLEL) 2)
	@$(call twice,$(QUICK) -m "process and slow",$(PARALLEL) 2)

test-all: test e2e
	@echo "long: every row of the README's table"
	@$(PYTEST) tests/e2e -m long

bench: $(DEV_STAMP)
	@echo "bench: figures depend on the machine; leave it alone meanwhile"
	@$(PYTEST) -s --timeout 0 -o python_files='bench_*.py' tests/benchmarks
	@$(BIN)/python -m tests.benchmarks.bench_harmed_time
	@$(BIN)/python -m tests.benchmarks.bench_agent throughput scheduling agreement

lint: $(DEV_STAMP)
	@echo "lint: rules, format, types"
	@$(BIN)/python -m ruff check --quiet .
	@$(BIN)/python -m ruff format --quiet --check .
	@$(BIN)/python -m mypy

constraints:
	@echo "constraints: pinning what is installed in $(VENV)"
	@{ sed '/^[^#]/,$$d' constraints.txt; $(BIN)/python -m pip freeze --exclude-editable | grep '=='; } > constraints.new
	@mv constraints.new constraints.txt
