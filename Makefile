# `make demo` and `make test` do everything a newcomer needs; `make help` lists the rest.

# The first Python that is new enough; name another with `make install PYTHON=/path/to/python3`.
NEW_ENOUGH := -c 'import sys; sys.exit(sys.version_info < (3, 11))'
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python3.14; do \
	if $$python $(NEW_ENOUGH) 2>/dev/null; then echo $$python; break; fi; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# Each worker begins with one half, in order: what a module prepares is prepared once. Long ones stand at the head of
# each half (tests/conftest.py).
PYTEST := $(BIN)/python -m pytest -q -n 2 --dist worksteal
LOCK_TOOL := .cache/lock-tool
# What the tests need is locked; `peers` and `umbridge` are not.
LOCKED_EXTRAS := dev notebooks nutpie omics imaging serve distributed
# Programs that benchmarks are held against, each in an environment of its own.
PEERS := emcee tinyda pints cuqipy jax sundae statsmodels dynamax dapper
PEER_FOLDER := .cache/peers
# The option that names a peer's Python, where its environment is there.
peer = $(if $(wildcard $(PEER_FOLDER)/$(1)/installed),--$(1) $(PEER_FOLDER)/$(1)/bin/python)
# A benchmark that needs a peer, or a line that it is left out.
with_peer = $(if $(call peer,$(1)),$(BIN)/python tests/benchmarks/$(2) $(call peer,$(1)),echo \
	"left out: $(2), for want of $(PEER_FOLDER)/$(1)")
# Dense algebra here is small: threads cost more than they give, and chains are processes of their own.
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export MKL_NUM_THREADS := 1

.PHONY: help install demo test test-slow test-all peers bench bench-full bench-rest lint lock clean
.DEFAULT_GOAL := help

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: .venv/installed ## make .venv from the lock file

.venv/installed: requirements.lock pyproject.toml
	@{ test -n "$(PYTHON)" && $(PYTHON) $(NEW_ENOUGH); } || { \
		echo "mscale_uq needs Python 3.11 or newer; \
	there is $$(python3 --version 2>/dev/null || echo no python3) on the PATH." >&2; \
		echo "Install a newer one, or name it: make install PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "Installing into .venv with $(PYTHON) ($$($(PYTHON) --version)); the first time takes a minute or two"
	@test -x $(BIN)/python || $(PYTHON) -m venv --clear .venv
	@$(PIP) --require-hashes --requirement requirements.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

demo: install ## calibrate heat_conduction from its data: posterior table and HTML report
	@$(BIN)/mscale fit heat_conduction

test: install ## the fast tests
	$(PYTEST)

test-slow: install ## only the slow tests, and which of them are dearest
	$(PYTEST) --timeout 1200 --durations 20 -m slow

test-all: install ## every test: also the built wheel, the notebooks and a quick profile of every case
	$(PYTEST) --timeout 1200 --durations 20 -m "slow or not slow"

bench: install ## kernels against SciPy and scikit-fem, in one process, under two minutes
	@$(BIN)/python tests/benchmarks/bench_kernels.py --rounds 3

$(PEER_FOLDER)/%/installed: tests/benchmarks/peers/%.txt
	@echo "Installing $* into $(@D)"
	@$(PYTHON) -m venv --clear $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

peers: $(PEERS:%=$(PEER_FOLDER)/%/installed) ## environments of the programs that benchmarks are held against

bench-full: install ## all benchmarks, those of other programs in environments of their own; over an hour
	@$(MAKE) --no-print-directory --keep-going peers || echo "some peers could not be installed"
	@$(MAKE) --no-print-directory bench-rest

# Its own call of make, so that it sees the environments which were just made.
bench-rest:
	@$(BIN)/python tests/benchmarks/bench_kernels.py --rounds 15
	@$(BIN)/python tests/benchmarks/bench_gradient.py
	@$(BIN)/python tests/benchmarks/bench_start.py
	@$(BIN)/python tests/benchmarks/bench_workers.py
	@$(BIN)/python tests/benchmarks/bench_overhead.py
	@$(BIN)/python tests/benchmarks/bench_stiff.py $(call peer,sundae)
	@$(call with_peer,jax,bench_jax.py)
	@$(BIN)/python tests/benchmarks/bench_coordinates.py
	@$(BIN)/python tests/benchmarks/bench_surrogate.py
	@$(BIN)/python tests/benchmarks/bench_samplers.py --json .cache/samplers.json \
		$(foreach name,emcee tinyda pints cuqipy,$(call peer,$(name)))
	@$(BIN)/python tests/benchmarks/bench_samplers.py nuts surrogate nutpie-plain --case graded_inclusions \
		--draws 150 --tune 120 --chains 1
	@$(BIN)/python tests/benchmarks/laplace64.py nuts .cache/laplace64
	@$(BIN)/python tests/benchmarks/bench_filters.py $(call peer,statsmodels) $(call peer,dynamax)
	@$(call with_peer,dapper,bench_lorenz96.py)
	@$(BIN)/python tests/benchmarks/bench_frame.py
	@$(BIN)/python tests/benchmarks/bench_stream.py
	@$(BIN)/python tests/benchmarks/bench_twins.py

lint: install ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lock: ## work out requirements.lock anew from pyproject.toml
	@test -x $(LOCK_TOOL)/bin/uv || { $(PYTHON) -m venv $(LOCK_TOOL) && $(LOCK_TOOL)/bin/pip install --quiet uv; }
	@UV_CUSTOM_COMPILE_COMMAND="make lock" $(LOCK_TOOL)/bin/uv pip compile pyproject.toml \
		--universal --python-version 3.11 --fork-strategy fewest --generate-hashes --no-emit-index-url \
		$(LOCKED_EXTRAS:%=--extra %) \
		--quiet --output-file requirements.lock
	@! grep -nE '://|$(CURDIR)' requirements.lock

clean: ## remove .venv, caches and build artefacts; runs/ stays
	rm -rf .venv .cache .mypy_cache .pytest_cache .ruff_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
