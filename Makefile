# The front door. Every target works with Docker Compose where an engine answers, else in .venv; USE_DOCKER=0 or 1 decides.
.DEFAULT_GOAL := help
.PHONY: help setup up down clean initial-sync incremental-sync daemon status test-workflow logs logs-sync shell \
	test demo bench chaos soak check lint types imports format venv

PYTHON ?=
export PYTHON USE_DOCKER
ARGS ?=
# Tests run in as many processes as there are cores, at most four; PARALLEL= runs them in one.
PARALLEL ?= -n auto --maxprocesses 4 --dist worksteal
dispatch := scripts/dispatch.sh
python := .venv/bin/python

help: ## This list
	@echo "make TARGET [ARGS='more arguments'], now with: $$($(dispatch) where)"
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-20s %s\n", $$1, $$2}'

setup: ## Build the images, or make .venv
	@$(dispatch) setup

up: ## Start the stack (S3 server, mock API, test data), without the daemon
	@$(dispatch) up

down: ## End the stack and the daemon; what they kept stays
	@$(dispatch) down

clean: ## End the stack and delete what it kept (data/local, or the volumes)
	@$(dispatch) clean

initial-sync: ## Bring everything that the bucket holds to the file manager
	@$(dispatch) run initial-sync $(ARGS)

incremental-sync: ## Replay events once and deliver what changed
	@$(dispatch) run incremental-sync $(ARGS)

daemon: ## Start the daemon in the background (see logs-sync)
	@$(dispatch) daemon

status: ## Where things stand, in people's words
	@$(dispatch) run status $(ARGS)

test-workflow: ## The whole workflow on the stack: events from the bucket's changes, sync, CSV, final state
	@$(dispatch) test-workflow $(ARGS)

logs: ## Logs of the whole stack
	@$(dispatch) logs

logs-sync: ## Logs of the daemon
	@$(dispatch) logs-sync

shell: ## A shell where the service runs
	@$(dispatch) shell

demo: venv ## Initial sync, one change of each kind, incremental sync, and the proof, in under a minute
	@$(python) -m sync_service.main demo $(ARGS)

test: venv ## The tests
	@$(python) -m pytest $(PARALLEL) $(ARGS)

check: lint types imports test demo ## Everything that CI runs

lint: venv ## ruff: rules and format
	@$(python) -m ruff check .
	@$(python) -m ruff format --check .

types: venv ## mypy, strict
	@$(python) -m mypy

imports: venv ## import-linter: imports run downward only
	@.venv/bin/lint-imports

format: venv ## Let ruff format and mend
	@$(python) -m ruff check --fix .
	@$(python) -m ruff format .

bench: venv ## Speed and memory, measured
	@$(python) -m scripts.bench $(ARGS)

chaos: venv ## Every proof at full size (an hour; ARGS='--minutes 10'); writes docs/reliability.md
	@$(python) -m scripts.chaos $(ARGS)

soak: venv ## The daemon under faults and kills (30 minutes; ARGS='--minutes 5'): growth, and whether it converges
	@$(python) -m scripts.soak $(ARGS)

venv:
	@scripts/setup_venv.sh
