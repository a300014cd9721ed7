# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0

SHELL := /bin/bash
.DEFAULT_GOAL := help

VENV := .venv
# What follows the command, as in: make test ARGS='-k tiler'
ARGS ?=
# GROUND=1 installs torch and the ONNX tools too, whose tests are skipped otherwise.
GROUND ?=
SETUP_OPTIONS = $(if $(GROUND),--ground)

.PHONY: help setup ground demo demo-change test test-ground test-floor test-ceiling lint bench bench-budget clean

help:  ## Say what there is
	@sed -nE 's/^([a-z-]+):.*## (.*)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20
	@echo "PYTHON=/path/to/python3 chooses the Python, ARGS='...' reaches the command"

setup:  ## Make or refresh .venv
	@python="$$(tools/find_python.sh)" && "$$python" -B -m tools.setup_env $(SETUP_OPTIONS)

ground: GROUND := 1
ground: setup  ## The same with torch and the ONNX tools

demo: setup  ## Fly the bundled flight through the real graph
	@$(VENV)/bin/rs_onboard demo $(ARGS)

demo-change: setup  ## Fly over a map four years older and look at what changed
	@$(VENV)/bin/rs_onboard demo flights/prairie_ponds --params flights/prairie_ponds/params.yaml --out out/demo_change $(ARGS)

test: setup  ## Run all tests that need no torch (GROUND=1: those too)
	@$(VENV)/bin/python -m pytest -q $(ARGS)

test-ground: GROUND := 1
test-ground: test  ## Run all tests, installing torch where it is missing

lint: setup  ## Check style and types
	@$(VENV)/bin/ruff check && $(VENV)/bin/ruff format --check && $(VENV)/bin/mypy

test-floor: PYTHON ?= python3.10
test-floor:  ## Test the flight core on the oldest libraries (Python 3.10)
	@$(PYTHON) -m venv build/floor && build/floor/bin/pip -q install -r requirements/floor.txt
	@build/floor/bin/python -m pytest -q test/perception test/inference test/geo test/replay $(ARGS)

test-ceiling: PYTHON ?= python3.13
test-ceiling:  ## Test the flight core on the newest libraries (Python 3.13)
	@$(PYTHON) -m venv build/ceiling && build/ceiling/bin/pip -q install -r requirements/ceiling.txt
	@build/ceiling/bin/python -m pytest -q test/perception test/inference test/geo test/replay $(ARGS)

bench: setup  ## Measure the overhead outside the networks
	@$(VENV)/bin/python benchmarks/overhead.py $(ARGS)

bench-budget: setup  ## Fly while other processes take the cores away and give them back (2 min)
	@$(VENV)/bin/python benchmarks/budget.py $(ARGS)

clean:  ## Remove .venv, everything built and all caches
	@rm -rf $(VENV) build install log dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
