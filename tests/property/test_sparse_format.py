"""What the build writes is what docs/format/sparse.md says: read here by that page alone."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lexmax.index.sparse import SparseIndex
from lexmax.types import SparseBatch

Levels = dict[tuple[int, int], int]


def _documents(seed: int, n_docs: int, n_terms: int) -> SparseBatch:
    rng = np.random.default_rng(seed)
    held = rng.random((n_docs, n_terms)) < 0.9 ** rng.uniform(1, 50, n_terms)
    indptr = np.concatenate([[0], np.cumsum(held.sum(axis=1))]).astype(np.int64)
    term_ids = 3 * np.nonzero(held)[1].astype(np.uint32)
    return SparseBatch(indptr, term_ids, rng.lognormal(0, 1, len(term_ids)).astype(np.float32))


def _groups(units: NDArray[np.uint16]) -> list[tuple[int, int]]:
    """(offset, level) of each posting in groups."""
    n_groups = int(units[0])
    headers, offsets = units[1 : 1 + n_groups].astype(int), units[1 + n_groups :]
    counts, levels = headers & 0xFF, headers >> 8
    assert np.all(counts > 0)
    assert np.all(np.diff(levels) <= 0)
    assert counts.sum() == len(offsets)
    return list(zip(map(int, offsets), map(int, np.repeat(levels, counts)), strict=True))


def _dense(head: NDArray[np.uint16], rows: NDArray[np.uint8], n: int) -> list[tuple[int, int]]:
    """(offset, level) of each posting in a dense row over n documents."""
    place = int(head[1]) + (int(head[2]) << 16)
    levels = [int(level) for level in head[3:11].astype("<u2").view(np.uint8)]
    chunks = rows[64 * place : 64 * (place + -(-n // 128))].reshape(-1, 64)
    found: list[tuple[int, int]] = []
    for chunk, codes in enumerate(chunks):
        for i in range(128):
            j = i % 64
            byte = int(codes[2 * j if j < 32 else 2 * (j - 32) + 1])
            code = byte & 0xF if i < 64 else byte >> 4
            if code:
                found.append((128 * chunk + i, levels[code]))
    return found


def _postings(index: SparseIndex) -> Levels:
    """The level of every (ordinal, local term)."""
    arrays = index.arrays
    window_docs, span_windows = map(int, arrays["sparse.cut"])
    n_terms, found = len(arrays["sparse.terms"]), list[tuple[tuple[int, int], int]]()
    for span in range(len(arrays["sparse.span_ptr"]) - 1):
        base = int(arrays["sparse.span_ptr"][span])
        for term in range(n_terms):
            at = span * n_terms + term
            for number in range(*map(int, arrays["sparse.term_lists"][at : at + 2])):
                begin, end = map(int, arrays["sparse.list_ptr"][number + span : number + span + 2])
                units = arrays["sparse.postings"][base + begin : base + end]
                window = int(arrays["sparse.list_windows"][number])
                assert window // span_windows == span
                n = min(window_docs, index.n_docs - window * window_docs)
                if units[0] == 0:
                    pairs = _dense(units[:11], arrays["sparse.rows"], n) + _groups(units[11:])
                else:
                    pairs = _groups(units)
                found += [((window * window_docs + offset, term), level) for offset, level in pairs]
    assert len(dict(found)) == len(found)
    return dict(found)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_docs=st.sampled_from([0, 1, 100, 1300]),
    window_docs=st.sampled_from([1, 4, 128, 32_768]),
)
def test_every_weight_has_one_posting_whose_level_reaches_it(
    seed: int, n_docs: int, window_docs: int
) -> None:
    documents = _documents(seed, n_docs, 12)
    index = SparseIndex.build(documents, window_docs=window_docs)
    postings = _postings(index)
    assert len(postings) == len(documents.weights)
    steps = index.arrays["sparse.steps"].astype(np.float64)
    for ordinal in range(n_docs):
        term_ids, weights = documents.row(ordinal)
        for term, weight in zip(np.searchsorted(index.terms, term_ids), weights, strict=True):
            level = postings[ordinal, int(term)]
            assert 1 <= level <= 255
            assert steps[term] * level >= np.float64(weight)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), wide=st.booleans())
def test_forward_rows_hold_terms_then_weights(seed: int, wide: bool) -> None:
    documents = _documents(seed, 50, 12)
    if wide:
        many = np.arange(65_537, dtype=np.uint32)
        own = SparseBatch(np.array([0, len(many)]), many, np.ones(len(many), np.float32))
        documents = SparseBatch.concatenate([documents, own])
    index = SparseIndex.build(documents)
    rows, indptr = index.arrays["forward.rows"], index.arrays["forward.indptr"]
    for ordinal in range(len(documents)):
        term_ids, weights = documents.row(ordinal)
        units = rows[indptr[ordinal] : indptr[ordinal + 1]]
        n_term_units = len(units) - len(weights)
        terms = units[:n_term_units] if wide else units[:n_term_units].view(np.uint16)
        np.testing.assert_array_equal(index.terms[terms[: len(term_ids)]], term_ids)
        assert not np.any(terms[len(term_ids) :])
        np.testing.assert_array_equal(units[n_term_units:].view(np.float32), weights)
