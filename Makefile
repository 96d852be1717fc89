# Two words: `make up` shows it running, `make test` is the whole gate. Both install what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# boots a kernel that has cgroup v2 alone and runs a command in it; not needed where the host has cgroup v2 itself
V2_RUNNER ?= ../shared/cgroup-v2/run-in-v2

# what is tested and measured is what users run: modules compiled once, not by every process
unexport PYTHONDONTWRITEBYTECODE

ROUNDS ?= 10
SEED ?= 1

.PHONY: up test check pytest chaos chaos-short test-v2 fuzz bench bench-quick bench-load schema packages clean

up: $(VENV)/.installed
	$(BIN)/pycompose up -f compose.example.yaml

test: packages check pytest chaos-short

check: $(VENV)/.tested
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

pytest: $(VENV)/.tested
	$(BIN)/pytest

# kills our own processes at random and proves that nothing was lost
chaos: $(VENV)/.tested
	$(BIN)/python -m tests.chaos --rounds $(ROUNDS) --seed $(SEED) $(CHAOS_OPTIONS)

# rounds side by side, as most of a round is waiting; none is begun after a minute
chaos-short: $(VENV)/.tested
	$(BIN)/python -m tests.chaos --rounds 10 --jobs 4 --seconds 60

test-v2: $(VENV)/.tested
	V2_RUNNER=$(V2_RUNNER) tests/v2/run

# any input is answered with a project or with problems: TARGET is compose, env, template or values
SECONDS ?= 60
TARGET ?= compose
fuzz: $(VENV)/.tested
	$(BIN)/pip install -q --disable-pip-version-check 'atheris>=2.3'
	$(BIN)/python -m tests.loader.fuzz $(TARGET) $(SECONDS)

# beside what users would otherwise run, as far as it is installed: benchmarks/RESULTS.md; in quiet minutes only
bench: $(VENV)/.tested
	$(BIN)/python -m benchmarks.compare

bench-quick: $(VENV)/.tested
	$(BIN)/python -m benchmarks.compare --quick

# what loading costs, beside PyYAML and an empty Python; ratios of one run
bench-load: $(VENV)/.tested
	$(BIN)/python benchmarks/load.py

# after a change of the model or of a short form: the schema that editors use
schema: $(VENV)/.tested
	$(BIN)/python -m tests.loader.generate_schema

packages:
	tests/install-packages

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV) || { apt-get update -q && apt-get install -qy python3-venv && $(PYTHON) -m venv $(VENV); }

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml
	$(BIN)/pip install -q --disable-pip-version-check -e .
	touch $@

$(VENV)/.tested: $(VENV)/bin/python pyproject.toml
	$(BIN)/pip install -q --disable-pip-version-check -e '.[test]'
	$(BIN)/pip install -q --disable-pip-version-check -e '.[oracle]' || echo "docker compose is not to be had: not compared with"
	touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .hypothesis .import_linter_cache
