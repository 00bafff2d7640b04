# `make help` lists the targets. Everything that is missing is installed by tests/support/install.

.DEFAULT_GOAL := help
.PHONY: help assets run build deb test test-long bench fmt lint deny advisories install

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

install: ## install what building and testing need (Debian packages, cargo tools)
	@tests/support/install

run: build ## run the daemon with config/postern.dev.toml (needs root: sudo is used)
	@tests/support/run-dev

assets: install ## bundle the pages' scripts and styles (daemon/web-assets) for the binary
	@tests/support/web-assets

build: assets ## build the release binary
	cargo build --release --locked

deb: assets ## build the Debian package (prints where)
	@daemon/package/build

test: assets ## run every suite
	@tests/support/run-suites

test-long: assets ## the same with full counts, and the kernel suites in QEMU too: hours
	@tests/support/run-suites long

bench: assets ## compare with wg on kernel WireGuard, in a virtual machine
	@tests/support/run-bench

fmt: ## format the sources
	cargo fmt

lint: assets ## fmt, clippy and doc, with warnings refused
	@tests/support/run-suites lint

deny: install ## check licences, sources and banned crates
	cargo deny check bans licenses sources

advisories: install ## check for known vulnerabilities, where their database can be fetched
	@tests/support/advisories
