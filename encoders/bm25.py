"""What does BM25 weigh a term?"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
import xxhash
from numpy.typing import NDArray

from lexmax.encoders.analysis import Analyzer
from lexmax.errors import EncoderError
from lexmax.types import SparseBatch, TermStatistics

DEFAULT_AVG_DOC_LEN = 100.0
"""Terms; stands in where no document has been seen."""

_DROPPED = -1
_MAX_KNOWN_WORDS = 1 << 18


def term_id_of(term: str, seed: int = 0) -> int:
    """The id of a term: 32 bits of xxHash over its UTF-8 bytes, seed 0 but in `Impacts`.

    Ids need no dictionary, so that parts of a corpus can be encoded apart. Two given terms share
    an id with chance 2^-32; a query term meets one of a million other terms with chance 0.0002,
    and a vocabulary of a million terms has about 116 such pairs. Their counts then add up.
    """
    return xxhash.xxh32_intdigest(term.encode("utf-8", "surrogatepass"), seed)


class _WordIds(dict[str, int]):
    """Term ids by word, found on first use; emptied when it grows past its bound."""

    def __init__(self, analyzer: Analyzer) -> None:
        super().__init__()
        self.analyzer = analyzer

    def __missing__(self, word: str) -> int:
        term = self.analyzer.term(word)
        term_id = term_id_of(term) if term else _DROPPED
        if len(self) >= _MAX_KNOWN_WORDS:
            self.clear()
        self[word] = term_id
        return term_id


@cache
def _word_ids(stop_words: str, stemmer: str | None) -> _WordIds:
    """Shared by every encoder of the same analysis, because each segment fits one of its own."""
    return _WordIds(Analyzer(stop_words, stemmer))


@dataclass(frozen=True, slots=True)
class Bm25:
    """BM25 (Robertson & Zaragoza 2009) as a dot product, in Lucene's form.

    A document's weight for a term is tf / (tf + k1 * (1 - b + b * doc_len / avg_doc_len)); a
    query's is its own tf times idf = ln(1 + (n_docs - doc_freq + .5) / (doc_freq + .5)). The idf
    stands on the query's side so that documents may come and go without rewriting weights.

    Attributes:
        k1: How slowly repeated terms saturate; 0 counts presence only.
        b: How much long documents are held back, 0 to 1.
        stemmer: Snowball algorithm, or None; see `Analyzer`.
        stop_words: "english" or "none"; see `Analyzer`.
        avg_doc_len: Terms of a mean document; None until `fitted` has measured it.

    Raises:
        EncoderError: if a number is out of its range, or the stemmer is not to be had.
    """

    k1: float = 0.9
    b: float = 0.4
    stemmer: str | None = None
    stop_words: str = "english"
    avg_doc_len: float | None = None
    _word_ids: _WordIds = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check("k1", self.k1, 0, 1000)
        _check("b", self.b, 0, 1)
        if self.avg_doc_len is not None:
            _check("avg_doc_len", self.avg_doc_len, 1, 1e9)
        object.__setattr__(self, "_word_ids", _word_ids(self.stop_words, self.stemmer))

    @property
    def spec(self) -> str:
        """What `Encoders.sparse` makes this very encoder from, the measured length included."""
        length = "" if self.avg_doc_len is None else f"&avg_doc_len={self.avg_doc_len}"
        return self._unfitted_spec + length

    @property
    def fingerprint(self) -> str:
        """Parameters and version of the analysis; segments may differ in their mean length."""
        return f"{self._unfitted_spec}&analysis=1&ids=xxh32"

    @property
    def _unfitted_spec(self) -> str:
        stemmer = "" if self.stemmer is None else f"&stemmer={self.stemmer}"
        return f"bm25?k1={self.k1}&b={self.b}{stemmer}&stop_words={self.stop_words}"

    def fitted(self, sample: Sequence[str]) -> "Bm25":
        """This encoder with the mean length of the sample, or itself where a length is set."""
        if self.avg_doc_len is not None:
            return self
        rows, _ = self._occurrences(sample)
        mean = len(rows) / len(sample) if sample else 0.0
        return replace(self, avg_doc_len=max(mean, 1.0) if mean else DEFAULT_AVG_DOC_LEN)

    def encode_documents(self, texts: Sequence[str]) -> SparseBatch:
        """Saturated, length-normalised term frequencies; no terms, empty row."""
        rows, term_ids = self._occurrences(texts)
        doc_lens = np.bincount(rows, minlength=len(texts))
        indptr, terms, tf = _counted(rows, term_ids, len(texts))
        relative = doc_lens / (self.avg_doc_len or DEFAULT_AVG_DOC_LEN)
        norms = np.repeat(self.k1 * (1 - self.b + self.b * relative), np.diff(indptr))
        return SparseBatch(indptr, terms, (tf / (tf + norms)).astype(np.float32))

    def encode_queries(self, texts: Sequence[str], statistics: TermStatistics) -> SparseBatch:
        """Term frequency in the query times idf; no terms, empty row."""
        rows, term_ids = self._occurrences(texts)
        indptr, terms, tf = _counted(rows, term_ids, len(texts))
        weights = tf * idf(statistics.doc_freqs(terms), statistics.n_docs)
        return SparseBatch(indptr, terms, weights.astype(np.float32))

    def term(self, term_id: int, texts: Sequence[str]) -> str:
        """The first word of the texts that has this id, case folded and not stemmed.

        Raises:
            EncoderError: if no word of the texts has it.
        """
        for text in texts:
            for word in self._word_ids.analyzer.words(text):
                if self._word_ids[word] == term_id:
                    return word
        raise EncoderError(
            f"term {term_id} is in none of the {len(texts)} texts; "
            "expected the texts whose encoding gave it"
        )

    def term_ids(self, terms: Sequence[str]) -> list[int]:
        """Ids of terms as analysis leaves them: folded, and stemmed where there is a stemmer."""
        return [term_id_of(term) for term in terms]

    def own_terms(self, texts: Sequence[str]) -> list[NDArray[np.uint32]]:
        """Ids of each text's terms, ascending: all that its encoding has."""
        rows, term_ids = self._occurrences(texts)
        return [np.unique(term_ids[rows == i]).astype(np.uint32) for i in range(len(texts))]

    def vocabulary(self, texts: Sequence[str]) -> dict[int, str]:
        """The terms of the texts by id, as analysis leaves them: what the ids are hashes of."""
        words = {word for text in texts for word in self._word_ids.analyzer.words(text)}
        terms = ((self._word_ids[word], self._word_ids.analyzer.term(word)) for word in words)
        return {term_id: term for term_id, term in sorted(terms) if term}

    def _occurrences(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Row and term id of every term of every text, stop words left out."""
        flat: list[int] = []
        ends = np.zeros(len(texts) + 1, dtype=np.int64)
        for i, text in enumerate(texts):
            flat.extend(map(self._word_ids.__getitem__, self._word_ids.analyzer.words(text)))
            ends[i + 1] = len(flat)
        term_ids = np.array(flat, dtype=np.int64)
        rows = np.repeat(np.arange(len(texts), dtype=np.int64), np.diff(ends))
        kept = term_ids != _DROPPED
        return rows[kept], term_ids[kept]


def idf(doc_freqs: NDArray[np.int64], n_docs: int) -> NDArray[np.float64]:
    """Lucene's idf, above zero for every term, (n_terms,)."""
    # Frequencies may still count documents that n_docs no longer does.
    df = np.minimum(doc_freqs, n_docs)
    return np.log1p((n_docs - df + 0.5) / (df + 0.5))


def _counted(
    rows: NDArray[np.int64], term_ids: NDArray[np.int64], n_rows: int
) -> tuple[NDArray[np.int64], NDArray[np.uint32], NDArray[np.int64]]:
    """Indptr, term ids and frequencies of each row's distinct terms, in ascending order."""
    # Sorted as one number, row above term, which is several times faster than sorting pairs.
    pairs, tf = np.unique((rows << 32) | term_ids, return_counts=True)
    indptr = np.searchsorted(pairs, np.arange(n_rows + 1, dtype=np.int64) << 32)
    return indptr.astype(np.int64), (pairs & 0xFFFFFFFF).astype(np.uint32), tf.astype(np.int64)


def _check(name: str, value: float, lowest: float, highest: float) -> None:
    if not lowest <= value <= highest:
        raise EncoderError(f"bm25: {name} is {value}; expected {lowest} to {highest:g}")
