# Everything lives in .venv; the command is .venv/bin/tradingbot.
PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo serve test check format lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1|/' | column -t -s '|'

setup: .venv/.product ## install the product into .venv
setup-dev: .venv/.dev ## install the product, the training extra and the test tools

.venv/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 …"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --require-hashes -r requirements-uv.txt

.venv/.product: .venv/bin/uv requirements.txt pyproject.toml
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

.venv/.dev: .venv/.product requirements-dev.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-dev.txt
	@touch $@

demo: .venv/.product ## set up, replay a tape of alerts through app and local exchange, say what happened
	$(BIN)/tradingbot demo

serve: .venv/.product ## run the bot (paper mode unless .env says otherwise)
	$(BIN)/tradingbot serve

test: .venv/.dev ## set up and pass every test
	$(BIN)/python -m pytest -n 2 --dist loadgroup

check: .venv/.dev ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/.dev ## rewrite to the house format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: .venv/bin/uv ## recompute the locks with hashes
	$(BIN)/uv pip compile --quiet --upgrade --no-header --generate-hashes --python-version 3.11 --all-extras pyproject.toml -o requirements-dev.txt
	$(BIN)/uv pip compile --quiet --no-header --generate-hashes --python-version 3.11 -c requirements-dev.txt pyproject.toml -o requirements.txt

clean: ## remove the environment and everything the bot wrote
	rm -rf .venv var
