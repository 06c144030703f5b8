"""What does the running Python installation document about itself?"""

import ast
import inspect
import sysconfig
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from lexmax.errors import DocumentError
from lexmax.types import Document

DEFAULT_LIMIT = 6000
"""Passages; about a minute of encoding on two cores."""

SHORTEST = 40
"""Characters; shorter strings repeat the name that they stand under."""

LONGEST = 500
"""Characters, about 128 word pieces; longer strings keep the paragraphs that fit."""

_TESTS_AND_TOOLS = {"test", "tests", "idle_test", "idlelib", "lib2to3", "turtledemo", "ensurepip"}
_SKIPPED = _TESTS_AND_TOOLS | {"site-packages", "dist-packages"}

_Documented: TypeAlias = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class _Module:
    """A source file: its dotted name, and its path below the folder that it was found in."""

    name: str
    file: Path
    folder: Path


def docstring_passages(limit: int = DEFAULT_LIMIT) -> Iterator[Document]:
    """Documentation strings of public modules, classes and functions of the standard library.

    Where it has fewer than `limit`, numpy's follow. Where there are more, they are taken at even
    distances. Sources are parsed, never imported; files that do not parse are left out. The same
    installation always gives the same passages in the same order.

    Args:
        limit: Most passages.

    Returns:
        Documents with the qualified name as id and title, such as
        "json.decoder.JSONDecoder.decode", and the metadata module, kind and file.
    """
    passages = list(_passages(_modules(Path(sysconfig.get_path("stdlib")), ())))
    if len(passages) < limit:
        more = _passages(_modules(Path(sysconfig.get_path("purelib")), ("numpy",)))
        return iter([*passages, *_evenly(list(more), limit - len(passages))])
    return iter(_evenly(passages, limit))


def _evenly(passages: Sequence[Document], n: int) -> list[Document]:
    if len(passages) <= n:
        return list(passages)
    return [passages[i * len(passages) // n] for i in range(n)]


def _modules(folder: Path, packages: Sequence[str]) -> Iterator[_Module]:
    """Public modules below a folder by name; of some packages only, if any are named."""
    roots = [folder / package for package in packages] or [folder]
    files = sorted(file.relative_to(folder) for root in roots for file in root.rglob("*.py"))
    for file in files:
        parts = file.with_suffix("").parts
        names = parts[:-1] if parts[-1] == "__init__" else parts
        if names and all(_is_public(name) for name in names):
            yield _Module(".".join(names), file, folder)


def _is_public(name: str) -> bool:
    return name.isidentifier() and not name.startswith("_") and name not in _SKIPPED


def _passages(modules: Iterator[_Module]) -> Iterator[Document]:
    seen: set[str] = set()
    for module in modules:
        for name, node in _documented(module):
            passage = _passage(module, name, node)
            if passage is not None and passage.doc_id not in seen:
                seen.add(passage.doc_id)
                yield passage


def _documented(module: _Module) -> Iterator[tuple[str, _Documented]]:
    """The module, and its public classes, methods and functions, in the order of the file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Other people's invalid escape sequences.
            tree = ast.parse((module.folder / module.file).read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return
    yield module.name, tree
    yield from _members(module.name, tree)


def _members(qualified: str, node: ast.AST) -> Iterator[tuple[str, _Documented]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if _is_public(child.name):
                name = f"{qualified}.{child.name}"
                yield name, child
                if isinstance(child, ast.ClassDef):
                    yield from _members(name, child)
        elif isinstance(child, ast.If | ast.Try | ast.ExceptHandler):
            yield from _members(qualified, child)


def _passage(module: _Module, name: str, node: _Documented) -> Document | None:
    docstring = ast.get_docstring(node, clean=False)
    text = _shortened(inspect.cleandoc(docstring)) if docstring else ""
    if len(text) < SHORTEST:
        return None
    metadata = {"module": module.name, "kind": _kind(node), "file": module.file.as_posix()}
    try:
        return Document(name, text, name, metadata)
    except DocumentError:
        return None


def _kind(node: _Documented) -> str:
    if isinstance(node, ast.Module):
        return "module"
    return "class" if isinstance(node, ast.ClassDef) else "function"


def _shortened(text: str) -> str:
    """The paragraphs, or else lines, or else words, that fit and fill at least half."""
    if len(text) <= LONGEST:
        return text
    ends = (text.rfind(mark, LONGEST // 2, LONGEST + 1) for mark in ("\n\n", "\n", " "))
    return text[: next((end for end in ends if end > 0), LONGEST)].rstrip()
