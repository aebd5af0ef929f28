# Two commands do all the set-up: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BENCH := $(VENV)/bench/bin/python
SMOKE := env -u PYTHONPATH
EVALS := cd examples/golden_sets && ../../$(BIN)/pytest --eval-gate --no-header -q

.PHONY: demo test check mutations smoke smoke-oldest sample-log bench bench-statistics peers distributed browser docs fuzz realmodel busy cluster coverage clean

demo: $(VENV)/.demo
	@echo "== 1. a candidate that is better than its baseline: the gate passes"
	$(EVALS) gsm8k
	@echo
	@echo "== 2. the two systems swapped: a candidate that regressed: the gate fails, exit code 1"
	$(EVALS) gsm8k --eval-target recorded:gsm8k/outputs.6b_finetuning.jsonl \
		--eval-baseline baselines/gsm8k.6b_verification.json; test $$? -eq 1
	@echo
	@echo "The failure above is the demo. More: README.md, examples/golden_sets/README.md, docs/"

test: check $(VENV)/.fuzz
	$(BIN)/python -m pytest -n 2

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# 2,000 set-ups that fail, each with one change to one file: none may pass (`make test` tries 200);
# 300 mutations of a pull request: each is listed or blocked (`make test` tries 40)
mutations: $(VENV)/.dev
	MUTATIONS=2000 $(BIN)/python -m pytest tests/plugin/test_plugin_mutations.py
	EVALGATE_MUTATIONS=300 $(BIN)/python -m pytest -n 2 tests/guard/test_guard_mutations.py

# the wheel in an empty environment: what users install, with the newest and with the oldest allowed dependencies
smoke: build/smoke/newest/.installed
	$(SMOKE) build/smoke/newest/bin/python -m pytest --confcutdir tests/smoke -c tests/smoke/pytest.ini tests/smoke

smoke-oldest: build/smoke/oldest/.installed
	$(SMOKE) build/smoke/oldest/bin/python -m pytest --confcutdir tests/smoke -c tests/smoke/pytest.ini tests/smoke

build/dist/.built: pyproject.toml hatch_build.py $(shell find src -type f ! -name '*.pyc') | $(VENV)/.dev
	rm -rf build/dist
	$(BIN)/python -m hatchling build -t wheel -d build/dist
	@touch $@

build/smoke/%/.installed: build/dist/.built tests/smoke/oldest.txt
	rm -rf $(@D)
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check \
		$(if $(filter oldest,$*),--constraint tests/smoke/oldest.txt) build/dist/*.whl
	@touch $@

# a million rows of a log on bounded memory and CPU, as JSON Lines and as Parquet: half a minute
sample-log: $(VENV)/.dev
	$(BIN)/python -m benchmarks.sample_log --rows 1000000
	$(BIN)/python -m benchmarks.sample_log --rows 1000000 --parquet

# as make test runs it, at twice the time
coverage: $(VENV)/.dev
	$(BIN)/python -m coverage erase
	COVERAGE_PROCESS_START=$(CURDIR)/pyproject.toml $(BIN)/python -m coverage run -m pytest -n 2
	$(BIN)/python -m coverage combine -q
	$(BIN)/python -m coverage report

# every speed row beside its bare loop and its bound, on the installed wheel; needs two idle cores for 20 minutes
bench: $(VENV)/.bench
	BENCH_TREE=$$($(BENCH) -c "import sysconfig; print(sysconfig.get_path('purelib'))") $(BENCH) -m benchmarks.speed

# coverage of intervals, false alarms and power by simulation, and what is measured without a bound
bench-statistics: $(VENV)/.bench
	-$(BENCH) -m benchmarks.distributions
	$(BENCH) -m benchmarks.tracing --rounds 3
	$(BENCH) -m benchmarks.judgement
	$(BENCH) -m benchmarks.sample_log --rows 1000000
	$(BENCH) -m benchmarks.sample_rates --seeds 200
	$(BENCH) -m benchmarks.contamination --megabytes 100
	$(BENCH) -m benchmarks.false_alarms --builds 200
	$(BENCH) -m benchmarks.early_stopping --builds 100
	$(BENCH) -m benchmarks.slice_gates --builds 200
	$(BENCH) -m benchmarks.suite_metrics --builds 100
	$(BENCH) -m benchmarks.corrected_rates --builds 500
	$(BENCH) -m benchmarks.sampled_labels --builds 500
	$(BENCH) -m benchmarks.detectors --clean 1000
	$(BENCH) -m benchmarks.trend_alarms --histories 50 --unchanged 200
	$(BENCH) -m benchmarks.first_hour
	$(BIN)/python -m benchmarks.view_load

# the same work in other tools, each in an environment of its own below build/peers; writes docs/reference/how-fast.md
peers: $(VENV)/.bench
	BENCH_TREE=$$($(BENCH) -c "import sysconfig; print(sysconfig.get_path('purelib'))") \
		$(BENCH) -m benchmarks.peers --folder build/peers --page

# shards as processes with Kubernetes' variables, over an S3 server on this machine; CASES=1000000 takes half an hour
distributed: $(VENV)/.dev
	$(BIN)/python -m benchmarks.distributed --whole --cases $(or $(CASES),100000)

docs: $(VENV)/.dev
	$(BIN)/python docs/make_reference.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@echo "build/site/index.html"

# 200 cases on four workers beside six busy loops, where no wait may end by its bound: takes a minute or two
busy: $(VENV)/.dev
	$(BIN)/python -m pytest -m busy tests/plugin/test_plugin_waits.py

realmodel: $(VENV)/.realmodel
	$(BIN)/python -m pytest -m realmodel tests/realmodel

# Ray's local cluster, and a DAG that a real Airflow imports: each in an environment of its own
cluster: $(VENV)/ray/.installed $(VENV)/airflow/.installed $(VENV)/.dev
	$(BIN)/python -m pytest tests/distributed/test_distributed_clusters.py

$(VENV)/ray/.installed: pyproject.toml
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[remote]' 'ray>=2.40'
	@touch $@

$(VENV)/airflow/.installed:
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check 'apache-airflow>=3'
	@touch $@

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(VENV)/.demo

# the wheel, as users have it; the libraries of the bare loops lie beside it: openai imports aiohttp if it is installed
$(VENV)/.bench: build/dist/.built
	test -x $(BENCH) || $(PYTHON) -m venv $(VENV)/bench
	$(BENCH) -m pip install --quiet --disable-pip-version-check build/dist/*.whl
	$(BENCH) -m pip install --quiet --disable-pip-version-check --force-reinstall --no-deps build/dist/*.whl
	test -d $(VENV)/bench/bare || $(BENCH) -m pip install --quiet --disable-pip-version-check \
		--target $(VENV)/bench/bare aiohttp orjson
	@touch $@

$(VENV)/.browser: tests/browser/requirements.txt $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

$(VENV)/.realmodel: tests/realmodel/requirements.txt $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

$(VENV)/.fuzz: tests/server/fuzz.txt $(VENV)/.dev
	$(PYTHON) -m venv $(VENV)/fuzz
	$(VENV)/fuzz/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

# a client that reads the OpenAPI document sends more than 2,000 requests to the server of `view`
fuzz: $(VENV)/.fuzz
	FUZZ_EXAMPLES=100 $(BIN)/python -m pytest tests/server/test_server_fuzz.py

browser: $(VENV)/.browser
	$(BIN)/python -m pytest tests/browser

clean:
	rm -rf $(VENV) build dist .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
