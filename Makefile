# Two commands matter to a newcomer: make demo, make test. `make help` lists the rest.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# DuckDB's driver needs cgo, and its Arrow part the first tag; the second keeps Snowflake's driver from writing a native
# library to disk and loading it. Every go command of this file gets them, and -trimpath: what a test compiles is then what the
# binaries are linked of, where otherwise every dependency would be compiled twice.
export CGO_ENABLED := 1
export GOFLAGS := -tags=duckdb_arrow,minicore_disabled -trimpath

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.buildVersion=$(VERSION)

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

tools: # say in one line what is missing, before a compiler says it in a hundred
	@command -v go >/dev/null || { echo "make: Go 1.26 or newer is missing: install it from your system or from go.dev/dl"; exit 1; }
	@command -v gcc >/dev/null || command -v cc >/dev/null || { echo "make: a C compiler is missing (DuckDB is linked in): apt-get install gcc g++"; exit 1; }
	@command -v g++ >/dev/null || command -v c++ >/dev/null || { echo "make: a C++ compiler is missing (DuckDB is linked in): apt-get install g++"; exit 1; }

build: tools ## build bin/millrace
	@mkdir -p bin
	go build -ldflags "$(LDFLAGS)" -o bin/millrace ./cmd/millrace

demo: build ## build, run the two example projects, show the results
	@bash examples/demo.sh bin/millrace

servers: ## install the servers that tests need, where apt-get can
	@bash .ci/servers

demo-postgres: build servers ## the shop on a real PostgreSQL, changed between two nights
	@bash examples/demo-postgres.sh bin/millrace

demo-snowflake: build ## the shop on a stand-in for Snowflake, with a load that is killed in the middle
	@bash examples/demo-snowflake.sh bin/millrace

# Servers are installed while the linters run. Two packages more at a time than processors: tests of servers wait as much as they
# compute. Those that take longest begin first. Lint has vetted everything already. What tests write goes to memory where there is plenty.
test: tools ## everything: vet, format, imports, unit and script tests, the short crash matrix
	@echo "== lint, and servers"; $(MAKE) --no-print-directory -j2 --output-sync=target lint servers
	@[ -d "$${MILLRACE_MATCHING_DATA:-../shared/data/matching}" ] || echo "make: the labelled records of master data are not there (MILLRACE_MATCHING_DATA): the tests that hold matching against them are skipped"
	@[ -d "$$MILLRACE_DBT_PROJECTS" ] || echo "make: MILLRACE_DBT_PROJECTS names no folder: TestDBTProjects and TestOtherProjects, over projects of other people, are skipped"
	@[ -d "$$MILLRACE_DBT_PACKAGES" ] || echo "make: MILLRACE_DBT_PACKAGES names no folder: TestPackages, over dbt_utils, dbt_expectations and dbt_date, is skipped"
	@echo "== tests"; [ -n "$$(bash .ci/servers --missing)" ] || export MILLRACE_TEST_SERVERS=required; \
	bash .ci/temp bash -c 'go test -vet=off -count=1 -p $$(( $$(nproc) + 2 )) -timeout 14m -exec "env TMPDIR=$$MILLRACE_TEMP" ./pipeline ./load/snowflake ./extract/mysql ./cmd/millrace ./serve ./...'
	@echo "== crash matrix, short form"; $(MAKE) --no-print-directory faults-short

test-snowflake-live: tools ## the suite of Snowflake on an account: docs/snowflake.md says which variables it takes
	@[ -n "$$MILLRACE_SNOWFLAKE_ACCOUNT" ] || { echo "make: MILLRACE_SNOWFLAKE_ACCOUNT is not set: docs/snowflake.md, On an account"; exit 1; }
	go test -count=1 -v -timeout 60m -run '/account' ./load/snowflake/live

test-fakesnow: tools ## a second opinion on Snowflake's SQL, where python3 and pip are; a report, no test
	@bash .ci/fakesnow

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

lint: tools ## gofmt, go vet and staticcheck; staticcheck.conf argues for them
	@out=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); if [ -n "$$out" ]; then echo "not gofmt-ed:"; echo "$$out"; exit 1; fi
	go vet ./...
	go vet -tags=duckdb_arrow,minicore_disabled,faults ./internal/fault
	go run $(STATICCHECK) ./...

faults-bin: tools
	@mkdir -p bin
	go build -tags=duckdb_arrow,minicore_disabled,faults -o bin/millrace-faults ./cmd/millrace

faults: build faults-bin ## the crash matrix, long form: at least 1,000 kills (about 20 minutes)
	go run ./internal/faultmatrix -bin bin/millrace -faults-bin bin/millrace-faults -kills 1000

faults-short: build faults-bin ## the crash matrix, short form
	go run ./internal/faultmatrix -bin bin/millrace -faults-bin bin/millrace-faults -short

bench: build ## measure against the bars of the design; history goes to bench/history.jsonl
	go run ./bench -bin bin/millrace

bench-databases: build servers ## measure the database sources on private servers; ARGS=-long for 60 million rows
	@bash bench/databases.sh $(ARGS)

golden: tools ## rewrite golden files; read the diff before you commit it
	go test ./internal/clean ./warehouse ./warehouse/snowflake ./load/snowflake ./internal/config ./extract/postgres ./models ./models/portable ./transform/check ./transform/profile ./transform/match ./transform/match/golden ./transform/match/standardize ./report -update

fuzz: tools ## fuzz every parser, 30 seconds each
	@bash -c 'set -e; for p in $$(go list ./...); do for f in $$(go test -list "^Fuzz" $$p 2>/dev/null | grep ^Fuzz || true); do echo "== $$p $$f"; go test $$p -run "^$$f$$" -fuzz "^$$f$$" -fuzztime 30s; done; done'

clean: ## remove what was built
	rm -rf bin

.PHONY: help tools build demo demo-postgres demo-snowflake servers test test-snowflake-live test-fakesnow lint faults faults-bin faults-short bench bench-databases golden fuzz clean
