# `make demo` and `make test` need Python 3.11 or later with pip, and nothing else.
PYTHON ?= python3
BIN := .venv/bin
WEIGHTS ?=

.PHONY: demo test lint clean

.venv/.ready: setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: .venv/.ready
	$(BIN)/polarnet demo --out demo $(if $(WEIGHTS),--weights $(WEIGHTS))

test: .venv/.ready lint
	$(BIN)/python -m pytest --cov --cov-report=term

lint: .venv/.ready
	$(BIN)/ruff check polarnet tests experiments
	$(BIN)/ruff format --check polarnet tests experiments
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf .venv build dist *.egg-info
