# Two commands do all the set-up on a fresh machine with Python 3.11 or later: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint types layers unit bench clean

# The main job: the seed example, built as an OCI image and run in a container of its own.
demo: .venv/ready
	$(BIN)/imagewright run --container examples/image_build.py main

# Everything that a change must pass.
test: .venv/ready-dev lint types layers unit

lint: .venv/ready-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: .venv/ready-dev
	$(BIN)/mypy

layers: .venv/ready-dev
	$(BIN)/lint-imports

unit: .venv/ready-dev
	$(BIN)/pytest -q

# The figures, pictures and tables of README.md and docs, measured anew: some 40 minutes with nothing else to do.
bench: .venv/ready-dev
	$(BIN)/python benchmarks/build.py
	$(BIN)/python benchmarks/growth.py
	$(BIN)/python benchmarks/report.py

clean:
	rm -rf .venv

.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

.venv/ready-dev: .venv/ready
	$(BIN)/python -m pip install --quiet --group dev
	touch $@
