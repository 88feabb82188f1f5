# Tidegate: every target sets up what it needs and says what is missing.
#
#   make demo    the main job, nothing to configure
#   make test    everything: vet, linters, tests, tests with the race detector
#   make help    the rest

GO        ?= go
OUT       ?= out
# How long each fuzz target runs under `make fuzz`.
FUZZTIME  ?= 60s
# Messages in the generated benchmark day, and runs of each benchmark.
MESSAGES  ?= 30000000
RUNS      ?= 5
# Simulated worlds: how many, from which seed on, how many with seeds of their own; kinds and numbers of faults.
SEEDS     ?= 300
SEED      ?= 1
FRESH     ?= 0
ONLY      ?=
KEEP      ?=
# Rounds in which the gateway is killed and PostgreSQL crashes, and in which a process that only drains is.
# For how long PostgreSQL is stopped under load.
CRASHES   ?= 500
DRAINS    ?= 500
GATES     ?= 500
OUTAGE    ?= 60s

# Linters are pinned and run from the module cache; they are no dependency of the module.
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOFUMPT     := mvdan.cc/gofumpt@v0.12.0

.PHONY: help demo build test setup tools lint unit race sim soak worlds crashes planted check bench fuzz clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: build ## run a simulated market through the gateway to a subscriber, cut lines, compare books
	@./bin/tidegate demo --dir $(OUT)/demo

build: setup ## build bin/tidegate
	$(GO) build -trimpath -o bin/tidegate ./cmd/tidegate

test: setup tools lint unit race ## run everything the project is checked with

setup: ## install what is missing (needs root for a C compiler)
	@command -v $(GO) >/dev/null || { echo "Tidegate needs Go 1.26 or later: install it and put it on PATH" >&2; exit 1; }
	@command -v gcc >/dev/null || command -v clang >/dev/null || { \
	  echo "installing a C compiler for the race detector"; \
	  if [ "$$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y -qq gcc libc6-dev; \
	  else echo "not root: install gcc and run again" >&2; exit 1; fi; }

tools: ## install what some tests compare with: PostgreSQL, PgBouncer, Wireshark; without one they are skipped
	@missing=; \
	ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || missing="$$missing postgresql"; \
	[ -x /usr/sbin/pgbouncer ] || command -v pgbouncer >/dev/null || missing="$$missing pgbouncer"; \
	command -v tshark >/dev/null || missing="$$missing tshark"; \
	[ -n "$$missing" ] || exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "installing$$missing"; \
	  export DEBIAN_FRONTEND=noninteractive; \
	  { apt-get update -qq && apt-get install -y -qq --no-install-recommends $$missing; } >/dev/null \
	    || echo "not installed:$$missing; their tests are skipped" >&2; \
	else echo "not installed:$$missing; their tests are skipped" >&2; fi

lint: ## format, vet and staticcheck
	@unformatted=$$($(GO) run $(GOFUMPT) -l .); [ -z "$$unformatted" ] || { \
	  echo "not formatted with gofumpt:"; echo "$$unformatted"; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

unit: ## tests
	$(GO) test ./...

race: ## tests with the race detector
	$(GO) test -race ./...

sim: setup ## simulated worlds: SEEDS=n from SEED=n, FRESH=n more, ONLY=kinds, KEEP=numbers of faults
	@cd internal/sim && $(GO) test -count=1 -timeout 0 -run '^TestWorlds$$' \
	  -sim.seeds=$(SEEDS) -sim.seed=$(SEED) -sim.fresh=$(FRESH) -sim.only="$(ONLY)" -sim.keep="$(KEEP)"

soak: worlds crashes ## what takes hours, while there is nothing better to do: worlds, then crashes

worlds: setup ## ten thousand simulated worlds, or SEEDS=n, with low priority
	@cd internal/sim && nice -n 19 $(GO) test -count=1 -timeout 0 -run '^TestWorlds$$' \
	  -sim.seeds=$(if $(filter file,$(origin SEEDS)),10000,$(SEEDS)) -sim.seed=$(SEED) -sim.fresh=$(FRESH)

crashes: setup ## kill the gateway CRASHES=n, a drainer DRAINS=n and a market GATES=n times, crash PostgreSQL, stop it for OUTAGE=time
	@cd cmd/tidegate && nice -n 19 $(GO) test -count=1 -timeout 0 -run '^TestCrashes$$' -rounds $(CRASHES) -v
	@cd sinks/postgres && nice -n 19 $(GO) test -count=1 -timeout 0 -run '^TestKilled$$' -rounds $(DRAINS) -v
	@cd gateway/orders && nice -n 19 $(GO) test -count=1 -timeout 0 -run '^TestKill$$' -rounds $(GATES) -v
	@cd cmd/tidegate && nice -n 19 $(GO) test -count=1 -timeout 0 -run '^TestE2EPostgres$$' -outage $(OUTAGE) -v

planted: SHELL := bash
planted: .SHELLFLAGS := -o pipefail -c
planted: setup ## bugs are planted in the code, one by one, and simulated worlds must catch each
	@cd internal/sim && $(GO) test -count=1 -timeout 0 -run '^TestPlantedBugs$$' -v -sim.plant | grep -v '^==='

check: test ## before sending a change: everything, and a short fuzz of every decoder
	@$(MAKE) --no-print-directory fuzz FUZZTIME=5s

bench: build ## the benchmarks README quotes
	./bin/tidegate bench decode --messages $(MESSAGES) --runs $(RUNS)
	./bin/tidegate bench book --messages $(MESSAGES) --runs $(RUNS)

fuzz: setup ## every fuzz target for FUZZTIME
	@set -e; for pkg in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "== $$pkg $$target"; \
	    $(GO) test $$pkg -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME); \
	  done; \
	done

clean: ## remove what was built and made
	rm -rf bin $(OUT)
