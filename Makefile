# Everything a developer or a CI job does, from a bare `python3` on. `make` alone lists the targets.

.DEFAULT_GOAL := help
# Two recipes must not fill the same virtual environment at once, whatever -j says.
.NOTPARALLEL:
.DELETE_ON_ERROR:

# Whoever forbids bytecode has every process that is started compile all of the sources anew, and tests start hundreds.
unexport PYTHONDONTWRITEBYTECODE

# The first Python that is new enough; `make PYTHON=/path/to/python3.12 setup` chooses another one.
PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11,\
	$(if $(filter True,$(shell $(name) -c 'import sys; print(sys.version_info >= (3, 11))' 2>/dev/null)),$(name))) python3)
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

# Tests run in so many processes, each with a Redis and a PostgreSQL of its own. Three leave a quarter of two cores idle; with
# five, what is judged by its time comes too late now and then.
TEST_PROCESSES ?= 4
# Whole files go to a process, in the order of tests/conftest.py.
SIDE_BY_SIDE := --numprocesses $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder

# What runs from the sources in any case, or proves our documents: with other stores, it is no other case.
ONCE := $(addprefix tests/robustness/test_,seeded_bugs.py replicas.py) $(addprefix tests/unit/test_,documents.py generation.py mode_pictures.py site.py)

# Failovers take their time: `make failovers` plays these.
ON_REQUEST := tests/robustness/test_replicas.py

# Records to replay: those that lie beside the checkout, as for the gate, or `make reality DATA=folder`.
DATA ?= ../shared/data

# What was installed when; older than one of the inputs means out of date.
INPUTS := pyproject.toml clients/python/pyproject.toml constraints.txt
RUNTIME := $(VENV)/.installed-runtime
SETUP := $(VENV)/.installed-setup

# Wheels for one Python, the hottest modules compiled as in those that are published; `make bench COMPILED=1` and the like run
# with them unpacked.
COMPILED_WHEELS := build/wheels
COMPILED_TREE := build/compiled
COMPILED_DONE := $(COMPILED_TREE)/.done-$(subst /,-,$(VENV))
# A safe path: the folder a program is started in must not come first, the sources are there.
AS_COMPILED := PYTHONSAFEPATH=1 PYTHONPATH="$(CURDIR)/$(COMPILED_TREE):$(CURDIR)"
WITH = $(if $(COMPILED),$(AS_COMPILED) )$(BIN)/python
WANTED = $(if $(COMPILED),$(COMPILED_DONE))

# The client for TypeScript, and what the browser console takes of it.
CLIENT_TS := clients/typescript
NODE_MODULES := $(CLIENT_TS)/node_modules/.package-lock.json
CONSOLE_VENDOR := synckairos/console/vendor
# What the console is checked and tested with; none of it is shipped.
BROWSER_TOOLS := tests/browser/node_modules/.package-lock.json
BROWSER_SETUP := $(VENV)/.installed-browser
# The client's clocks as the modules that the console loads: $(call clock_modules,folder from the client's).
clock_modules = cd $(CLIENT_TS) && node_modules/.bin/tsc -p tsconfig.console.json --outDir $(1)

# Ours: what protos/google holds for other languages' sake, Python has from googleapis-common-protos.
PROTOS = $(shell find protos/synckairos -name '*.proto' | LC_ALL=C sort)
SERVICES = $(shell grep -l '^service ' $(PROTOS))

# $(call protoc,folder): the Python code of all messages, and of the services in the files that define some; all of it, with
# the details of errors, as a protoset for tools; and the settings of clients, which Python's read from there.
define protoc
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -Iprotos \
		--python_out=$(1) --mypy_out=quiet:$(1) $(PROTOS)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -Iprotos \
		--grpc_python_out=$(1) --mypy_grpc_out=quiet:$(1) $(SERVICES)
	$(BIN)/python -m grpc_tools.protoc -Iprotos --include_imports \
		--descriptor_set_out=$(1)/synckairos/v1/contract.protoset $(PROTOS) protos/google/rpc/error_details.proto
	cp protos/synckairos/v1/service_config.json $(1)/synckairos/v1/
	touch $(1)/synckairos/v1/py.typed
endef

define create_venv
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "SyncKairos needs Python 3.11 or newer as python3, found: $$($(PYTHON) --version 2>&1)." >&2; \
		echo "Install one, or name it: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV) || { \
		echo "No virtual environment could be made; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
endef

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(SETUP) ## install everything for development into .venv; does nothing when that is current

.PHONY: run
run: $(RUNTIME) ## start Redis, PostgreSQL, a server and a worker on this machine
	$(BIN)/synckairos dev

.PHONY: test
test: $(SETUP) ## run all tests with coverage, against a real Redis and a real PostgreSQL; browser and bench-check have their own
	$(BIN)/python -m pytest --cov $(SIDE_BY_SIDE) --ignore tests/browser --ignore tests/bench --ignore $(ON_REQUEST)

# A cluster is of the servers of the packages in any case: its tests are those of `make test`.
.PHONY: test-stores
test-stores: $(SETUP) $(WANTED) ## run all tests but the random plays of the rules and those of whole processes
	$(if $(COMPILED),SYNCKAIROS_COMPILED=1 )$(WITH) -m pytest --quiet -m 'not random_play' -k 'not cluster' $(SIDE_BY_SIDE) \
		$(if $(COMPILED),--override-ini pythonpath=) tests/unit tests/contract tests/integration tests/robustness \
		$(addprefix --ignore=,$(ONCE) $(ON_REQUEST))

.PHONY: test-unit
test-unit: $(SETUP) ## run the unit tests but for the random plays, in seconds
	$(BIN)/python -m pytest --quiet -m 'not random_play' --numprocesses $(TEST_PROCESSES) tests/unit

.PHONY: laws
laws: $(SETUP) ## hold the laws of the clocks to 10 000 drawn games each (half an hour alone on the machine), and play sessions at random
	$(BIN)/python -m pytest --quiet --hypothesis-profile laws --timeout 7200 --numprocesses $(TEST_PROCESSES) \
		tests/unit/domain/controls $(addprefix tests/unit/domain/test_,machine.py recovery_play.py)

.PHONY: format
format: $(SETUP) ## format everything, and mend what the linter can mend
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .
	$(BIN)/buf format -w

.PHONY: compiled
compiled: $(COMPILED_DONE) ## compile the hottest modules (C compiler needed); test-stores, bench and robustness take COMPILED=1

.PHONY: bench
bench: $(SETUP) $(WANTED) ## measure everything beside its baselines (20 minutes alone on the machine); results in build/bench
	$(WITH) -m bench --json build/bench/results.json --out build/bench

.PHONY: bench-check
bench-check: $(SETUP) $(WANTED) ## test the benchmarks, and hold what a few minutes can tell to its thresholds
	$(BIN)/python -m pytest --quiet tests/bench
	$(WITH) -m bench --quick --check --json build/bench/check.json
	$(WITH) -m bench.cost.recorded

.PHONY: robustness
robustness: $(SETUP) $(WANTED) ## break everything by a seeded schedule for SECONDS (600) and judge it; SEED= repeats one, TOPOLOGY=cluster or sentinel
	$(WITH) -m testing.robustness --seconds $(or $(SECONDS),600) --seed $(or $(SEED),0) \
		--topology $(or $(TOPOLOGY),single) --durability $(or $(DURABILITY),memory)

.PHONY: failovers
failovers: $(SETUP) ## kill KILLS (100) primaries under load and count the acknowledged changes lost (DURABILITY=memory loses some); break a cluster and Sentinels
	$(BIN)/python -m testing.robustness.primary_kills --kills $(or $(KILLS),100) --durability $(or $(DURABILITY),replicas:1)
	$(BIN)/python -m pytest --quiet $(ON_REQUEST)

.PHONY: reality
reality: $(SETUP) $(WANTED) ## play the games and auctions in DATA through a real server and compare every clock; MOVES= plays on
	$(WITH) -m testing.reality $(DATA) --moves $(or $(MOVES),0)

.PHONY: attacks
attacks: $(SETUP) ## attack a server's port in every known way for SECONDS (10) each; `ulimit -n` should be 20000
	$(BIN)/python -m testing.attacks --seconds $(or $(SECONDS),10)

# By itself, as uv is: nothing else needs it, and it is not there for every system.
.PHONY: fuzz
fuzz: $(SETUP) ## try COUNT (200000) strange inputs on every method and parser, led by what code they reach (Linux)
	$(PIP_INSTALL) --upgrade --no-deps --target build/fuzz atheris==3.1.0
	GRPC_ENABLE_FORK_SUPPORT=0 PYTHONPATH="$(CURDIR)/build/fuzz:$(CURDIR):$(CURDIR)/generated:$(CURDIR)/clients/python" \
		$(BIN)/python -m tests.integration.fuzz --inputs $(or $(COUNT),200000)

.PHONY: conformance
conformance: $(SETUP) ## run the Connect project's conformance suite against the gateway (needs Go)
	$(BIN)/python -m testing.conformance

.PHONY: examples
examples: $(SETUP) ## play the example of every language against one server and compare; REQUIRE="Go Rust" fails without those
	$(BIN)/python -m testing.examples $(foreach one,$(REQUIRE),--require $(one))

# uv by itself, in a place of its own: nothing else needs it.
.PHONY: lock
lock: ## write requirements.txt anew: what the image installs, each file by its hash; and what lists that, likewise
	$(PYTHON) -m venv --clear build/lock
	build/lock/bin/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
	build/lock/bin/uv pip compile pyproject.toml --extra gateway --extra otel --universal --python-version 3.11 --constraints constraints.txt \
		--generate-hashes --no-annotate --no-header --no-emit-package synckairos-client --quiet -o requirements.txt
	echo cyclonedx-bom==7.5.0 | build/lock/bin/uv pip compile - --universal --python-version 3.11 \
		--generate-hashes --no-annotate --no-header --quiet -o deploy/sbom-requirements.txt

.PHONY: proto
proto: $(SETUP) ## write generated/ anew from protos/
	rm -rf generated
	mkdir generated
	$(call protoc,generated)

.PHONY: client-ts
client-ts: $(SETUP) $(NODE_MODULES) ## check, build and test the TypeScript client (Node 20 or newer)
	cd $(CLIENT_TS) && PATH="$(CURDIR)/$(BIN):$$PATH" npm run --silent generate
	cd $(CLIENT_TS) && npm run --silent check && npm run --silent build
	cd $(CLIENT_TS) && SYNCKAIROS_PYTHON="$(CURDIR)/$(BIN)/python" npm run --silent test

.PHONY: console-vendor
console-vendor: $(NODE_MODULES) ## write the clocks that the console draws anew from the TypeScript client
	rm -rf $(CONSOLE_VENDOR)
	$(call clock_modules,../../$(CONSOLE_VENDOR))

.PHONY: check-console
check-console: check-console-code $(NODE_MODULES) ## hold the console's clocks to those of the TypeScript client, and check its code
	rm -rf build/console-vendor
	$(call clock_modules,../../build/console-vendor)
	@diff -r $(CONSOLE_VENDOR) build/console-vendor || { echo "$(CONSOLE_VENDOR) is out of date: make console-vendor" >&2; exit 1; }

.PHONY: check-console-code
check-console-code: $(BROWSER_TOOLS)
	tests/browser/node_modules/.bin/biome check --error-on-warnings --config-path=tests/browser synckairos/console
	cd tests/browser && node_modules/.bin/tsc -p tsconfig.json

.PHONY: browser
browser: $(SETUP) $(BROWSER_SETUP) $(BROWSER_TOOLS) ## test the console in a real Chromium (apt install chromium; Node 20 or newer)
	$(BIN)/python -m pytest tests/browser

.PHONY: console-pictures
console-pictures: $(SETUP) $(BROWSER_SETUP) $(BROWSER_TOOLS) ## take the pictures of docs/console.md anew (with pngquant and the font Inter)
	SYNCKAIROS_PICTURES="$(CURDIR)/docs/pictures" $(BIN)/python -m pytest --quiet tests/browser/test_pictures.py

.PHONY: docs
docs: $(SETUP) ## build the site of the documentation into build/site; every warning is an error
	$(BIN)/python -m testing.site

.PHONY: pictures
pictures: $(SETUP) ## draw the pictures of docs/concepts.md and docs/time-controls.md anew
	$(BIN)/python -m testing.pictures

.PHONY: vectors
vectors: $(SETUP) ## write the golden vectors of the clients' clocks anew
	$(BIN)/python -m testing.clock_vectors

.PHONY: migrate
migrate: $(RUNTIME) ## bring the database in SYNCKAIROS_DATABASE_URL up to date
	$(BIN)/synckairos migrate up

.PHONY: check
check: $(SETUP) ## formatting, lint, types, direction of imports, protos, generated code
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy hatch_build.py
	$(BIN)/mypy clients/python/hatch_build.py
	$(BIN)/lint-imports
	$(BIN)/buf lint
	$(BIN)/buf format -d --exit-code
	@$(MAKE) --no-print-directory check-generated

.PHONY: check-alerts
check-alerts: ## check and test the alert rules with promtool (apt install prometheus)
	@command -v promtool >/dev/null || { echo "promtool is needed; on Debian: apt install prometheus" >&2; exit 1; }
	promtool check config deploy/prometheus/prometheus.yml
	promtool test rules deploy/prometheus/alerts_test.yml

# By itself, as uv is: nothing else needs cibuildwheel, which builds in containers of its own.
.PHONY: check-wheels
check-wheels: $(COMPILED_DONE) ## ask cibuildwheel which wheels would be published, and look at the one for this Python
	$(PYTHON) -m venv --clear build/cibuildwheel
	build/cibuildwheel/bin/python -m pip install --quiet --disable-pip-version-check cibuildwheel==4.3.5
	build/cibuildwheel/bin/cibuildwheel --platform linux --print-build-identifiers
	$(BIN)/python testing/wheels.py $(COMPILED_WHEELS)

# By itself, as uv is: its schemas are 20 MB, and nothing else needs them.
.PHONY: check-kubernetes
check-kubernetes: ## hold deploy/kubernetes to the schemas of Kubernetes
	$(PYTHON) -m venv --clear build/kubernetes
	build/kubernetes/bin/python -m pip install --quiet --disable-pip-version-check kubernetes-validate==1.37.0
	for version in 1.30 1.36; do build/kubernetes/bin/kubernetes-validate --kubernetes-version $$version --strict --quiet \
		$(filter-out %/kustomization.yaml,$(wildcard deploy/kubernetes/base/*.yaml)) \
		$(wildcard deploy/kubernetes/overlays/*/namespace.yaml deploy/kubernetes/overlays/*/settings.yaml) || exit 1; done

.PHONY: sbom
sbom: $(SETUP) ## write what the image installs to build/sbom.json, as CycloneDX
	$(PYTHON) -m venv --clear build/sbom
	build/sbom/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r deploy/sbom-requirements.txt
	build/sbom/bin/cyclonedx-py requirements --output-reproducible --of JSON -o build/sbom.json requirements.txt
	$(BIN)/python -m testing.sbom build/sbom.json

.PHONY: audit
audit: ## look for known vulnerabilities of what the image installs; says so where advisories cannot be reached
	$(PYTHON) -m venv --clear build/audit
	build/audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit==2.10.1
	$(PYTHON) -m testing.advisories build/audit/bin/pip-audit

.PHONY: check-generated
check-generated: $(SETUP)
	rm -rf build/generated
	mkdir -p build/generated
	$(call protoc,build/generated)
	@diff -rq -x __pycache__ generated build/generated || { echo "generated/ is out of date: make proto" >&2; exit 1; }
	@rm -rf build/generated

.PHONY: clean
clean: ## remove what can be made again; the data of `make run` stay
	rm -rf tests/browser/node_modules $(CLIENT_TS)/node_modules $(CLIENT_TS)/dist $(CLIENT_TS)/src/gen
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	rm -f .coverage .coverage.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(SETUP): $(INPUTS)
	$(create_venv)
	@echo "installing into $(VENV), this takes a minute the first time"
	@$(PIP_INSTALL) -e clients/python -e '.[embedded,gateway,otel,dev]'
	@touch $(RUNTIME) $@

$(NODE_MODULES): $(CLIENT_TS)/package.json $(CLIENT_TS)/package-lock.json
	@command -v npm >/dev/null || { echo "Node 20 or newer with npm is needed; on Debian: apt install nodejs npm" >&2; exit 1; }
	cd $(CLIENT_TS) && npm ci
	@touch $@

$(BROWSER_TOOLS): tests/browser/package.json tests/browser/package-lock.json
	@command -v npm >/dev/null || { echo "Node 20 or newer with npm is needed; on Debian: apt install nodejs npm" >&2; exit 1; }
	cd tests/browser && npm ci
	@touch $@

$(BROWSER_SETUP): $(SETUP)
	@$(PIP_INSTALL) -e '.[browser]'
	@touch $@

$(COMPILED_DONE): $(SETUP) hatch_build.py $(shell find synckairos generated migrations clients/python -type f -not -name '*.pyc')
	rm -rf $(COMPILED_TREE) $(COMPILED_WHEELS)
	HATCH_BUILD_HOOK_ENABLE_CUSTOM=true $(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps \
		--no-build-isolation --wheel-dir $(COMPILED_WHEELS) ./clients/python .
	$(PIP_INSTALL) --no-deps --target $(COMPILED_TREE) $(COMPILED_WHEELS)/*.whl
	@touch $@

$(RUNTIME): $(INPUTS)
	$(create_venv)
	@echo "installing into $(VENV), this takes a minute the first time"
	@$(PIP_INSTALL) -e clients/python -e '.[embedded,gateway,otel]'
	@touch $@
