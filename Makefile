# Two commands on a fresh machine: `make demo` and `make test`. Each sets up what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
export OMP_NUM_THREADS ?= 1
export NO_MKDOCS_2_WARNING ?= 1

.PHONY: setup demo test quick lint docs format bench dist oldest clean

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "lix needs Python 3.10 or newer; name one as in: make setup PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev]"
	@touch $@

demo: $(READY)
	$(BIN)/lix demo

test: $(READY)
	$(BIN)/python -m pytest -n 2

# All but the tests marked as slow, for the time between two edits.
quick: $(READY)
	$(BIN)/python -m pytest -n 2 -m "not slow"

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache > /dev/null || $(BIN)/lint-imports --no-cache
	$(BIN)/mkdocs build --quiet

# The documentation as site/index.html, which opens and searches without a server.
docs: $(READY)
	$(BIN)/mkdocs build

format: $(READY)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(READY)
	for name in data losses networks normals predict sgbm training_step; do $(BIN)/python benchmarks/$$name.py || exit; done

# Wheel and sdist, each tried in an empty environment.
dist: $(READY)
	rm -rf dist $(VENV)-dist
	$(BIN)/python -m pip install --quiet build
	$(BIN)/python -m build --outdir dist
	for built in dist/*.whl dist/*.tar.gz; do \
		$(PYTHON) -m venv --clear $(VENV)-dist && \
		$(VENV)-dist/bin/python -m pip install --quiet -c constraints.txt $$built && \
		(cd dist && for words in --version "list methods" "list networks" "list datasets" cite; do \
			../$(VENV)-dist/bin/lix $$words || exit; \
		done) || exit; \
	done

# The tests with the oldest versions that pyproject.toml allows; what these warn of each other is not ours.
oldest:
	$(PYTHON) -m venv $(VENV)-oldest
	$(VENV)-oldest/bin/python -m pip install --quiet -c constraints-oldest.txt -e ".[dev]"
	$(VENV)-oldest/bin/python -m pytest -W default

clean:
	rm -rf $(VENV) $(VENV)-dist $(VENV)-oldest dist site .mypy_cache .pytest_cache .ruff_cache
