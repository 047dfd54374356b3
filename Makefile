# The same commands by hand, before a commit and in CI. Needs Python 3.11 or later with venv and pip; nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
FIGURES := .venv-figures
MEASURED := benchmarks/figures

.PHONY: help setup demo test check bench figure lock clean
help:            ## what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

setup: $(VENV)/.ready    ## the virtual environment with the locked dependencies and the adledger command

$(VENV)/.ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(BIN)/python -m compileall -q contracts_io pipelines assets services
	@touch $@

demo: setup      ## a sample month in demo-home, made anew, run and closed
	@rm -rf demo-home
	@$(BIN)/adledger demo --home demo-home

test: setup      ## lint, types and every test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 --dist worksteal

bench: setup     ## the night against plain SQL, a small size (sizes are arguments: see docs/benchmarks.md)
	$(BIN)/python benchmarks/night.py

figure:          ## the tables and the picture in docs/benchmarks.md from benchmarks/figures/*.json; installs matplotlib apart
	@test -x $(FIGURES)/bin/python || $(PYTHON) -m venv $(FIGURES)
	@$(FIGURES)/bin/python -m pip install --quiet --disable-pip-version-check 'matplotlib>=3.9,<4' 'rich>=13'
	$(FIGURES)/bin/python benchmarks/shown.py $(wildcard $(MEASURED)/night-*.json $(MEASURED)/goals*.json) --into docs/benchmarks.md
	$(FIGURES)/bin/python benchmarks/figure.py --rows $(wildcard $(MEASURED)/rows-*.json) \
		--days $(wildcard $(MEASURED)/days-*.json) --to docs/images/benchmark.png

lock: setup      ## renew requirements.lock from pyproject.toml
	$(BIN)/python -m pip install --quiet pip-tools
	$(BIN)/pip-compile --quiet --no-header --strip-extras --generate-hashes --allow-unsafe --no-emit-index-url \
		--no-emit-trusted-host --no-emit-find-links --extra ui --extra postgres --extra dev \
		--output-file requirements.lock pyproject.toml

clean:           ## remove the virtual environment and the demo
	rm -rf $(VENV) $(FIGURES) demo-home
