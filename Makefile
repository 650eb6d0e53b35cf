# Everything runs from .venv, made from the hashed lock; both main targets start again at once when repeated.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PEERS := .venv-bench

.PHONY: demo test fresh lint bench soak docs install sandboxes test-tools lock clean

demo: install sandboxes
	$(BIN)/winnow demo

test: install sandboxes test-tools lint
	$(BIN)/python -m pytest -q -n 2 --dist loadgroup --no-loadscope-reorder --durations 10

# Both commands on a new Debian machine, made by debootstrap for this and removed at the end: before a release.
# `make fresh FRESH="make demo"` runs other commands there.
fresh:
	sh docker/fresh-debian.sh $(if $(FRESH),"$(FRESH)")

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

# Winnow's sandboxes beside docker alone, plain processes and the peers (docs/performance.md): some twenty-five minutes.
# `make bench BENCH="--quick"`, `make bench BENCH="--only exec --arms overlay,plain"`: see `python -m bench --help`.
# A quick run ends within five minutes, so it measures the peers only where they are installed already.
bench: install sandboxes $(if $(findstring --quick,$(BENCH)),,$(PEERS)/.installed)
	$(BIN)/python -m bench $(BENCH)

# Ten thousand sandboxes started, used and closed, with kills among them; then nothing may be left.
soak: install sandboxes
	$(BIN)/python -m bench.soak $(SOAK)

# The peers have an environment of their own: their pins are not ours, and Winnow never needs them.
$(PEERS)/.installed: bench/requirements.txt
	@echo "bench: installing the peers in $(PEERS): two to four minutes on two cores, once"
	test -x $(PEERS)/bin/python || $$(command -v $(PYTHON) || command -v python3) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet -r bench/requirements.txt
	touch $@

install: $(STAMP)

# `venv` is made anew only where there is none, so that an interrupted installation just goes on.
$(STAMP): pyproject.toml requirements.lock
	test -x $(BIN)/python || $$(command -v $(PYTHON) || command -v python3) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $(STAMP)

# Docker's engine, where it can be had (as root on Debian; else it says what to do): overlay sandboxes need nothing.
sandboxes:
	@sh docker/setup-debian.sh

# What only the tests need: a registry to pull from, a browser for the viewer.
test-tools: install
	@sh docker/setup-tests-debian.sh

# The docs as a site, in build/site.
docs: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

# The lock names no index and is good for every platform.
lock:
	uv pip compile pyproject.toml --extra dev --python-version 3.11 --universal --generate-hashes \
		--no-emit-index-url --no-emit-find-links --no-header -o requirements.lock

clean:
	rm -rf $(VENV) $(PEERS) *.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache
