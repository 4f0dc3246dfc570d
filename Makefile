# zclab: one line of help for each target; `make` prints them.
CARGO ?= cargo
ZCLAB = target/release/zclab

.DEFAULT_GOAL := help
.PHONY: help setup build run test check bench report fixtures gate clean

help: ## This list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: ## What a bare Debian or Ubuntu needs besides Rust: a C compiler (for zstd); skipped when present
	@command -v $(CARGO) >/dev/null || { echo "zclab needs Rust 1.95 or newer" >&2; exit 2; }
	@command -v cc >/dev/null || { command -v apt-get >/dev/null && \
	  { [ "$$(id -u)" = 0 ] && apt-get update && apt-get install -y gcc libc6-dev; } || \
	  { echo "zclab needs a C compiler: as root, apt-get install gcc libc6-dev" >&2; exit 2; }; }
	@echo "setup: nothing more is needed"

build: setup ## Build the program: target/release/zclab
	$(CARGO) build --release --locked -p zclab

run: build ## The main job: generate a Kafka log, move it by every strategy, write record and page
	$(ZCLAB) run quick

test: ## All tests; what this machine cannot run is named as SKIPPED
	$(CARGO) test --workspace --locked --no-fail-fast -- --show-output 2>&1 | sh .ci/summary.sh

check: ## Format, clippy with warnings denied, tests, documentation
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(MAKE) test
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked

bench: ## Criterion benchmarks of log generation, verification and statistics
	$(CARGO) bench --workspace --locked

report: build ## Pages of the newest run, made anew from its record
	$(ZCLAB) report results/runs/latest

fixtures: ## Make golden partitions anew from a real Kafka broker (Java 17, Maven and Python; minutes)
	sh harness/tests/fixtures/make.sh

gate: ## The performance gate: not built yet
	@echo "gate: not built yet"; exit 2

clean: ## Remove build products, generated logs and runs that were not committed
	$(CARGO) clean
	rm -rf results/runs results/logs
