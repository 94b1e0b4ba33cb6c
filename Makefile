# evalkit: `make run` shows it on sample traffic, `make test` proves it. Needs Python >= 3.11 and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SERVICES := .services
OUT := out
# A process for each processor, with one thread each: threads that share a busy one mostly wait for
# each other. A file of tests stays in one process, since its tests share what is slow to make.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n logical --maxprocesses=4 --dist loadfile --no-loadscope-reorder

.PHONY: run setup test test-slow services ray others check format bench clean

run: $(STAMP)  ## all nights of the sample traffic; prints where the newest page is
	@mkdir -p $(OUT)
	@$(BIN)/evalkit backfill --config datasets/sample/evalkit.toml --from 2026-10-24 --to 2026-11-22; \
	status=$$?; [ $$status -le 1 ]

setup: $(STAMP)  ## a virtual environment with everything, pinned

# torch first and by itself: its CPU build is enough, and what follows then leaves it alone
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check torch==2.13.0 -c constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dask,dev,openvino,onnx,postgres]' -c constraints.txt
	@touch $@

check: $(STAMP)  ## format, lint, types, import floors
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: $(STAMP)  ## everything but the slow tests
	$(PYTEST)

test-slow: $(STAMP)  ## real Airflow, real browser, real databases, kill tests, simulations
	$(PYTEST) -m slow --timeout=1800

# what pip can bring of the servers that slow tests start, apart from what evalkit itself is made of
services: $(SERVICES)/.installed  ## an S3 API for the slow tests

$(SERVICES)/.installed: tests/services.txt
	$(PYTHON) -m venv $(SERVICES)
	$(SERVICES)/bin/pip install --quiet --disable-pip-version-check -r tests/services.txt
	@touch $@

# 240 MB unpacked: only its slow tests need it, and skip without it
ray: $(VENV)/.ray  ## Ray, for the slow tests of its engine

$(VENV)/.ray: $(STAMP)
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[ray]' -c constraints.txt
	@touch $@

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP)  ## benchmarks: ratios against named baselines, measured in one run
	$(BIN)/python -m benchmarks

# 2 GB: what `python -m benchmarks others` compares with, each with the pins that make it importable
others: .others/evidently/.installed .others/ragas/.installed  ## Evidently and Ragas, for benchmarks alone

.others/%/.installed: benchmarks/elsewhere/%.txt
	$(PYTHON) -m venv .others/$*
	.others/$*/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

clean:
	rm -rf $(OUT) dist build
