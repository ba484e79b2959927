# make demo: train a small detector and watch it; make test: all checks; make quick: those of a minute.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Three on two cores: many tests wait for processes.
JOBS ?= 3
# Compiled tests and modules are kept, whatever the environment says: tests start hundreds of interpreters.
export PYTHONDONTWRITEBYTECODE =

.PHONY: demo test quick check bench soak clean

demo: $(VENV)/.run-installed
	$(BIN)/labtui demo

test: check
	$(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

# The unit tests that take no time, types and style, side by side: what to run before a commit.
quick: $(VENV)/.dev-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@$(BIN)/mypy & types=$$!; \
	$(BIN)/pytest -q -n $(JOBS) --dist loadfile -m "not slow" tests/unit; tests=$$?; \
	wait $$types && exit $$tests

check: $(VENV)/.dev-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev-installed
	@for script in tests/bench/bench_*.py; do echo "== $$script"; $(BIN)/python "$$script" || exit 1; done

soak: $(VENV)/.dev-installed
	LABTUI_SOAK=1 $(BIN)/pytest -n 0

clean:
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find core tui tests -name __pycache__ -type d -prune -exec rm -rf {} +

# A virtual environment of its own, made once; installs are redone when pyproject.toml changes.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("labtui needs Python 3.11 or newer; this is " + sys.version.split()[0] + ": make PYTHON=python3.12") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run-installed: pyproject.toml | $(BIN)/python
	@echo "Installing labtui and torch into $(VENV): once, a few minutes."
	$(BIN)/pip install --disable-pip-version-check -e .
	@touch $@

$(VENV)/.dev-installed: pyproject.toml | $(BIN)/python
	@echo "Installing labtui, torch and the developer tools into $(VENV): once, a few minutes."
	$(BIN)/pip install --disable-pip-version-check -e '.[dev]'
	@touch $@ $(VENV)/.run-installed
