# One word per habit; everything lives in .venv and nothing else needs setting up.
# PIP_ARGS is passed to pip, for example PIP_ARGS="--extra-index-url URL" for another torch build.

PYTHON ?= $(shell for p in python3.11 python3 python3.12 python3.13; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
PIP_ARGS ?=
PYTEST_ARGS ?=
BENCH_ARGS ?=
MODELS ?=

.PHONY: help demo test lint types docs bench bundle clean
.DELETE_ON_ERROR:

help:
	@echo "make demo    install into $(VENV) and score the example cohort"
	@echo "make test    install the development tools too and run every test"
	@echo "make lint    ruff: rules and format"
	@echo "make types   mypy"
	@echo "make docs    build the site of the documentation: build/site/index.html"
	@echo "make bench   time genomed beside its peers"
	@echo "make bundle  pack wheels, the workflow and MODELS=\"NAME...\" for a machine without network"
	@echo "make clean   remove what the above made"

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "error: Python 3.11 or newer is needed; none was found" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml genomed/__init__.py | $(BIN)/python
	$(PIP) install --quiet $(PIP_ARGS) --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) install --quiet $(PIP_ARGS) --editable '.[dev]'
	@touch $@

demo: $(VENV)/.installed
	$(BIN)/genomed risk examples/data/cohort.vcf.gz --out demo-out

test: $(VENV)/.installed-dev  # a thread of OpenMP for each of the workers, who keep the cores busy
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist loadscope $(PYTEST_ARGS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

$(VENV)/.installed-docs: $(VENV)/.installed
	$(PIP) install --quiet $(PIP_ARGS) --editable '.[docs]'
	@touch $@

docs: $(VENV)/.installed-docs
	$(BIN)/python docs/tools/reference.py
	NO_MKDOCS_2_WARNING=true $(BIN)/mkdocs build --quiet

bench: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/run.py $(BENCH_ARGS)

bundle: $(VENV)/.installed
	$(BIN)/python deploy/bundle.py $(MODELS) --pip "$(PIP_ARGS)" --out dist

clean:
	rm -rf $(VENV) demo-out build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find genomed tests benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} +
