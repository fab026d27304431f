# make run and make test do all the set-up; see README.md.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready# what archsim needs
TOOLS := $(VENV)/.tools# what its tests need besides

.PHONY: run test test-slow check format bench venv clean

run: $(READY)
	$(BIN)/archsim run arch_configs/isaac_vpu.yaml traces/minilm_l6.trace.json

test: check
	$(BIN)/python -m pytest -n 2 -m "not slow"

# real processes killed in the middle of sweeps, and of the first compilation
test-slow: $(TOOLS)
	$(BIN)/python -m pytest -m slow tests/test_sweep_kill.py tests/test_sweep_jobs.py tests/test_engine_cache.py

venv: $(TOOLS)

check: $(TOOLS)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(TOOLS)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY)
	$(BIN)/archsim bench run

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(READY): setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "archsim needs Python 3.11 or newer, this is " + sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --editable .
	touch $@

$(TOOLS): $(READY)
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $@
