# Everything sets itself up and is safe to run twice.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
STAMP = $(VENV)/.ready

.PHONY: help setup system demo test check types lint layers cover explore mutants breaks soak fuzz mutation bench docs site build clean

help: ## what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

setup: system $(STAMP) ## system packages (as root) and the virtual environment

system: ## the host's packages, where we are root on a Debian
	@scripts/system-packages

$(STAMP): pyproject.toml
	@scripts/virtualenv $(PYTHON) $(VENV)
	@touch $@

demo: setup ## a container's whole life, its history, and the replay of it
	@$(BIN)/python examples/whole_life.py

test: setup ## the whole test suite, with lint, types and layers
	@$(MAKE) --no-print-directory check
	@scripts/test $(BIN)/python

check: lint types layers ## what needs no running

lint: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(STAMP)
	@$(BIN)/mypy
	@$(BIN)/pyright --pythonpath $(BIN)/python

layers: $(STAMP)
	@$(BIN)/lint-imports --no-cache

cover: setup ## branch coverage of the pure rooms and the interpreter: must be whole
	@$(BIN)/python -m pytest -q tests/statemachine tests/effects tests/properties tests/engine \
	  --cov --cov-report=
	@$(BIN)/coverage report -m --include='statemachine/*,effects/*' --fail-under=100

explore: setup ## every reachable place of one container and of two operators, with all faults
	@$(BIN)/python -m lockgate.testing --all

mutants: setup ## the law broken on purpose, one way at a time: each must be caught
	@$(BIN)/python -m lockgate.testing --mutants

breaks: setup ## storage, spec and files broken on purpose, a line at a time: the row's test must notice
	@$(BIN)/python -m tests.breaks

SOAK ?= 50
soak: setup ## what the suite does in part, whole; what has no end, SOAK times as long (not timed yet)
	@scripts/soak $(BIN)/python $(SOAK)

FUZZ_SECONDS ?= 60
fuzz: setup ## coverage-guided bytes into everything that is read from outside
	@$(BIN)/pip install -q -e '.[fuzz]'
	@for one in $$(ls fuzz/corpus); do \
	  $(BIN)/python fuzz/outside.py $$one -max_total_time=$(FUZZ_SECONDS) -verbosity=0 || exit 1; done

mutation: setup ## every line of the pure rooms and the interpreter changed: do the tests notice?
	@$(BIN)/pip install -q -e '.[mutation]'
	@$(BIN)/mutmut run; $(BIN)/mutmut results

bench: setup ## what is compared with whom
	@$(BIN)/pip install -q -e '.[bench]'
	@$(BIN)/python benchmarks/step.py # not as a module: one of its rivals is named as our folder
	@for one in life everything exec many scale start_up network images; do \
	  $(BIN)/python -m benchmarks.$$one || exit 1; done

docs: $(STAMP) ## the pages that are written by the tables
	@$(BIN)/python -c 'from lockgate.statemachine.diagram import page; print(page(), end="")' \
	  > docs/reference/law.md

site: setup ## all pages as a site, in build/site
	@$(BIN)/pip install -q -e '.[docs]'
	@$(BIN)/sphinx-build -q -W --keep-going -b html docs build/site

build: setup ## the wheel, by way of the source distribution, and a look inside
	@scripts/check-wheel $(BIN)/python

clean: ## what the other targets made
	@rm -rf $(VENV) build dist .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis
