# make demo · make test · make check: each builds .venv by itself when it is not there.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check lint clean

demo: .venv/.ready
	$(BIN)/slimcodec demo

test: .venv/.ready lint
	$(BIN)/python -m pytest

check: .venv/.ready lint
	$(BIN)/python -m pytest -m "not slow" -q

lint: .venv/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.venv/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf .venv build dist src/*.egg-info
