# Everything is built into bin/, which git ignores. "make help" lists the targets.
# A target works from a clean clone with Go, make and a registry of Go modules.

GO        ?= go
BIN       := bin
VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS   := -s -w -X github.com/motand/motand/agent.Version=$(VERSION)
# Set on the command line: make test TESTFLAGS=-v, make fuzz FUZZTIME=10m
TESTFLAGS ?=
TIMEOUT   ?= 30m
FUZZTIME  ?= 60s
CHAOS_TIME ?= 10m
# The race detector needs cgo, thus a C compiler.
RACE       = $(if $(filter 1,$(shell $(GO) env CGO_ENABLED)),-race)
# go-zookeeper v1.0.4 reads the last transaction while its receiver writes it when it connects again, so that about one run
# in twenty of this package fails with the race detector; make chaos runs it with.
RACES     := registry/zookeeper
PEER      := tests/peers/motango
# Filters of motan-go in motand: a module of its own as well.
ADAPTER   := filters/motango
MVN       ?= mvn
# make bench BENCHFLAGS='-only P1,P5 -md'; make bench BENCHFLAGS=-h lists them
BENCHFLAGS ?=
# make scale SCALEFLAGS='-only G8'; make scale SCALEFLAGS=-h lists them
SCALEFLAGS ?=

.DEFAULT_GOAL := all
.PHONY: all build run demo test test-deps peers java chaos faults bench scale simulate fuzz lint fmt cover clean help

all: build lint test ## build, lint and test

build: ## build bin/motand
	@mkdir -p $(BIN)
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/motand ./agent/cmd/motand

run: build ## run motand in the foreground on the demo configuration
	$(BIN)/motand run -c conf/examples/demo.yaml

demo: build ## show what motand does, call by call
	sh scripts/demo.sh

test: test-deps ## run all tests, with the race detector where there is a C compiler
	@$(MAKE) --no-print-directory java || echo 'test: Motan Java cannot be built here, its tests skip themselves'
	@$(if $(RACE),:,echo 'test: without -race: cgo is off, install a C compiler')
	$(GO) test $(RACE) -count=1 -timeout=$(TIMEOUT) $(TESTFLAGS) $$($(GO) list ./... | grep -v '/$(RACES)$$')
	$(GO) test -count=1 -timeout=$(TIMEOUT) $(TESTFLAGS) ./$(RACES)
	@$(if $(RACE),echo 'test: allocations without -race: it allocates as well')
	$(if $(RACE),$(GO) test -count=1 -run Alloc $(TESTFLAGS) ./motan/... ./httpbridge)
	$(if $(RACE),$(GO) test -count=1 $(TESTFLAGS) ./agent/cluster ./agent/traffic ./filters)
	@$(MAKE) peers
	cd $(PEER) && $(GO) test -count=1 -timeout=$(TIMEOUT) $(TESTFLAGS) ./...
	cd $(ADAPTER) && $(GO) test $(RACE) -count=1 -timeout=$(TIMEOUT) $(TESTFLAGS) ./...

test-deps: ## install what the tests need (Debian, as root), say what is missing
	@sh scripts/install-test-deps.sh

peers: ## build bin/motango, motan-go as a peer of the tests
	@mkdir -p $(BIN)
	cd $(PEER) && $(GO) build -o ../../../$(BIN)/motango .

chaos: test-deps ## let everything befall the ZooKeeper registry for CHAOS_TIME (10m)
	CHAOS_TIME=$(CHAOS_TIME) $(GO) test $(RACE) -count=1 -timeout=24h -v -run TestChaos $(TESTFLAGS) ./registry/zookeeper

java: $(BIN)/java/com/example/Peer.class ## build bin/java, Motan Java as a peer of the tests (javac, maven)

$(BIN)/java/com/example/Peer.class: $(wildcard tests/peers/java/com/example/*.java) tests/peers/java/pom.xml
	@mkdir -p $(BIN)/java
	$(MVN) -q -B -f tests/peers/java/pom.xml dependency:copy-dependencies -DoutputDirectory=$(CURDIR)/$(BIN)/java
	javac -nowarn -Xlint:-deprecation -cp '$(BIN)/java/*' -d $(BIN)/java tests/peers/java/com/example/*.java

faults: build test-deps ## run the fault tests at full length, half an hour; print what they measured
	@$(MAKE) --no-print-directory java || echo 'faults: Motan Java cannot be built here'
	$(GO) test ./tests -count=1 -timeout=2h -v -run '^Test(Fault|Java)' $(TESTFLAGS) -faults

bench: build test-deps ## measure motand, HAProxy, nginx and motan-go: bin/bench
	@$(MAKE) --no-print-directory peers || echo 'bench: motan-go cannot be built here'
	$(GO) run ./tests/bench $(BENCHFLAGS)

simulate: ## simulate balance, health, retries and limits in virtual time: a table, and plots in bin/simulate
	cd tests/simulation && $(GO) test -count=1 -run TestSimulate $(TESTFLAGS) -simulate $(CURDIR)/$(BIN)/simulate

scale: build ## measure what many connections and services cost: SCALEFLAGS='-only G6,G8'
	$(GO) run ./tests/bench scale $(SCALEFLAGS)

fuzz: ## run each fuzz target for FUZZTIME (60s)
	@GO='$(GO)' sh scripts/fuzz.sh $(FUZZTIME)

lint: ## check the style with golangci-lint
	@GO='$(GO)' sh scripts/install-tools.sh
	$(BIN)/tools/golangci-lint run ./...
	cd $(ADAPTER) && $(CURDIR)/$(BIN)/tools/golangci-lint run ./...

fmt: ## format all Go files
	@GO='$(GO)' sh scripts/install-tools.sh
	$(BIN)/tools/golangci-lint fmt ./...

cover: ## measure test coverage: bin/cover.html
	@mkdir -p $(BIN)
	$(GO) test -count=1 -timeout=$(TIMEOUT) -coverpkg=./... -coverprofile=$(BIN)/cover.out ./...
	$(GO) tool cover -html=$(BIN)/cover.out -o $(BIN)/cover.html
	@$(GO) tool cover -func=$(BIN)/cover.out | tail -n 1

clean: ## remove bin/
	rm -rf $(BIN)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
