# The menu of this project: `make help`. Needs make, Python 3.11 and its venv module; everything else is installed
# into .venv from the lock files, and again only when a lock file changes.

VENV := .venv
PY := $(VENV)/bin/python
# The first Python that is new enough; set PYTHON to choose another.
PYTHON ?= $(shell for p in python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

hash = $(shell cat $(1) pyproject.toml | sha256sum | cut -c1-16)
RUNTIME := $(VENV)/.runtime-$(call hash,requirements.lock)
DEV := $(VENV)/.dev-$(call hash,requirements-dev.lock)
GEN := services/gen/segops.binpb

PIP := $(PY) -m pip --disable-pip-version-check --quiet
# protoc finds its plugins on the path.
BUILD := PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(PY) protos/build.py

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup dev gen run up down demo test nightly storm chaos scale fuzz mutate lint format validate bench docs lock clean

help: ## this list
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

setup: $(RUNTIME) $(GEN) ## install what the platform needs and build the stubs
	@echo "Installed in $(VENV)."

dev: $(DEV) $(GEN)

gen: $(RUNTIME) ## build the stubs and the descriptor set from protos/
	@$(BUILD)

run: $(RUNTIME) $(GEN) ## run the whole platform in the foreground, until Ctrl-C
	@exec $(PY) -m deploy.local run --with-parent

up: $(RUNTIME) $(GEN) ## start the platform in the background, return when it is ready
	@$(PY) -m deploy.local up

down: $(RUNTIME) ## stop the platform in the background
	@$(PY) -m deploy.local down

demo: $(RUNTIME) $(GEN) ## load a real purchase log into the running platform and compute segments
	@$(PY) -m cli.demo

test: dev ## run every test
	@$(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder

nightly: dev ## compare the segment compiler with the oracle on thousands of new histories; takes some ten minutes
	@$(PY) -m pytest tests/integration/compiler/nightly.py --timeout 0 --hypothesis-show-statistics

storm: dev ## sync connectors while all that can break breaks, for some twenty minutes
	@$(PY) -m pytest tests/integration/connectors/storm/long.py --timeout 0

chaos: dev ## kill every process again and again while events come in, and count them; takes some five minutes
	@$(PY) -m pytest tests/chaos/long.py --timeout 0

scale: dev ## kill servers of the log and the database, and replace every process, under load; takes some five minutes
	@$(PY) -m pytest tests/scale/long.py --timeout 0

fuzz: dev ## call the whole API with requests made of its document, good and bad ones; takes some fifteen minutes
	@FUZZ_OPTIONS="$(OPTIONS)" $(PY) -m pytest tests/fuzz/whole.py --timeout 0 --capture no

mutate: dev ## send 100,000 random mutations of valid requests; takes some five minutes
	@$(PY) -m pytest tests/e2e/tenancy/long.py --timeout 0

docs: $(RUNTIME) $(GEN) ## write docs/configuration.md, which is made of the settings
	@$(PY) -m cli configuration > docs/configuration.md

lint: dev ## check style, types, imports between packages and protos
	@$(PY) -m ruff check
	@$(PY) -m ruff format --check
	@$(PY) -m mypy
	@$(VENV)/bin/lint-imports
	@$(VENV)/bin/buf lint $(GEN) --config buf.yaml

format: dev ## format the code and repair what can be repaired
	@$(PY) -m ruff check --fix --exit-zero
	@$(PY) -m ruff format

validate: dev ## check envoy.yaml, the Dockerfile, docker-compose.yml, the Helm chart, and with promtool the alerts
	@envoy=$$($(PY) -c 'import envoy, pathlib; print(pathlib.Path(envoy.__file__).parent / "_bin" / "envoy")') && \
		$$envoy --mode validate --log-level warning --config-path envoy.yaml
	@$(PY) -m pytest -q tests/unit/deploy
	@if docker compose version >/dev/null 2>&1; then docker compose config --quiet; fi
	@if command -v promtool >/dev/null; then promtool check config deploy/observability/prometheus.yml && \
		promtool test rules deploy/observability/alerts_test.yml; fi

bench: dev ## measure throughput and latency, and what bounds them
	@$(PY) -m tests.bench

lock: $(DEV) ## resolve the dependencies anew and write both lock files
	@$(PIP) install uv
	@# What runs is what was tested: the lock of the platform takes its versions from the other one.
	@for out in "requirements-dev.lock --group dev" "requirements.lock --constraint requirements-dev.lock"; do \
		$(VENV)/bin/uv pip compile --no-config --quiet --upgrade --universal --python-version 3.11 \
			--generate-hashes --no-header --no-annotate \
			pyproject.toml --output-file $$out >/dev/null; done

clean: ## remove the environment, the stubs and all caches; the data directory stays
	@rm -rf $(VENV) services/gen build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -not -path './.data/*' -prune -exec rm -rf {} +

# Each recipe ends by making its stamp, so that an interrupted installation starts again. The development
# environment contains the other one.
$(RUNTIME): LOCK = requirements.lock
$(DEV): LOCK = requirements-dev.lock
$(RUNTIME) $(DEV):
	@test -n "$(PYTHON)" && $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "SegOps needs Python 3.11 or newer; on Debian: apt-get install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
		echo "Python's venv module is missing; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "Installing from $(LOCK) into $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --require-hashes -r $(LOCK)
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@rm -f $(VENV)/.runtime-* $(VENV)/.dev-*
	@touch $(RUNTIME) $@

$(GEN): protos/build.py $(shell find protos -name '*.proto') | $(RUNTIME)
	@$(BUILD)
