# `make` shows the targets. The work is done by scripts/; each can be run by hand.
SHELL := /bin/bash
.DEFAULT_GOAL := help
# Extra flags for every `swift build` and `swift test` here; .ci/run makes warnings errors with it.
export SWIFTFLAGS ?=

.PHONY: help deps build demo test soak bench critest format lint proto sign dist mac-check clean

help: ## show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

deps: ## install what building and testing need (apt or Homebrew)
	@scripts/deps install build test

build: ## build the daemons (debug)
	@scripts/deps check build
	swift build $(SWIFTFLAGS)

demo: ## a pod manifest becomes running containers, shown step by step
	@scripts/demo.sh

test: ## everything that can be tested on this machine
	@scripts/test

soak: ## the fault tests at length: make soak N=200 SEED=1
	@VZCRI_FAULT_ROUNDS=$(or $(N),200) VZCRI_FAULT_SEED=$(SEED) scripts/test --filter E2E
	@# Optimized: what it measures is how soon a status is told, not what an unoptimized build costs.
	@SWIFTFLAGS="-c release -Xswiftc -enable-testing" VZCRI_FAULT_ROUNDS=$(or $(N),200) VZCRI_FAULT_SEED=$(SEED) \
		scripts/test --filter VKAdapterTests.AdapterSoakTests
	@VZCRI_FAULT_ROUNDS=$(or $(N),200) VZCRI_FAULT_SEED=$(SEED) scripts/test --filter VKAdapterTests.Hostile

bench: ## ratios against a small grpc-go server in the same run
	@Benchmarks/run

critest: ## cri-tools' critest, with virtual machines as containers (docs/conformance.md)
	@scripts/critest

format: ## rewrite our Swift files in the project's style
	@scripts/format

lint: ## say where our Swift files leave the project's style
	@scripts/format --lint

proto: ## regenerate Sources/CProto and Sources/Proto/Generated from proto/
	@proto/generate.sh

sign: ## on a Mac: build vm-host and sign it, so that it may run virtual machines
	@scripts/sign

dist: ## on a Mac: what is installed there, with VMHost.app
	@scripts/dist

mac-check: ## on a Mac: build against Apple's framework and run the engines' contract with a real guest
	@scripts/mac-check

clean: ## remove build products
	rm -rf .build
