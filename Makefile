# `make demo` shows the main job, `make test` checks everything. Both set up their own .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements-dev.lock
# Processes of pytest, three for two cores: tests wait for processes and servers. Each takes up to 1 GB.
WORKERS ?= $(shell $(PYTHON) -c "import os; print(min(8, (os.cpu_count() or 1) * 3 // 2))")

# The folder of the public question sets, which are not part of the repository (training/README.md).
QUESTIONS ?= ../shared/data/questions
# The folder of the public sets and recorded outcomes (benchmarks/public/README.md).
DATA ?= ../shared/data

# Commands that tests start would compile the package again and again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup lock demo docs audit test test-all test-clients test-pythons test-scale lint types contracts unit bench public dist reference recording plugins clean train train-ranking accuracy

setup: $(VENV)/.done

$(VENV)/.done: pyproject.toml $(LOCK)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint $(LOCK) --editable . --group dev
	@touch $@

# The versions that `setup` takes, as constraints. Without hashes, which are of one platform's wheels.
lock:
	rm -rf .venvs/lock
	$(PYTHON) -m venv .venvs/lock
	.venvs/lock/bin/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	.venvs/lock/bin/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
	echo "# Made by 'make lock': the newest versions that pyproject.toml takes, which 'make setup' then keeps to." > $(LOCK)
	.venvs/lock/bin/python -m pip freeze --exclude-editable | grep -E '^[A-Za-z0-9._-]+==' >> $(LOCK)
	rm -rf .venvs/lock

demo: setup
	@$(BIN)/nlapi demo

# Known faults of the packages that are installed, and what looks like a credential in tracked files. Needs the network for the first;
# what cannot run is left out, with the reason.
audit: setup
	$(BIN)/python -m benchmarks.security_audit

# The checks of the text beside one another, and then the tests, some of which have limits of time.
test: setup
	$(MAKE) --no-print-directory -j 3 lint types contracts
	$(MAKE) --no-print-directory unit

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

contracts: setup
	$(BIN)/lint-imports

unit: setup
	$(BIN)/python -m compileall -q nlapi
	$(BIN)/pytest -n $(WORKERS) --maxprocesses 8 --dist worksteal --hypothesis-profile quick -m "not slow"

# What `make test` leaves out: the tests marked as slow, each of which takes longer than what it finds is worth in every run, and
# three of four examples of the tests of properties.
test-all: setup
	$(BIN)/python -m compileall -q nlapi
	$(BIN)/pytest -n $(WORKERS) --maxprocesses 8 --dist worksteal -m "slow or hypothesis"

# The real clients, fetched with npm, and the frameworks that need an environment of their own under .venvs/; what cannot be had is
# left out, with the reason.
test-clients: setup
	$(BIN)/python -m benchmarks.plugin_client
	$(BIN)/python -m benchmarks.mcp_clients
	$(BIN)/python -m benchmarks.agent_frameworks
	$(BIN)/python -m benchmarks.claude_platforms
	$(BIN)/python -m benchmarks.panels
	$(BIN)/python -m benchmarks.consoles

# Each supported Python that is here or can be fetched; one that cannot be had is left out, with the reason.
test-pythons: setup
	$(BIN)/python -m benchmarks.pythons

# Real programs beside the gateway (model servers, proxies, databases), each in an environment of its own under .venvs/; what
# cannot be installed is left out, with the reason. Minutes, so `make test` leaves these out (norecursedirs).
test-scale: setup
	$(BIN)/pytest -rs -o faulthandler_timeout=900 tests/scale

bench: setup
	$(BIN)/python -m benchmarks

# docs/measured.md: public sets, with their own scorers where they have one, beside others. Needs the folder of the data.
public: setup
	$(BIN)/python -m benchmarks.public --data $(DATA)

# The wheel, the sdist and the SBOM of a release in dist/, checked (docs/releasing.md).
dist: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group release
	$(BIN)/python -m benchmarks.dist

# Writes the files that ship again; needs npm for the descriptions of real APIs.
train: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group train
	$(BIN)/python -m training --questions $(QUESTIONS)

# After a change to the features of the ranking alone.
train-ranking: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group train
	$(BIN)/python -m training --questions $(QUESTIONS) ranking

# Writes the figures that `make test-all` holds the planner to, where nothing is worse.
accuracy: setup
	$(BIN)/python -m benchmarks.accuracy --update

reference: setup
	COLUMNS=100 NO_COLOR=1 $(BIN)/typer nlapi.cli.main utils docs --name nlapi > docs/reference.md
	$(BIN)/python -m benchmarks.python_reference

# The documentation site in build/docs, strictly: a broken link or a missing heading is an error.
docs: setup
	$(BIN)/python -m benchmarks.docs_site

# The picture of a session in the README, from a real one.
recording: setup
	$(BIN)/python -m benchmarks.recording

plugins: setup
	$(BIN)/nlapi plugin build ads -o plugins/ads
	$(BIN)/nlapi plugin build gateway -o plugins/gateway --auth admin=env:NLAPI_GATEWAY_TOKEN

clean:
	rm -rf $(VENV) .venvs build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
