# zclab: one line of help for each target; `make` prints them.
CARGO ?= cargo
ZCLAB = $(or $(CARGO_TARGET_DIR),target)/release/zclab

.DEFAULT_GOAL := help
.PHONY: help setup build run test check bench bpf report kernels fixtures gate gate-power clean

help: ## This list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: ## What a bare Debian or Ubuntu needs besides Rust: a C compiler (for zstd); skipped when present
	@command -v $(CARGO) >/dev/null || { echo "setup: zclab needs Rust 1.95 or newer" >&2; exit 2; }
	@command -v cc >/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update && apt-get install -y gcc libc6-dev; \
	  else echo "setup: zclab needs a C compiler; on Debian or Ubuntu, as root: apt-get install gcc libc6-dev" >&2; exit 2; fi; }

build: setup ## Build the program: target/release/zclab
	$(CARGO) build --release --locked -p zclab

run: build ## The main job: generate a Kafka log, move it by every strategy, write record and pages
	$(ZCLAB) run quick

# The last line of the group tells the summary how cargo ended: a pipe has only the exit code of its last command.
test: setup ## All tests; what this machine cannot run is named as SKIPPED
	@{ $(CARGO) test --workspace --locked --no-fail-fast -- --show-output; echo "cargo test ended with $$?"; } 2>&1 | sh .ci/summary.sh

# Help texts are doc comments and write <id> where they mean it; links to private items resolve in these documents.
check: setup ## Format, clippy with warnings denied, tests, documentation
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(MAKE) test
	RUSTDOCFLAGS="-D warnings -A rustdoc::invalid-html-tags -A rustdoc::private-intra-doc-links" $(CARGO) doc --workspace --no-deps --document-private-items --locked

bench: setup ## Criterion benchmarks of log generation and verification
	$(CARGO) bench --workspace --locked --benches

bpf: ## Compile the kernel programs anew: harness/bpf/ledger.bpf.o (clang, llvm-strip, libbpf's headers)
	sh harness/bpf/build.sh harness/bpf/ledger.bpf.o
	clang --version | sed -n 's/.*clang version \([^ ]*\).*/\1/p' >harness/bpf/compiler.txt

report: build ## Pages of the newest run, made anew from its record
	$(ZCLAB) report results/runs/latest

# The guests need a program that is linked to nothing; KERNELS_ZCLAB may name another one.
STATIC = target/kernels/build/x86_64-unknown-linux-gnu/release/zclab
KERNELS_ZCLAB ?= target/kernels/zclab
KERNELS_OUT ?= results/runs/kernels
# Scenarios to check in place of all: KERNELS_CHECK="kernels/catalogue" is the shortest that says something.
KERNELS_CHECK ?=

kernels: build ## Count copies on Debian's kernels in QEMU, 5.10 to 7.3; some: KERNELS="6.1 7.3" (Debian's apt, QEMU, busybox)
ifeq ($(KERNELS_ZCLAB),target/kernels/zclab)
	RUSTFLAGS='-C target-feature=+crt-static' $(CARGO) build --release --locked -p zclab \
	  --target x86_64-unknown-linux-gnu --target-dir target/kernels/build
	strip -o $(KERNELS_ZCLAB) $(STATIC)
endif
	@KERNELS_CHECK="$(KERNELS_CHECK)" python3 -B harness/kernels/matrix.py $(KERNELS_ZCLAB) $(KERNELS_OUT) $(KERNELS); code=$$?; \
	  $(ZCLAB) report $(KERNELS_OUT) && exit $$code

fixtures: ## Make golden partitions anew from a real Kafka broker, in target/fixtures (Java 17, Maven, Python; minutes)
	sh harness/tests/fixtures/make.sh

# The parent's dependencies are those of this build: copied, so that only what is ours is compiled anew.
GATE_BASE ?= HEAD~1
GATE_BUDGET ?= 120s
# Two builds of equal source differ by up to 2 % of sender CPU, by where the compiler puts their loops.
GATE_MARGIN ?= 3%
# What it means when nothing can be said: three (the exit code), fail or pass.
GATE_INCONCLUSIVE ?= three
gate: build ## Gate this tree against its parent: counts and sender CPU (GATE_BASE=REV GATE_BUDGET=120s GATE_MARGIN=3%)
	@git rev-parse --verify --quiet '$(GATE_BASE)^{commit}' >/dev/null || \
	  { echo "gate: there is no revision $(GATE_BASE) here (a shallow clone?)" >&2; exit 2; }
	@[ -d target/gate/build/release ] || { mkdir -p target/gate/build && cp -a target/release target/gate/build/; }
	$(ZCLAB) gate --base '$(GATE_BASE)' --budget $(GATE_BUDGET) --margin $(GATE_MARGIN) \
	  --inconclusive $(GATE_INCONCLUSIVE)

# A proof belongs to one revision: a finished one is copied to results/record/gate-power.
GATE_POWER ?= results/runs/gate-power
gate-power: build ## Prove the gate's error rates, or go on with it: about two hours (GATE_POWER=DIR)
	cp $(ZCLAB) target/zclab-as-ever
	$(CARGO) build --release --locked -p zclab --features planted --target-dir target/planted
	target/zclab-as-ever gate-power $(GATE_POWER) --base target/zclab-as-ever --planted target/planted/release/zclab

clean: ## Remove build products, runs, and generated or imported logs; never a log of your own
	$(CARGO) clean
	rm -rf results/runs results/logs
