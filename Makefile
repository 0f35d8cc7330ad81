# make demo · make test · make check: each builds .venv by itself when it is not there.
PYTHON ?= python3
BIN := .venv/bin
# Networks of tests run on one thread, so each core takes whole files of them.
SIDE_BY_SIDE := -n auto --dist loadfile

.PHONY: demo test check lint clean

demo: .venv/.ready
	$(BIN)/slimcodec demo

test: .venv/.ready lint
	$(BIN)/python -m pytest $(SIDE_BY_SIDE)

check: .venv/.ready lint
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m "not slow" -q

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
