# The project's commands. Recipes that run cargo or tender begin with `+`, so that they share the jobserver of a `make -j`.

CARGO ?= cargo
PREFIX ?= /usr/local
# Where cargo builds: its own variable if set, and given to it by name so that both agree.
TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
TENDER := $(TARGET)/release/tender
# What `make build` makes beside the programs.
SHARE := $(TARGET)/release/share
# Where `make install` installs.
TO = $(DESTDIR)$(PREFIX)
# Targets of `make fuzz`, such as FUZZ="manifest store"; none: all.
FUZZ ?=
# Names for `make ports`, such as PORTS="jq fmt".
PORTS ?= all
# More words for the benchmark, such as BENCH="--pairs 3 --only lua".
BENCH ?=

cargo = CARGO_TARGET_DIR='$(TARGET)' $(CARGO)
run_tests = CARGO_TARGET_DIR='$(TARGET)' CARGO='$(CARGO)' tools/test.sh '$(TARGET)
# End-to-end tests that build little.
QUICK = engine targets missing_header linked_directories

.DEFAULT_GOAL := help
.PHONY: help demo test test-quick storm stress programs ports edits fuzz torture check build install bench fetch fetch-ports interop sources \
    torture-sources deps deps-test

help: ## show this list
	@echo 'Usage: make TARGET'
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1\t\2/p' Makefile | expand -t 14

demo: build fetch ## build four real C libraries and a program that uses them, and run it
	@echo
	@echo 'Building Lua, zlib, zstd, SQLite and a program on top, in workspace-examples/real-world.'
	@echo 'No compiler is started: clang runs inside the processes of tender-worker.'
	+@cd workspace-examples/real-world && '$(TENDER)' clean -q && '$(TENDER)' build --release
	@echo
	@echo 'Running the program: a Lua script fills an in-memory SQLite table, packs each row with zlib and'
	@echo 'zstd, and reads every row back. The checksums are the same on every machine.'
	+@cd workspace-examples/real-world && '$(TENDER)' run --release -q -p app
	@echo
	@echo 'Building once more: nothing has changed, so nothing is done.'
	+@cd workspace-examples/real-world && '$(TENDER)' build --release

# End-to-end tests run what `make demo` and `make install` use.
test: build deps-test fetch interop sources torture-sources ## run all tests; installs ninja, gdb and csmith if missing
	+TENDER_TEST_BIN='$(TARGET)/release' $(run_tests)/all-tests.seconds' --locked --workspace

# Unoptimised, so that a changed line is built soon. No test that waits, needs root or runs for long.
test-quick: deps ## run unit tests, the rules of the code and some end-to-end tests, in two minutes
	+$(run_tests)/quick-tests.seconds' --locked --workspace --lib --test cli --test tidy $(QUICK:%=--test %)

# A build in a storm has members of all kinds of tools. The twenty rounds are also among the tests.
storm: build deps-test interop ## kill and stop members of builds at random, and check the results (FULL=1: 200 rounds)
	+TENDER_TEST_BIN='$(TARGET)/release' TENDER_STORM_ROUNDS=$(if $(FULL),200,20) \
	    $(cargo) test --locked -p tender-tests --test storm

# As root, or in a memory cgroup that may have others below it; else it is skipped, and says so. It is among the tests too.
stress: build deps-test interop ## build in less memory than builds take, and check the results (FULL=1: many more builds)
	+TENDER_TEST_BIN='$(TARGET)/release' TENDER_STRESS=$(if $(FULL),all,some) \
	    $(cargo) test --locked -p tender-tests --test memory

# Finished rounds are noted, so that an interrupted run continues. The rounds without FULL=1 are also among the tests.
edits: build deps-test ## edit workspaces at random, and compare each build with a clean one (FULL=1: 20,000 steps)
	+TENDER_TEST_BIN='$(TARGET)/release' TENDER_EDITS_ROUNDS=$(if $(FULL),440,8) \
	    $(if $(FULL),TENDER_EDITS_JOURNAL='$(TARGET)/edits.jsonl') \
	    $(cargo) test --locked -p tender-tests --test edits

# Random inputs go to the same parsers among the tests. Here libFuzzer makes them, and an interrupted run continues.
fuzz: deps ## run the parsers of outside text under libFuzzer (FULL=1: ten million inputs each, some hours)
	+CARGO='$(CARGO)' tools/fuzz.sh $(if $(FULL),10000000,100000) $(FUZZ)

# The sample is among the tests too. The whole run continues where it was interrupted; TENDER_TORTURE_MINUTES ends it.
torture: build deps-test torture-sources ## build programs of others with cuts forced, and compare what they do (FULL=1: all of them)
	+TENDER_TEST_BIN='$(TARGET)/release' TENDER_TORTURE=$(if $(FULL),all,sample) \
	    $(cargo) test --locked -p tender-tests --test torture

# At each level, by default and forced: half an hour on two cores. A part of it is among the tests.
programs: build deps-test fetch sources ## build real libraries in all modes of link-time optimisation, cut, and run their tests
	+TENDER_TEST_BIN='$(TARGET)/release' TENDER_PROGRAMS=all \
	    $(cargo) test --locked -p tender-tests --test real_programs

# What was built is kept below the target directory. Four small ones are among the tests.
ports: build deps-test sources ## build real projects by the manifests in workspace-examples/ports, and run their tests (PORTS="jq fmt")
	+TENDER_TEST_BIN='$(TARGET)/release' TENDER_PORTS='$(PORTS)' \
	    $(cargo) test --locked -p tender-tests --test ports

check: deps ## check the format of the code, and lint it with warnings denied
	@$(CARGO) fmt --version >/dev/null 2>&1 && $(CARGO) clippy --version >/dev/null 2>&1 || { \
	    echo 'error: cargo lacks rustfmt or clippy; with rustup, install them by: rustup component add rustfmt clippy' >&2; \
	    exit 1; }
	+$(cargo) fmt --all --check
	+$(cargo) clippy --locked --workspace --all-targets -- -D warnings

# The manual pages and the completions are made of the options, by the program itself.
build: deps ## build tender and tender-worker, optimised
	+$(cargo) build --locked --release -p tender -p tender-worker
	@'$(TENDER)' man-pages '$(SHARE)/man'
	@mkdir -p '$(SHARE)/completions'
	@for shell in bash zsh fish; do '$(TENDER)' completions $$shell > "$(SHARE)/completions/$$shell" || exit; done

# Root often has no cargo: `make build`, then `sudo make install` installs what was built.
install: $(if $(shell command -v $(CARGO)),build) ## install both programs, manual pages and completions below $(PREFIX) (PREFIX=/usr/local)
	install -d '$(TO)/bin' '$(TO)/share/man/man1' '$(TO)/share/bash-completion/completions' \
	    '$(TO)/share/zsh/site-functions' '$(TO)/share/fish/vendor_completions.d'
	install -m 755 '$(TENDER)' '$(TENDER)-worker' '$(TO)/bin'
	install -m 644 '$(SHARE)/man'/*.1 '$(TO)/share/man/man1'
	install -m 644 '$(SHARE)/completions/bash' '$(TO)/share/bash-completion/completions/tender'
	install -m 644 '$(SHARE)/completions/zsh' '$(TO)/share/zsh/site-functions/_tender'
	install -m 644 '$(SHARE)/completions/fish' '$(TO)/share/fish/vendor_completions.d/tender.fish'

bench: build deps-test fetch ## measure against ninja and clang, side by side (BENCH="--pairs 3 --only lua")
	+$(cargo) run --locked --release -q -p tender-bench -- --tender '$(TENDER)' $(BENCH)

fetch: ## fetch the sources that real-world and rocksdb in workspace-examples build
	@CARGO='$(CARGO)' tools/fetch.sh

fetch-ports: deps-test ## make a workspace of the projects in workspace-examples/ports and their sources, in target/ports
	+@tools/ports.sh '$(TARGET)/sources' '$(TARGET)/ports' >/dev/null

# Built once, and kept below the target directory. Without them tests are skipped, and say so.
interop: deps-test ## get the makes and ninjas that tests share a jobserver with
	+@tools/interop.sh '$(TARGET)/interop'

# Kept below the target directory, like those. Without them tests are skipped, and say so.
sources: deps-test ## get the sources of programs that tests build
	+@CARGO='$(CARGO)' tools/sources.sh '$(TARGET)/sources'

# Unpacked once, and kept below the target directory.
torture-sources: deps-test
	@tools/torture.sh '$(TARGET)/torture'

deps: ## install what building needs and is missing
	@tools/deps.sh

# First what building needs, so that two installations never run at once.
deps-test: deps
	@tools/deps.sh test
