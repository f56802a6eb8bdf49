# Everything from a bare machine: python3 >= 3.11 and make. Each target makes .venv by itself and is quick the second time.
.PHONY: help demo test check static laws desktop docs screens format bundle bench lock clean qt qt-packages up down psql app-test
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
PYTEST := $(BIN)/pytest -n auto --dist worksteal $(if $(SEED),--randomly-seed=$(SEED))
# where byte code may not be kept, every process compiles hundreds of modules anew; .venv is ours
unexport PYTHONDONTWRITEBYTECODE
QT_PACKAGES := libegl1 libgl1 libxkbcommon-x11-0 libdbus-1-3 libfontconfig1 libglib2.0-0 libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1

help: ## show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

demo: .venv/ready qt ## the whole job on the bundled sample market, without network; writes demo/
	@$(BIN)/backtest demo --out demo

test: .venv/ready qt ## the tests, without the long ones; SEED=N repeats the order of a run
	@BACKTEST_TEST_PROFILE=quick $(PYTEST) -m "not long"

# the types are checked while the engine is compiled: each keeps one core busy for a minute
check: ## what CI runs: format, lint, types, import contracts, all tests; what fails beside others gets a second try alone
	@$(MAKE) --no-print-directory -j2 static .venv/ready
	@$(MAKE) --no-print-directory qt
	$(PYTEST) --cache-clear || { test $$? = 1 && $(BIN)/python -m tools.alone; }

static: .venv/packages ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

laws: .venv/ready ## new, longer random histories for the laws of the data layer, for an hour or two
	@BACKTEST_TEST_PROFILE=long $(PYTEST) tests/engine/data/test_state_machine.py

desktop: .venv/ready qt ## open the window
	@$(BIN)/backtest desktop

docs: .venv/ready ## write the reference pages anew, and build the site: build/docs/index.html
	@$(BIN)/python -m tools.references
	@$(BIN)/sphinx-build -q -aE -W --keep-going -c docs . build/docs
	@echo "build/docs/index.html"

screens: .venv/ready qt ## pictures of every page of the window, in both themes and three sizes: build/screens
	@$(BIN)/python -m tools.screens

format: .venv/ready ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bundle: .venv/ready qt ## the window as a folder that needs no Python, in dist/; takes some minutes
	$(BIN)/pyinstaller --noconfirm --log-level ERROR --distpath dist --workpath build/bundle bundle/backtest.spec
	dist/backtest-desktop/backtest -m engine.jobs.compile
	$(PYTEST) tests/test_bundle.py

bench: .venv/ready ## time the parts that must be fast, as ratios
	@for file in benchmarks/[a-z]*.py; do echo "== $$file"; $(BIN)/python -m benchmarks.$$(basename $$file .py) || exit 1; done

lock: .venv/ready ## resolve requirements.lock again
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --no-header --no-annotate \
	  --no-emit-index-url --no-emit-find-links --upgrade pyproject.toml -o requirements.lock

up: ## start PostgreSQL and the server in containers (needs Docker, and POSTGRES_PASSWORD in .env)
	@docker compose up -d --build --wait

down: ## stop the containers; what they hold stays
	@docker compose --profile '*' down

psql: ## open the containers' database
	@docker compose exec postgres psql -U backtest -d backtest_db

app-test: ## the tests, without the long ones, in a container
	@APP_TARGET=test docker compose run --rm --build --no-deps --entrypoint pytest app tests/ -m "not long"

clean: ## remove .venv and caches; your data is elsewhere and stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist *.egg-info

qt: .venv/packages
	@$(BIN)/python -c "import PySide6.QtWidgets" 2>/dev/null || { \
	  echo "Qt needs system libraries that are missing; on Debian or Ubuntu: apt-get install -y $(QT_PACKAGES)"; exit 1; }

qt-packages:
	@echo $(QT_PACKAGES)

# what the first start would wait for, compiled kernels and descriptions of the strategies; quick where nothing changed
.venv/ready: .venv/packages $(wildcard engine/*.py engine/*/*.py engine/*/*/*.py strategies/*.py)
	@$(BIN)/python -m engine.jobs.compile
	@touch $@

# uv does not read pip's configuration, so pip's index is handed on where one is set
.venv/packages: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python3 >= 3.11 is needed"; exit 1; }
	@echo "setting up .venv (once)"
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv >/dev/null 2>&1 || { rm -rf .venv; \
	  echo "python3 cannot make a virtual environment; on Debian or Ubuntu: apt-get install -y python3-venv"; exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check uv
	@index="$${PIP_INDEX_URL:-$$($(BIN)/pip config get global.index-url 2>/dev/null)}"; \
	  if [ -n "$$index" ] && [ -z "$$UV_DEFAULT_INDEX" ]; then export UV_DEFAULT_INDEX="$$index"; fi; \
	  certificate="$${PIP_CERT:-$$($(BIN)/pip config get global.cert 2>/dev/null)}"; \
	  if [ -n "$$certificate" ] && [ -z "$$SSL_CERT_FILE" ]; then export SSL_CERT_FILE="$$certificate"; fi; \
	  $(BIN)/uv pip sync --quiet --python $(BIN)/python requirements.lock && \
	  $(BIN)/pip install --quiet --disable-pip-version-check uv && \
	  $(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@
