"""Which texts answer a query best, and how well, by an encoder of any kind?

Texts are known by a hash of their content, so that the same text is found again whatever file it
came from.
"""

import os
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeAlias, cast

import numpy as np
import orjson
import xxhash
from numpy.typing import NDArray

from lexmax.building import Watcher
from lexmax.collection import Collection
from lexmax.creating import IndexChoice
from lexmax.encoders import Encoders, SparseEncoder
from lexmax.encoders.contract import DenseEncoder, MultiVectorEncoder, PairScorer
from lexmax.encoders.training.durable import DRAFT, writing
from lexmax.encoders.training.texts import Texts
from lexmax.errors import TrainingError
from lexmax.index.tokens import TokenStore
from lexmax.indexing import index_corpus
from lexmax.types import SparseBatch, TermStatistics, TokenBatch, best_first, ranges

_PART_TEXTS = 512
_BLOCK_VECTORS = 1 << 16

AnyEncoder: TypeAlias = SparseEncoder | MultiVectorEncoder | DenseEncoder | PairScorer
Found: TypeAlias = list[tuple[str, float]]
"""(text, score), best first."""


class TextIndex(Protocol):
    """Texts that can be ranked for queries."""

    def search(self, queries: Sequence[str], k: int) -> list[Found]:
        """The k best texts of every query."""
        ...

    def scores(
        self, queries: Sequence[str], texts: Sequence[Sequence[str]]
    ) -> list[NDArray[np.float32]]:
        """Scores of each query's own texts, in their order; NaN where there is nothing to score."""
        ...


def text_id(text: str) -> str:
    """The name of a text: 128 bits of its content."""
    return xxhash.xxh3_128_hexdigest(text.encode())


def write_corpus(path: Path, texts: Iterable[str]) -> None:
    """Write each different text once, a JSON line with `_id` and `text`.

    Raises:
        DiskFullError: if there is no room.
    """
    seen: set[bytes] = set()
    draft = path.with_name(path.name + DRAFT)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as file:
            for text in texts:
                key = xxhash.xxh3_128_digest(text.encode())
                if text and key not in seen:
                    seen.add(key)
                    file.write(orjson.dumps({"_id": key.hex(), "text": text}) + b"\n")
        draft.replace(path)


@contextmanager
def text_index(
    spec: str, corpus: Path, folder: Path, *, watcher: Watcher, encoders: Encoders | None = None
) -> Generator[TextIndex, None, None]:
    """The texts of a corpus file, indexed by the encoder of a spec.

    Args:
        spec: Of an encoder or a scorer of pairs, or a model's folder.
        corpus: As `write_corpus` writes it.
        folder: Keeps the index; what an interrupted run did there is not done again.
        watcher: Is told how far it has come; may stop it.
        encoders: Where specs are looked up.

    Raises:
        EncoderError: if the encoder cannot be loaded.
        KeyboardInterrupt: if the watcher stopped it; run it again to go on.
    """
    registry = encoders or Encoders()
    encoder: AnyEncoder = registry.load(spec)
    if isinstance(encoder, PairScorer):
        yield PairTexts(encoder)
        return
    name = xxhash.xxh3_64_hexdigest(f"{encoder.spec}\0{encoder.fingerprint}".encode())
    place = folder / name
    if _is_dense(encoder):
        yield DenseTexts(cast("DenseEncoder", encoder), corpus, place, watcher=watcher)
        return
    choice = IndexChoice(sparse=None, multivector=encoder.spec)
    if isinstance(encoder, SparseEncoder):
        choice = IndexChoice(sparse=encoder.spec, multivector=None)
    finished = place.with_suffix(".done")
    if not finished.exists():
        index_corpus(place, [str(corpus)], choice=choice, watcher=watcher, encoders=registry)
        with writing(finished):
            finished.touch()
    with Collection.open(place, encoders=registry, merge_in_background=False) as collection:
        yield CollectionTexts(collection, own=True)


def _is_dense(encoder: SparseEncoder | MultiVectorEncoder | DenseEncoder) -> bool:
    # Both kinds have the same methods; what these give tells them apart.
    return isinstance(encoder.encode_documents(["?"]), np.ndarray)


class CollectionTexts:
    """The texts of a collection, ranked by its only encoder, or by the sparse one of two."""

    def __init__(self, collection: Collection, *, own: bool = False) -> None:
        """`own` says that doc_ids are those of `text_id`."""
        self._collection, self._own = collection, own
        self._is_sparse = collection.encoders.sparse is not None

    def search(self, queries: Sequence[str], k: int) -> list[Found]:
        """The k best texts of every query."""
        pipeline = "sparse" if self._is_sparse else "multivector"
        ranking = self._collection.search_batch(queries, k, pipeline=pipeline)
        return [
            list(zip(self._texts(doc_ids), map(float, scores), strict=True))
            for doc_ids, scores in zip(ranking.doc_ids, ranking.scores, strict=True)
        ]

    def scores(
        self, queries: Sequence[str], texts: Sequence[Sequence[str]]
    ) -> list[NDArray[np.float32]]:
        """Scores from the collection's own index; of texts that are not in it, encoded anew."""
        if self._own:
            pairs = zip(queries, texts, strict=True)
            return [self._scores_of_one(query, some) for query, some in pairs]
        encoders = self._collection.encoders
        encoder = cast("AnyEncoder", encoders.sparse or encoders.multivector)
        return encoded_scores(encoder, queries, texts, statistics=self._collection.snapshot())

    def _scores_of_one(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        if not texts:
            return np.zeros(0, np.float32)
        doc_ids = [text_id(text) for text in texts]
        pipeline = "sparse" if self._is_sparse else "multivector-exact"
        ranking = self._collection.search_batch(
            [query], len(texts), pipeline=pipeline, doc_ids=doc_ids
        )
        known = dict(zip(ranking.doc_ids[0], ranking.scores[0], strict=True))
        # No common term is a score of 0; a text without tokens has none.
        missing = 0.0 if self._is_sparse else np.nan
        return np.array([known.get(doc_id, missing) for doc_id in doc_ids], dtype=np.float32)

    def _texts(self, doc_ids: Sequence[str]) -> list[str]:
        found = self._collection.get(doc_ids)
        return ["" if document is None else document.full_text for document in found]


class DenseTexts:
    """Texts with one vector each in a file, all of which every search compares."""

    def __init__(
        self, encoder: DenseEncoder, corpus: Path, folder: Path, *, watcher: Watcher
    ) -> None:
        """Encodes what the file does not have yet.

        Raises:
            KeyboardInterrupt: if the watcher stopped it; what was encoded is kept.
        """
        self._encoder = encoder
        folder.mkdir(parents=True, exist_ok=True)
        self._text_of = Texts(corpus, folder, on_bad_line=lambda name, line, reason: None)
        self._ids = _ids_of(corpus)
        path = folder / "vectors.f32"
        _encode_missing(encoder, self._ids, self._text_of, path, watcher)
        shape = (len(self._ids), encoder.dim)
        self._vectors = (
            np.memmap(path, np.float32, "r", shape=shape)
            if self._ids
            else np.zeros(shape, np.float32)
        )
        self._place = {doc_id: i for i, doc_id in enumerate(self._ids)}

    def search(self, queries: Sequence[str], k: int) -> list[Found]:
        """The k best texts of every query."""
        asked = self._encoder.encode_queries(queries)
        empty = (np.zeros(0, np.int64), np.zeros(0, np.float32))
        best = [empty] * len(queries)
        for start, stop in ranges(len(self._ids), _BLOCK_VECTORS):
            scores = asked @ self._vectors[start:stop].T
            for i, row in enumerate(scores):
                near = np.argpartition(-row, min(k, len(row)) - 1)[:k]
                ordinals = np.concatenate([best[i][0], near + start])
                best[i] = best_first(ordinals, np.concatenate([best[i][1], row[near]]), k)
        return [
            [
                (self._text_of[self._ids[place]], float(score))
                for place, score in zip(*row, strict=True)
            ]
            for row in best
        ]

    def scores(
        self, queries: Sequence[str], texts: Sequence[Sequence[str]]
    ) -> list[NDArray[np.float32]]:
        """Scores by the vectors in the file."""
        asked = self._encoder.encode_queries(queries)
        found: list[NDArray[np.float32]] = []
        for vector, some in zip(asked, texts, strict=True):
            places = [self._place[text_id(text)] for text in some]
            found.append(np.asarray(self._vectors[places] @ vector, dtype=np.float32))
        return found


class PairTexts:
    """Texts that are read together with the query: scored, never searched."""

    def __init__(self, scorer: PairScorer) -> None:
        """Keeps nothing."""
        self._scorer = scorer

    def search(self, queries: Sequence[str], k: int) -> list[Found]:
        """Refused: it would read every text once a query.

        Raises:
            TrainingError: always.
        """
        raise TrainingError(
            f"{self._scorer.spec} scores pairs and cannot search; expected an encoder such as "
            "bm25 or minilm; name this one among the teachers"
        )

    def scores(
        self, queries: Sequence[str], texts: Sequence[Sequence[str]]
    ) -> list[NDArray[np.float32]]:
        """What the scorer says."""
        return [self._scorer.score(query, some) for query, some in zip(queries, texts, strict=True)]


def encoded_scores(
    encoder: AnyEncoder,
    queries: Sequence[str],
    texts: Sequence[Sequence[str]],
    *,
    statistics: TermStatistics,
) -> list[NDArray[np.float32]]:
    """Scores of each query's own texts, all of which are encoded here, each once."""
    if isinstance(encoder, PairScorer):
        return PairTexts(encoder).scores(queries, texts)
    places: dict[str, int] = {}
    rows = [[places.setdefault(text, len(places)) for text in some] for some in texts]
    encoded: Any = encoder.encode_documents(list(places))
    if isinstance(encoder, SparseEncoder):
        asked: Any = encoder.encode_queries(queries, statistics)
    else:
        asked = encoder.encode_queries(queries)
    return [_own_scores(asked, i, encoded, row) for i, row in enumerate(rows)]


def _own_scores(asked: Any, i: int, encoded: Any, places: Sequence[int]) -> NDArray[np.float32]:
    if isinstance(encoded, SparseBatch):
        weights = dict(zip(*(part.tolist() for part in asked.row(i)), strict=True))
        found = [_dot(weights, *encoded.row(place)) for place in places]
        return np.array(found, dtype=np.float32)
    if isinstance(encoded, TokenBatch):
        query = asked.row(i)
        if len(query) == 0:
            return np.full(len(places), np.nan, dtype=np.float32)
        store = TokenStore.from_batch(encoded)
        scores = store.maxsim(query, np.array(places, dtype=np.int64))
        return np.where(np.isfinite(scores), scores, np.float32(np.nan))
    return np.asarray(encoded[list(places)] @ asked[i], dtype=np.float32)


def _dot(
    weights: dict[int, float], term_ids: NDArray[np.uint32], values: NDArray[np.float32]
) -> float:
    pairs = zip(term_ids.tolist(), values.tolist(), strict=True)
    return float(sum(weights.get(term, 0.0) * value for term, value in pairs))


def _ids_of(corpus: Path) -> list[str]:
    with corpus.open("rb") as file:
        return [orjson.loads(line)["_id"] for line in file]


def _encode_missing(
    encoder: DenseEncoder, ids: Sequence[str], texts: Texts, path: Path, watcher: Watcher
) -> None:
    row_bytes = encoder.dim * 4
    with writing(path), path.open("ab") as file:
        done = file.tell() // row_bytes
        file.truncate(done * row_bytes)
        for part in _parts(ids[done:]):
            watcher.advance("encode", done, len(ids))
            if watcher.stopped():
                raise KeyboardInterrupt
            file.write(encoder.encode_documents([texts[doc_id] for doc_id in part]).tobytes())
            file.flush()
            os.fsync(file.fileno())
            done += len(part)
    watcher.advance("encode", done, len(ids))


def _parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start:stop] for start, stop in ranges(len(ids), _PART_TEXTS))
