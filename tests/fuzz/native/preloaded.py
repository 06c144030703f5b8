"""A pytest plugin: tests use the native module that LEXMAX_NATIVE names, not the installed one."""

import importlib.util
import os
import sys

_NAME = "lexmax.index._native"

if _path := os.environ.get("LEXMAX_NATIVE"):
    _spec = importlib.util.spec_from_file_location(_NAME, _path)
    if _spec is None or _spec.loader is None:
        raise ImportError(f"LEXMAX_NATIVE is {_path}; expected the path of a built _native module")
    # Imports look here first.
    sys.modules[_NAME] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules[_NAME])
