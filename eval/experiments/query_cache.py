"""How are queries encoded once for many systems? By transformers only; tables cost nothing.

`queries/ENCODER/TEXTS/` holds the rows of one set of texts, ENCODER and TEXTS being hashes of the
encoder's fingerprint and of the texts. `about.json`, written last, repeats the fingerprint and has
checksums: files of another encoder, or damaged ones, are not read.
"""

import shutil
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

import numpy as np
import orjson
import xxhash
from numpy.typing import NDArray

from lexmax.encoders import DenseEncoder, Encoders, MultiVectorEncoder, PairScorer, SparseEncoder
from lexmax.encoders.shared_pass import Encoded
from lexmax.errors import CorruptionError, EvaluationError
from lexmax.index.durable import checksum, to_json, write_atomically
from lexmax.index.failures import storage_errors
from lexmax.index.npy import map_npy, write_npy
from lexmax.types import TermStatistics, TokenBatch, ranges

_Kind: TypeAlias = Literal["tokens", "pooled"]
_Encoder: TypeAlias = MultiVectorEncoder | DenseEncoder
_BATCH = 256
_ABOUT = "about.json"
Progress: TypeAlias = Callable[[str, int, int], None]


def _silent(stage: str, done: int, total: int) -> None:
    """Nobody is told."""


def digest_of(texts: Sequence[str]) -> str:
    """32 hexadecimal digits that name texts in this order."""
    return xxhash.xxh3_128(orjson.dumps(list(texts))).hexdigest()


@dataclass(frozen=True, slots=True)
class CachedRows:
    """The vectors of some texts by one encoder.

    Attributes:
        place: of a text among the rows.
        rows: token vectors of each text, or one vector of each, float32 (n_texts, dim).
        query_ms: milliseconds a text that encoding them took, together with encoders that shared
            the pass.
    """

    place: Mapping[str, int]
    rows: TokenBatch | NDArray[np.float32]
    query_ms: float


class CachingEncoders(Encoders):
    """A registry that encodes the queries of an evaluation once, and remembers them on disk."""

    def __init__(
        self, folder: Path, registry: Encoders | None = None, *, progress: Progress = _silent
    ) -> None:
        """Keeps rows below `folder`; encoders are those of `registry`."""
        super().__init__()
        self._folder, self._inner = folder, registry or Encoders()
        self._progress = progress
        self._texts: tuple[str, ...] = ()
        self._known: dict[str, CachedRows] = {}
        self._is_on = True

    def sparse(self, spec: str) -> SparseEncoder:
        """As `Encoders.sparse`."""
        return self._inner.sparse(spec)

    def multivector(self, spec: str) -> MultiVectorEncoder:
        """As `Encoders.multivector`."""
        return self._inner.multivector(spec)

    def dense(self, spec: str) -> DenseEncoder:
        """As `Encoders.dense`."""
        return self._inner.dense(spec)

    def pairs(self, spec: str) -> PairScorer:
        """As `Encoders.pairs`."""
        return self._inner.pairs(spec)

    def expect(self, texts: Sequence[str]) -> None:
        """From now on these texts are encoded all at once, the first time that one is asked for."""
        wanted = tuple(dict.fromkeys(texts))
        if wanted != self._texts:
            self._texts, self._known = wanted, {}

    @contextmanager
    def off(self) -> Generator[None, None, None]:
        """Inside, every query is encoded anew, for those who time it."""
        before, self._is_on = self._is_on, False
        try:
            yield
        finally:
            self._is_on = before

    def encode_ms(self, encoders: Sequence[_Encoder]) -> float:
        """Milliseconds a query that encoding took by these; a shared pass counts once."""
        found = {
            self._known[one.fingerprint].query_ms
            for one in encoders
            if one.fingerprint in self._known
        }
        return sum(found)

    def encode_queries(
        self,
        texts: Sequence[str],
        statistics: TermStatistics,
        *,
        sparse: SparseEncoder | None,
        multivector: MultiVectorEncoder | None,
        pooled: DenseEncoder | None = None,
    ) -> Encoded:
        """As `Encoders.encode_queries`; token and pooled vectors of expected texts are kept."""
        if not self._is_on or not set(texts) <= set(self._texts):
            return self._inner.encode_queries(
                texts, statistics, sparse=sparse, multivector=multivector, pooled=pooled
            )
        self._fill(multivector, pooled, statistics)
        # What depends on the collection, or is a table, is cheap: it is made each time.
        found = self._inner.encode_queries(
            texts, statistics, sparse=sparse, multivector=None, pooled=None
        )
        return Encoded(
            found.sparse,
            None if multivector is None else _tokens(self._known[multivector.fingerprint], texts),
            None if pooled is None else _pooled(self._known[pooled.fingerprint], texts),
        )

    def _fill(
        self,
        multivector: MultiVectorEncoder | None,
        pooled: DenseEncoder | None,
        statistics: TermStatistics,
    ) -> None:
        """See to it that the rows of these encoders are known."""
        missing: dict[_Kind, _Encoder] = {}
        named: tuple[tuple[_Kind, _Encoder | None], ...] = (
            ("tokens", multivector),
            ("pooled", pooled),
        )
        for kind, encoder in named:
            if encoder is None or encoder.fingerprint in self._known:
                continue
            if (rows := self._read(kind, encoder)) is None:
                missing[kind] = encoder
            else:
                self._known[encoder.fingerprint] = rows
        if missing:
            self._encode(missing, statistics)

    def _encode(self, missing: Mapping[_Kind, _Encoder], statistics: TermStatistics) -> None:
        parts: list[Encoded] = []
        began = time.perf_counter()
        for start, stop in ranges(len(self._texts), _BATCH):
            part = self._inner.encode_queries(
                self._texts[start:stop],
                statistics,
                sparse=None,
                multivector=cast("MultiVectorEncoder | None", missing.get("tokens")),
                pooled=cast("DenseEncoder | None", missing.get("pooled")),
            )
            parts.append(part)
            self._progress("queries", stop, len(self._texts))
        query_ms = (time.perf_counter() - began) * 1000 / max(1, len(self._texts))
        place = {text: i for i, text in enumerate(self._texts)}
        for kind, encoder in missing.items():
            found = [part.tokens if kind == "tokens" else part.pooled for part in parts]
            rows = _joined(kind, encoder, found)
            self._known[encoder.fingerprint] = CachedRows(place, rows, query_ms)
            self._write(kind, encoder, rows, query_ms)

    def _place(self, encoder: _Encoder) -> Path:
        name = xxhash.xxh3_64_hexdigest(encoder.fingerprint.encode())
        return self._folder / name / digest_of(self._texts)

    def _read(self, kind: _Kind, encoder: _Encoder) -> CachedRows | None:
        """What is on disk; None if nothing is, or what is there is not whole.

        Raises:
            EvaluationError: if it was written by another encoder.
        """
        folder = self._place(encoder)
        try:
            about = orjson.loads((folder / _ABOUT).read_bytes())
            if about["fingerprint"] != encoder.fingerprint:
                raise EvaluationError(
                    f"{folder}: holds queries that {about['fingerprint']} encoded; expected those "
                    f"of {encoder.fingerprint}; remove the folder, or choose another --cache"
                )
            if any(checksum(folder / name) != known for name, known in about["files"].items()):
                return None
            vectors = map_npy(folder / "vectors.npy", (np.float32,), 2)
            place = {text: i for i, text in enumerate(self._texts)}
            if kind == "pooled":
                return CachedRows(place, vectors, float(about["query_ms"]))
            offsets = np.array(map_npy(folder / "offsets.npy", (np.int64,), 1))
            return CachedRows(place, TokenBatch(offsets, vectors), float(about["query_ms"]))
        except (OSError, orjson.JSONDecodeError, KeyError, TypeError, CorruptionError):
            return None

    def _write(
        self,
        kind: _Kind,
        encoder: _Encoder,
        rows: TokenBatch | NDArray[np.float32],
        query_ms: float,
    ) -> None:
        folder = self._place(encoder)
        with storage_errors(folder):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            if isinstance(rows, TokenBatch):
                write_npy(folder / "offsets.npy", rows.offsets)
                write_npy(folder / "vectors.npy", rows.vectors)
            else:
                write_npy(folder / "vectors.npy", rows)
            files = {path.name: checksum(path) for path in sorted(folder.iterdir())}
            about = {
                "kind": kind,
                "fingerprint": encoder.fingerprint,
                "spec": encoder.spec,
                "queries": len(self._texts),
                "query_ms": query_ms,
                "files": files,
            }
            write_atomically(folder / _ABOUT, to_json(about))


def _joined(
    kind: _Kind, encoder: _Encoder, parts: Sequence[Any]
) -> TokenBatch | NDArray[np.float32]:
    if kind == "tokens":
        return TokenBatch.concatenate(parts, encoder.dim)
    return np.concatenate([np.zeros((0, encoder.dim), np.float32), *parts])


def _tokens(cached: CachedRows, texts: Sequence[str]) -> TokenBatch:
    rows = cast("TokenBatch", cached.rows)
    return TokenBatch.from_rows([rows.row(cached.place[text]) for text in texts], rows.dim)


def _pooled(cached: CachedRows, texts: Sequence[str]) -> NDArray[np.float32]:
    rows = cast("NDArray[np.float32]", cached.rows)
    return np.ascontiguousarray(rows[[cached.place[text] for text in texts]], dtype=np.float32)
