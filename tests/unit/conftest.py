"""Modules that several tests share, loaded on first use."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def tiny_checkpoints() -> ModuleType:
    """The module that builds tiny model folders; importing it takes seconds."""
    path = Path(__file__).with_name("tiny_checkpoints.py")
    spec = importlib.util.spec_from_file_location("tiny_checkpoints", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
