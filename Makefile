# cnilab: set-up, the default study, the tests. `make help` lists what can be typed.
#
# Nothing is written outside this folder but the system packages, and those are announced first.
# Settings, given as `make NAME=value`:
#   SYSTEM_DEPS=no    leave the system's packages alone
#   PYTHON=python3.12 the interpreter that makes .venv (3.11 or newer)
#   NO_UV=1           install with pip only
#   RUN=runs/mine     where `make report` writes
#   PYTEST="-k lab"   more arguments for pytest

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.SUFFIXES:
.DEFAULT_GOAL := report
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
STAMPS := .cache/setup
SETUP := cnilab/setup
export PYTHON NO_UV

RUN ?= runs/$(shell date +%Y%m%d-%H%M%S)
PYTEST ?=

# An environment whose interpreter has gone (an upgrade) or whose folder was moved is made again.
ifneq ($(shell $(BIN)/python -c '' 2>/dev/null && cat $(VENV)/.setup 2>/dev/null),$(CURDIR))
$(shell rm -f $(VENV)/.setup $(VENV)/.netperf)
endif

##@ The two commands

.PHONY: report
report: setup ## (default) set-up, the default study in the lab; ends with the path of report.html
	@$(BIN)/cnilab study data/studies/quick.yaml -o $(RUN)

.PHONY: test
test: setup ## set-up, then every test
	@$(BIN)/python -m pytest -n 2 --dist loadgroup $(PYTEST)

##@ Set-up

.PHONY: setup
setup: system-lab $(VENV)/.setup $(VENV)/.netperf ## system packages, .venv, the package; does nothing where all is done

# One rule a set of packages.txt: system-lab, system-bench, system-browser, system-cluster, system-native. The stamp is
# written only when nothing more can be done, so a machine that gets sudo or a network later gets its packages then.
SETS := lab bench browser cluster native
.PHONY: $(SETS:%=system-%)
ifeq ($(SYSTEM_DEPS),no)
$(SETS:%=system-%): ;
else
$(SETS:%=system-%): system-%: $(STAMPS)/%
$(SETS:%=$(STAMPS)/%): $(STAMPS)/%: $(SETUP)/packages.txt $(SETUP)/system.sh
	@mkdir -p $(STAMPS)
	@$(SETUP)/system.sh $* && touch $@ || [ $$? -eq 3 ]
# apt has one lock: sets are installed one after the other, and before python3-venv is needed.
$(STAMPS)/bench $(STAMPS)/browser $(STAMPS)/cluster $(STAMPS)/native: | $(STAMPS)/lab
endif

$(VENV)/.setup: constraints.txt pyproject.toml $(SETUP)/venv.sh | system-lab
	@$(SETUP)/venv.sh $(VENV)
	@echo '$(CURDIR)' >$@

$(VENV)/.netperf: $(SETUP)/netperf.sh | $(VENV)/.setup
	@code=0; $(SETUP)/netperf.sh $(VENV) || code=$$?; \
	 case $$code in 0|3) touch $@ ;; 4) ;; *) exit $$code ;; esac

.PHONY: netperf
netperf: $(VENV)/.setup ## try again to get netperf, where set-up could not
	@$(SETUP)/netperf.sh $(VENV)

.PHONY: lock
lock: $(VENV)/.setup ## write constraints.txt anew from pyproject.toml (UPGRADE=1: newest versions)
	@mkdir -p build
	@$(if $(UPGRADE),rm -f build/lock.txt,grep -v '^#' constraints.txt >build/lock.txt)
	@UV_CACHE_DIR=$(CURDIR)/.cache/uv $(BIN)/uv pip compile -q pyproject.toml --extra test --group setup --universal \
	    --python-version 3.11 --generate-hashes --no-annotate --no-header -o build/lock.txt
	@{ echo '# Every package of set-up, run time and tests, by version and hash, for CPython 3.11 and newer.'; \
	   echo '# Written by `make lock` from pyproject.toml, not by hand. It names no registry: yours is used.'; \
	   cat build/lock.txt; } >build/constraints.txt
	@if cmp -s build/constraints.txt constraints.txt; then echo 'constraints.txt is up to date'; \
	 else mv build/constraints.txt constraints.txt; echo 'constraints.txt is new; install it with: make setup'; fi

##@ More

.PHONY: full
full: setup ## the full study (data/studies/full.yaml): every mode, placement and test
	@$(BIN)/cnilab study data/studies/full.yaml -o $(RUN)

.PHONY: lab
lab: setup ## JupyterLab on the notebooks
	@$(BIN)/jupyter lab notebooks

# What one target alone needs is installed when it is first asked for; without it, that target says what it left out.
EXTRA = $(BIN)/uv pip install -q --python $(BIN)/python -r pyproject.toml --extra $(1) \
   || $(BIN)/python -m pip install -q -e '.[$(1)]' || true

.PHONY: bench
bench: setup system-bench ## the numbers of the benchmarks: cnilab's own cost, the lab's building time beside its peers'
	@$(BIN)/python -c 'import flent, jc' 2>/dev/null || $(call EXTRA,bench)
	@found=0; for file in benchmarks/bench_*.py; do [ -e "$$file" ] || continue; \
	   found=1; echo "== $$file"; $(BIN)/python "$$file"; done; \
	 [ $$found = 1 ] || { echo 'make bench: benchmarks/ has no bench_*.py' >&2; exit 1; }

.PHONY: browser
browser: setup system-browser ## the report's page in a real browser: both languages, phones, print, accessibility
	@$(BIN)/python -c 'import axe_playwright_python' 2>/dev/null || $(call EXTRA,browser)
	@CNILAB_PICTURES=build/pictures $(BIN)/python -m pytest tests/report/test_browser.py -n 0 -rs $(PYTEST)

.PHONY: validate
validate: setup ## the statistics' full simulation: error rates and coverage against known truths
	@$(BIN)/python -m tests.stats.validate

.PHONY: native native-kernel
native: native-kernel ## every mode with native devices, on Debian's own kernel under emulation
	@$(BIN)/python -m pytest tests/native $(PYTEST)

native-kernel: setup system-native ## what that takes (70 MB, once); `make test` then includes it
	@$(BIN)/python -m tests.native.machine || echo 'setup: the tests in tests/native will be skipped' >&2

.PHONY: cluster cluster-down cluster-build cluster-test
AS_ROOT = $(if $(filter-out 0,$(shell id -u)),sudo)
cluster: cluster-build ## a real Kubernetes cluster on this machine (root); prints the line that points kubectl at it
	@$(AS_ROOT) $(BIN)/cnilab cluster up

cluster-down: ## end that cluster; nothing of it stays
	@$(AS_ROOT) $(BIN)/cnilab cluster down

cluster-build: setup system-cluster ## compile its programs with flannel and with Calico, once (Go 1.26; twenty minutes, 7 GB)
	@$(BIN)/python -m cnilab.localcluster.compiling

cluster-test: setup ## what needs a real cluster, with flannel and with Calico: studies switched live, killed runs, evictions; taken down after
	@$(MAKE) cluster-build || echo 'cluster-test: the programs cannot be built here; the tests say so and are skipped' >&2
	@$(AS_ROOT) env CNILAB_CLUSTER_TEST=1 $(BIN)/python -m pytest tests/testbeds/kubernetes tests/localcluster -m cluster -n 0 -rs $(PYTEST)

.PHONY: fuzz
fuzz: setup ## broken, cut and foreign output thrown at every parser (FUZZ="--tool qperf --runs 20000")
	@$(BIN)/python -c 'import atheris' 2>/dev/null || $(call EXTRA,fuzz)
	@$(BIN)/python tests/fuzz/fuzz_parsers.py $(FUZZ)

.PHONY: faults
faults: setup ## kills, broken labs, full disks, damaged runs, hostile studies and archives at full size; a table (an hour)
	@$(BIN)/python benchmarks/faults.py $(FAULTS)

# --strict: a package of which nothing could be found out is no package without advisories.
.PHONY: audit
audit: setup ## the lock against published advisories, where their data base can be reached
	@$(BIN)/python -c 'import pip_audit' 2>/dev/null || $(call EXTRA,audit)
	@$(BIN)/python -m pip_audit --strict --disable-pip --require-hashes --progress-spinner off -r constraints.txt \
	  || { echo 'make audit: the lines above name what has an advisory, or what could not be checked' >&2; exit 1; }

.PHONY: lint
lint: setup ## ruff and mypy
	@$(BIN)/ruff check
	@$(BIN)/mypy

.PHONY: clean
clean: ## remove caches and build leftovers (runs and .venv stay)
	@rm -rf build .cache .pytest_cache .ruff_cache .mypy_cache .hypothesis
	@find . \( -path ./$(VENV) -o -path ./runs -o -path ./.git \) -prune -o \( -name __pycache__ -o -name .ipynb_checkpoints \) -print0 | xargs -0r rm -rf

.PHONY: distclean
distclean: clean ## clean, and remove .venv (the next make installs again)
	@rm -rf $(VENV) *.egg-info

.PHONY: help
help: ## this list
	@awk 'BEGIN { FS = ":.*## " } /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo; sed -n '/^# Settings/,/^$$/s/^# \{0,1\}//p' $(MAKEFILE_LIST)
