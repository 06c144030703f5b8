# PYTHON is any interpreter of an environment that has `pip install -e ".[dev]"`.
PYTHON ?= python

.PHONY: check test fuzz format stub
check:
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy
	$(PYTHON) -m pyright --pythonpath "$$($(PYTHON) -c "import sys; print(sys.executable)")"
	$(PYTHON) -c "from importlinter.cli import lint_imports_command as run; run()"
	$(PYTHON) tests/check_stub.py

test:
	$(PYTHON) -m pytest

# Damages what the readers read, under AddressSanitizer and UBSan (GCC on Linux): tests/fuzz/README.md.
# FUZZ_SECONDS for each file or array; FUZZ_SEED to go on elsewhere, or to repeat a round.
FUZZ_SECONDS ?= 10
FUZZ_SEED ?= 0
FUZZ_BUILD ?= build/sanitized
FUZZ_TESTS ?= tests/fuzz/test_sparse_arrays.py tests/fuzz/test_sparse_files.py tests/fuzz/test_multivector_files.py tests/fuzz/test_residual_files.py tests/fuzz/test_store_files.py tests/fuzz/test_pooled_files.py tests/fuzz/test_attribute_files.py tests/fuzz/test_neighbour_files.py
fuzz:
	$(PYTHON) -m cmake -S . -B $(FUZZ_BUILD) -G Ninja -DCMAKE_BUILD_TYPE=Release -DLEXMAX_SANITIZE=ON \
		-DPython_EXECUTABLE="$$($(PYTHON) -c "import sys; print(sys.executable)")" \
		-Dnanobind_DIR="$$($(PYTHON) -m nanobind --cmake_dir)"
	$(PYTHON) -m cmake --build $(FUZZ_BUILD)
	LEXMAX_NATIVE="$$(echo $(FUZZ_BUILD)/_native*.so)" PYTHONPATH=tests/fuzz/native \
	LEXMAX_FUZZ_SECONDS=$(FUZZ_SECONDS) LEXMAX_FUZZ_SEED=$(FUZZ_SEED) LEXMAX_FUZZ_LAST=$(FUZZ_BUILD)/last-round \
	LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libstdc++.so)" \
	ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 \
	$(PYTHON) -m pytest -p preloaded -x --capture=sys $(FUZZ_TESTS) \
	|| { echo "The round that failed:"; cat $(FUZZ_BUILD)/last-round; exit 1; }

# Published figures, found again: docs/reproductions.md. DATA holds datasets, WORK keeps collections;
# ONLY="scifact cacm" runs some, AGAIN=1 evaluates again what was evaluated.
DATA ?= collections
WORK ?= build/reproductions
.PHONY: reproduce
reproduce:
	$(PYTHON) docs/reproductions.py run $(ONLY) --data "$(DATA)" --work "$(WORK)" $(if $(AGAIN),--again)

format:
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .

stub:
	$(PYTHON) tests/check_stub.py --write

# The service under kills, restarts, load and abuse, with real processes: tests/durability/README.md.
.PHONY: kill-loops soak rolling-restarts schemathesis
N ?=
MINUTES ?=
kill-loops:
	$(PYTHON) tests/durability/kill_loops.py -n $(or $(N),200) $(if $(SEED),--seed $(SEED))

soak:
	$(PYTHON) tests/durability/soak.py --minutes $(or $(MINUTES),30) $(if $(SEED),--seed $(SEED))

rolling-restarts:
	$(PYTHON) tests/durability/rolling_restarts.py -n $(or $(N),100) $(if $(SEED),--seed $(SEED))

schemathesis:
	PYTHON="$(PYTHON)" MINUTES="$(or $(MINUTES),10)" SEED="$(or $(SEED),0)" tests/durability/schemathesis.sh
