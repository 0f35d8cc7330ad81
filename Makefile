# make demo · make test · make check · make docs · make coverage: each builds .venv by itself when it is not there.
PYTHON ?= python3
BIN := .venv/bin
# Networks of tests run on one thread, so each core takes whole files of them.
SIDE_BY_SIDE := -n auto --dist loadfile
# What codecs/compressai is compared with, without its dependencies (tests/compressai_oracle.py); tests of it are skipped
# where there is no wheel.
ORACLE := compressai==1.2.8

.PHONY: demo test check lint docs coverage lock clean

demo: .venv/.ready
	$(BIN)/slimcodec demo

test: .venv/.ready lint
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) --durations=15

check: .venv/.ready lint
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m "not slow" -q

lint: .venv/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: .venv/.ready
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# From Python 3.12 on lines are counted by the interpreter itself, which costs next to nothing.
coverage: .venv/.ready
	COVERAGE_CORE=$$($(BIN)/python -c 'import sys; print("sysmon" if sys.version_info >= (3, 12) else "ctrace")') \
	  $(BIN)/python -m pytest $(SIDE_BY_SIDE) -m "not slow" -q --cov=slimcodec --cov-report=
	@$(BIN)/coverage report --sort=cover --skip-empty | awk 'NR <= 17 || /^TOTAL/'

# The exact versions of what `.[dev]` brings, as a new environment gets them today; torch's is chosen by hand, for a bare
# `torch` is gigabytes of CUDA.
lock:
	$(PYTHON) -m venv .venv-lock
	grep '^torch==' constraints.txt > .venv-lock/torch.txt
	.venv-lock/bin/python -m pip install --quiet --disable-pip-version-check -c .venv-lock/torch.txt -e '.[dev]'
	{ echo '# Exact versions of all that `pip install -e ".[dev]"` brings, by `make lock`; the package itself takes ranges.'; \
	  .venv-lock/bin/python -m pip freeze --exclude-editable | sed 's/+.*//'; } > constraints.txt
	rm -rf .venv-lock

.venv/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	-$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --only-binary compressai $(ORACLE)
	touch $@

clean:
	rm -rf .venv build dist site src/*.egg-info
