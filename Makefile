# The list of commands. `make` alone prints it.
PYTHON ?= python3
BIN := .venv/bin
DATA_DIR ?= ./data

# Processes that the tests start take the modules that earlier ones have compiled.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test lint serve bench soak reference clean

help: ## Print this list
	@sed -n 's/^\([a-z]*\):.*## /\1	/p' $(MAKEFILE_LIST) | expand -t 10

# Set up once, and again when the dependencies change.
.venv/ready: pyproject.toml client/pyproject.toml
	@echo "Setting up .venv (once; this downloads about 130 MB) ..."
	@$(PYTHON) -c 'import sys; sys.exit("hippod needs Python 3.11 or newer") if sys.version_info < (3, 11) else None'
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	@$(BIN)/python -m pip install --quiet -e ./client -e . --group dev
	@touch $@

demo: .venv/ready ## Start a server, load 5,000 packages, search them, stop
	@$(BIN)/python -m demo.run

test: .venv/ready lint ## Check style, types, layers; run all tests (under 5 minutes)
	@$(BIN)/python -m pytest -q -n 3 --dist loadfile

lint: .venv/ready ## Check style, types and layers only
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-cache > .venv/lint-imports.log || (cat .venv/lint-imports.log; exit 1)

serve: .venv/ready ## Run a server on DATA_DIR (default ./data) until Ctrl-C
	@$(BIN)/hippod serve --data-dir $(DATA_DIR)

bench: .venv/ready ## Measure the figures of bench/README.md; a table, and JSON in bench/out
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group bench
	@$(BIN)/python -m bench $(ARGUMENTS)

soak: .venv/ready ## The long tests: 1,600 kills, more model steps, an hour of made-up requests
	@$(BIN)/python -m pytest -q -m soak --timeout 7200

reference: .venv/ready ## Write docs/reference.md from the operations
	@$(BIN)/python -m tests.docs.reference

clean: ## Remove everything that was made here, but no data
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache bench/out dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
