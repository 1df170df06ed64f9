# Salus. `make demo` and `make test` need only Python 3.11+, make and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SUITES ?=
DEMO ?=
PACKAGES ?= ../shared/fhir-packages

.PHONY: demo test check lint types contracts bench scoreboard lock sbom tables cda-tables profile-tables clean

$(VENV)/.ready: requirements.lock pyproject.toml
	@test -d $(VENV) || $(PYTHON) -c "import sys; sys.exit('Salus needs Python 3.11 or newer; try: make PYTHON=python3.12 ...') if sys.version_info < (3, 11) else None"
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (once, about a minute) ..." >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

demo: $(VENV)/.ready  ## Start three nodes on loopback and play the story
	@$(BIN)/salus demo $(DEMO)

test: $(VENV)/.ready  ## Run every test
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.ready
	$(BIN)/mypy

contracts: $(VENV)/.ready
	$(BIN)/lint-imports

check: lint types contracts test scoreboard  ## Everything CI checks

bench: $(VENV)/.ready  ## Print one JSON line per figure
	@$(BIN)/python -m bench

scoreboard: $(VENV)/.ready  ## Run the public suites of ../shared, or those in the folder SUITES
	@$(BIN)/python -m conformance.scoreboard $(SUITES)

lock: $(VENV)/.ready  ## Resolve requirements.lock anew
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --group check --group bench pyproject.toml -o requirements.lock

sbom: $(VENV)/.ready  ## Write sbom.cdx.json (CycloneDX): all that requirements.lock installs, the same bytes each time
	$(BIN)/python -m cyclonedx_py requirements --pyproject pyproject.toml --output-reproducible -o sbom.cdx.json requirements.lock

tables: $(VENV)/.ready  ## Derive the shipped FHIR tables from the pinned core package
	$(BIN)/python -m tools.r4_tables

cda-tables: $(VENV)/.ready  ## Derive the table of code systems by OID from the packages in the folder PACKAGES
	$(BIN)/python -m tools.cda_code_systems $(wildcard $(PACKAGES)/hl7.terminology.r4*.tgz $(PACKAGES)/hl7.fhir.r4.core*.tgz)

profile-tables: $(VENV)/.ready  ## Derive the shipped rules of the six categories from the guides in the folder PACKAGES
	$(BIN)/python -m tools.profile_tables $(PACKAGES)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache scoreboard
