# `make demo` and `make test` need Python 3.11 or later with pip, and nothing else.
PYTHON ?= python3
BIN := .venv/bin
WEIGHTS ?=

.PHONY: demo study bench docs dist test pytest coverage lint clean

.venv/.ready: setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: .venv/.ready
	$(BIN)/polarnet demo --out demo

# The study in full, on a phantom or on COHORT=folder; PLAN=file, FULL=1 for 224 px.
study: .venv/.ready
	$(BIN)/python experiments/study/run.py $(COHORT) --out $(or $(OUT),study) $(if $(WEIGHTS),--weights $(WEIGHTS)) $(if $(PLAN),--plan $(PLAN)) $(if $(FULL),--full)

# Ratios against other programs, on an idle machine; peers by `pip install polarnet[bench]`.
# QUICK=1 compares results alone, on any machine.
bench: .venv/.ready
	$(BIN)/python experiments/benchmarks/bench.py --out $(or $(OUT),bench) $(if $(QUICK),--quick)

# The documentation site, in build/docs, made anew. Nothing is fetched but the packages of the extra.
MADE_DOCS := docs/generated docs/auto_gallery docs/gallery/demo

docs: .venv/.docs
	rm -rf build/docs $(MADE_DOCS)
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going docs build/docs

.venv/.docs: .venv/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[docs]'
	touch $@

# Wheel and source archive in dist/, and what a package index will find wrong with them.
dist: .venv/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[release]'
	rm -rf build dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/python -m twine check --strict dist/*

# On N processes (two). Few arenas: with many, glibc keeps what TensorFlow's threads have freed.
pytest coverage: export MALLOC_ARENA_MAX := 2
TEST := -m pytest --numprocesses $(or $(N),2) --dist loadfile --no-loadscope-reorder

test: .venv/.ready
	$(MAKE) --no-print-directory -j2 lint pytest

pytest:
	$(BIN)/python $(TEST)

# Twice as long as the tests alone, because TensorFlow's own Python is traced too.
coverage: .venv/.ready
	$(BIN)/python $(TEST) --cov --cov-report=term --cov-fail-under=93

lint: .venv/.ready
	$(BIN)/ruff check polarnet tests experiments docs
	$(BIN)/ruff format --check polarnet tests experiments docs
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf .venv build dist *.egg-info $(MADE_DOCS)
