# What a newcomer calls: `make demo` (set up, build, analyze a real run) and `make test` (all that CI runs).

CARGO ?= cargo
LMPCAP := target/release/lmpcap

.PHONY: demo test build setup lint doc lab-test bench fuzz-smoke sweep deny msrv clean

## demo: analyze the run in captures/demo and write reports/demo
demo: build
	$(LMPCAP) analyze captures/demo -o reports/demo

## build: the release binary, target/release/lmpcap
build: setup
	$(CARGO) build --release --locked

## setup: install libpcap's headers if they are missing
setup:
	@sh tools/setup.sh

## test: everything that CI runs
test: setup
	@sh tools/setup.sh test
	$(CARGO) test --locked --all-features --no-fail-fast

## lab-test: fresh real migrations on this machine against QEMU's own account (root, network namespaces, QEMU; no KVM)
lab-test: setup
	@CI=true sh tools/setup.sh test
	CI=true $(CARGO) test --locked --all-features --test lab --test lab_view -- --test-threads=1

## lint: formatting and clippy
lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-features -- -D warnings
	$(CARGO) clippy --locked --all-features --all-targets -- -D warnings -A clippy::disallowed_methods -A clippy::disallowed_macros

## sweep: every capture below FOLDERS and 2000 damaged copies of them, watched for panics, time and memory
FOLDERS ?= captures $(wildcard $(SHARED)/public $(SHARED)/captures)
COPIES ?= 2000
sweep: build
	python3 tools/sweep.py $(LMPCAP) --copies $(COPIES) $(FOLDERS)

## deny: licences, sources and versions of all crates, and known faults of theirs where the network allows (cargo install cargo-deny --locked)
deny:
	$(CARGO) deny --locked check licenses bans sources
	$(CARGO) deny --locked check advisories || echo "advisories were not checked: their database could not be had" >&2

## msrv: everything compiles with the oldest Rust that Cargo.toml promises (rustup toolchain install it first)
MSRV := $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
msrv: setup
	$(CARGO) +$(MSRV) check --locked --all-features --all-targets

## doc: the documentation of the library
doc:
	$(CARGO) doc --locked --no-deps --all-features

## bench: corpora from real captures, comparison with other tools, benches/RESULTS.md (needs SHARED, the folder of real captures)
SHARED ?= ../shared
CORPUS ?= target/corpus
bench: build
	test -f $(CORPUS)/points/destination.pcap || $(CARGO) bench --locked --all-features --bench corpus -- $(abspath $(SHARED)) $(abspath $(CORPUS))
	python3 benches/run.py $(LMPCAP) $(CORPUS) benches/RESULTS.md

## fuzz-smoke: each fuzz target for a minute (needs nightly Rust and cargo-fuzz); FUZZ_SECONDS=1800 for longer
FUZZ_SECONDS ?= 60
fuzz-smoke: setup
	@cargo +nightly fuzz --version >/dev/null || { echo "fuzzing needs: rustup toolchain install nightly; cargo install cargo-fuzz --locked" >&2; exit 1; }
	$(CARGO) +nightly run --quiet --manifest-path fuzz/Cargo.toml --bin seeds -- fuzz/corpus
	for target in $$($(CARGO) +nightly fuzz list | grep -vx seeds); do \
		mkdir -p fuzz/corpus/$$target; \
		$(CARGO) +nightly fuzz run --sanitizer none $$target -- -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=1000 || exit 1; \
	done

clean:
	$(CARGO) clean
