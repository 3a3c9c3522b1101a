# Scope's tasks. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
CARGO := cargo

.PHONY: help run build dev dist test lint bench soak fuzz clean prepare prepare-tests

help: ## This list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## Build everything and start Scope in the foreground on :4040
	exec target/release/scope launch --foreground

build: prepare ## Release binary with the page in it: target/release/scope
	$(CARGO) build --release --locked

prepare: # what a build needs beyond cargo
	@scripts/wasm-target.sh

prepare-tests: prepare # what the tests need beyond that
	@scripts/test-tools.sh

dev: prepare ## Build, start, and do so again at every change of a source
	@scripts/dev.sh

dist: build ## One file for the other hosts, and what it needs of them
	@scripts/dist.sh

test: prepare-tests ## All tests: units, several real hosts, a real browser
	@scripts/test.sh

lint: prepare ## Formatting, clippy without warnings, licences
	@scripts/lint.sh

bench: build prepare-tests ## The figures of the README, with the goal beside each
	$(CARGO) run --release --locked -p scope-tests --bin bench -- target/release/scope

soak: build prepare-tests ## An hour of churn (MINUTES=60): whether memory stays flat
	$(CARGO) run --release --locked -p scope-tests --bin bench -- soak target/release/scope $(MINUTES)

fuzz: prepare ## What comes over the wire, fuzzed for a minute each (TIME=60)
	@scripts/fuzz.sh $(TIME)

clean: ## Remove what was built
	$(CARGO) clean
