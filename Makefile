# PYTHON is any interpreter of an environment that has `pip install -e ".[dev]"`.
PYTHON ?= python

.PHONY: check test format stub
check:
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy
	$(PYTHON) -m pyright --pythonpath "$$($(PYTHON) -c "import sys; print(sys.executable)")"
	$(PYTHON) -c "from importlinter.cli import lint_imports_command as run; run()"
	$(PYTHON) tests/check_stub.py

test:
	$(PYTHON) -m pytest

format:
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .

stub:
	$(PYTHON) tests/check_stub.py --write
