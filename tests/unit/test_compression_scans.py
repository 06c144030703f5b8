"""Stored vectors that are scanned whole: what is found, and how many bytes are counted."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lexmax.eval.compression import encoding_ladder
from lexmax.eval.compression.codecs.codec import n_bytes
from lexmax.eval.compression.codecs.scalar import Plain, Symmetric
from lexmax.eval.compression.ladders import pooled_ladder, token_ladder
from lexmax.eval.compression.scan import FAISS, LEXMAX, NUMPY, SingleVectors, TokenVectors, best
from lexmax.eval.compression.single_scans import decoded, pooled, rescored, stored
from lexmax.eval.compression.token_scans import (
    decoded_tokens,
    document_blocks,
    rescored_tokens,
    token_store,
)
from lexmax.index import oracle_multivector
from lexmax.index.npy import HEADER_BYTES, write_npy
from lexmax.types import TokenBatch

Floats = NDArray[np.float32]
DIM = 12


def _unit(rows: Floats) -> Floats:
    found: Floats = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return found


def _rows(n: int, seed: int, dim: int = DIM) -> Floats:
    return _unit(np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32))


def _single(n: int = 120, dim: int = DIM) -> SingleVectors:
    documents = _rows(n, 1, dim)
    documents[3] = 0
    return SingleVectors(documents, _rows(6, 2, dim), _rows(20, 3, dim))


def _batch(lengths: list[int], seed: int) -> TokenBatch:
    rows = _rows(sum(lengths), seed)
    parts = np.split(rows, np.cumsum(lengths)[:-1])
    return TokenBatch.from_rows(parts, DIM)


def _tokens() -> TokenVectors:
    lengths = [3, 0, 5, 1, 9, 0, 4] * 6
    return TokenVectors(_batch(lengths, 4), _batch([2, 5, 0, 3], 5), _batch([4, 4], 6))


def test_the_best_come_first_and_ties_by_ordinal() -> None:
    scores = np.array([[1, 5, 5, 2, 9]], np.float32)
    hits = best(scores, np.array([True, True, True, True, False]), 3)
    assert hits.ordinals.tolist() == [[1, 2, 3]]
    none = best(scores, np.zeros(5, bool), 2)
    assert none.ordinals.tolist() == [[-1, -1]]
    assert np.isneginf(none.scores).all()


def test_float32_finds_what_a_product_does() -> None:
    vectors = _single(5000)
    hits = decoded(vectors, 0, Plain()).search(vectors.queries, 10)
    scores = vectors.queries @ vectors.documents.T
    scores[:, 3] = -np.inf
    assert np.array_equal(hits.ordinals, np.argsort(-scores, axis=1, kind="stable")[:, :10])


def test_no_way_finds_a_document_without_a_vector() -> None:
    vectors = _single()
    for way in pooled_ladder(DIM):
        hits = way.build(vectors, 0).search(vectors.queries, 200)
        assert 3 not in hits.ordinals, way.name
        assert hits.ordinals.shape[0] == 6, way.name
        for i in range(6):
            found = hits.row(i)[0]
            assert len(set(found.tolist())) == len(found), way.name


def test_every_way_finds_what_it_should_where_vectors_are_far_apart() -> None:
    documents = np.eye(16, dtype=np.float32) - np.float32(0.05)
    vectors = SingleVectors(documents, documents[:5], documents)
    for way in pooled_ladder(16):
        # Eight directions of sixteen cannot tell all of them apart.
        if way.family.startswith("LeanVec") and "again" not in way.family:
            continue
        # Neither can halves of what two centroids leave over.
        if way.name == "residual 1 bit":
            continue
        hits = way.build(vectors, 0).search(vectors.queries, 1)
        assert hits.ordinals[:, 0].tolist() == [0, 1, 2, 3, 4], way.name


def test_who_scans_is_said() -> None:
    vectors = _single()
    by_name = {way.name: way.build(vectors, 0).scanned_by for way in pooled_ladder(DIM)}
    assert {by_name[name] for name in ("fp16", "int8", "bits", "bits, int8 again")} == {LEXMAX}
    assert {by_name[name] for name in ("fp32", "int4", "lvq4", "bits, whole queries")} == {NUMPY}
    assert by_name["pq8, 4"] == by_name["opq8, 8, int8 again"] == FAISS


def test_bytes_are_those_of_the_files(tmp_path: Path) -> None:
    vectors = _single()
    for scan in (
        decoded(vectors, 0, Symmetric(4)),
        pooled(vectors, "int8"),
        stored(vectors, 0, "bits"),
    ):
        size = 0
        for name, array in scan.stored.items():
            assert len(array) == 120
            write_npy(tmp_path / f"{name}.npy", array)
            size += (tmp_path / f"{name}.npy").stat().st_size - HEADER_BYTES
        assert n_bytes(scan.stored) == size
    assert n_bytes(pooled(vectors, "int8").stored) == 120 * (DIM + 4)


def test_codes_of_stores_are_told_from_codebooks() -> None:
    scan = stored(_single(), 0, "opq8?sub_dim=4")
    assert set(scan.stored) == {"codes"}
    assert set(scan.fixed) == {"codebooks", "rotation"}
    assert scan.stored["codes"].shape == (120, 3)


def test_dimensions_that_codes_do_not_divide_are_padded() -> None:
    vectors = _single(dim=10)
    scan = stored(vectors, 0, "pq8?sub_dim=4")
    assert scan.stored["codes"].shape == (120, 3)
    exact = decoded(vectors, 0, Plain()).search(vectors.queries, 1)
    hits = scan.search(vectors.queries, 1)
    # 119 vectors are their own centroids.
    assert np.array_equal(hits.ordinals, exact.ordinals)


def test_scoring_again_gives_the_scores_of_bytes() -> None:
    vectors = _single()
    bits = stored(vectors, 0, "bits")
    again = rescored(vectors, bits, 60)
    hits = again.search(vectors.queries, 5)
    bytes_alone = pooled(vectors, "int8")
    for i, query in enumerate(vectors.queries):
        candidates, _ = bits.search(query[None], 60).row(0)
        scores = bytes_alone.index.score(query, candidates)
        order = np.lexsort((candidates, -scores))[:5]
        assert hits.ordinals[i].tolist() == candidates[order].tolist()
    assert n_bytes(again.stored) == n_bytes(bits.stored) + n_bytes(bytes_alone.stored)


def test_blocks_cover_all_documents_once() -> None:
    offsets = np.cumsum([0, 3, 0, 50, 2, 2, 0, 0, 4])
    blocks = document_blocks(offsets, 5)
    assert [i for start, stop in blocks for i in range(start, stop)] == list(range(8))
    assert all(offsets[stop] - offsets[start] <= 5 or stop == start + 1 for start, stop in blocks)
    assert document_blocks(np.zeros(1, np.int64), 5) == []


@pytest.mark.parametrize("block", [1, 7, 10_000])
def test_decoded_tokens_are_scored_as_the_oracle_does(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lexmax.eval.compression.token_scans._BLOCK_TOKENS", block)
    vectors = _tokens()
    hits = decoded_tokens(vectors, 0, Plain()).search(vectors.queries, 8)
    oracle = oracle_multivector.search(vectors.documents, vectors.queries, 8)
    assert np.array_equal(hits.ordinals, oracle.ordinals)
    np.testing.assert_allclose(hits.scores, oracle.scores, rtol=1e-5)


def test_every_way_to_store_tokens_is_near_the_exact_answer() -> None:
    vectors = _tokens()
    exact = decoded_tokens(vectors, 0, Plain()).search(vectors.queries, 5)
    for way in token_ladder(DIM):
        hits = way.build(vectors, 0).search(vectors.queries, 30)
        assert (hits.ordinals[2] == -1).all(), way.name
        assert not np.isin(hits.ordinals, [1, 5, 8, 12]).any(), way.name
        for i in (0, 1, 3):
            found = np.isin(exact.ordinals[i], hits.ordinals[i]).mean()
            assert found >= 0.6, way.name


def test_token_bytes_are_those_of_the_store() -> None:
    vectors = _tokens()
    n = len(vectors.documents.vectors)
    assert n_bytes(token_store(vectors, 0, "int8").stored) == n * (DIM + 4)
    assert n_bytes(token_store(vectors, 0, "fp16").stored) == n * 2 * DIM
    # A centroid in two bytes and a scale in two, besides 4 bits a coordinate.
    assert n_bytes(token_store(vectors, 0, "residual4").stored) == n * (DIM // 2 + 4)


def test_the_residuals_of_collections_decode_to_what_they_were() -> None:
    vectors = _tokens()
    store = token_store(vectors, 0, "residual4").store
    batch = store.decode(np.arange(store.n_docs))
    cosines = (batch.vectors * vectors.documents.vectors).sum(axis=1)
    assert cosines.min() > 0.97


def test_tokens_scored_again_have_the_scores_of_bytes() -> None:
    vectors = _tokens()
    signs = decoded_tokens(vectors, 0, Symmetric(2))
    again = rescored_tokens(vectors, signs, 40)
    hits = again.search(vectors.queries, 4)
    exact = token_store(vectors, 0, "int8").search(vectors.queries, 4)
    assert np.array_equal(hits.ordinals[0], exact.ordinals[0])
    assert (hits.ordinals[2] == -1).all()


def test_no_documents_with_tokens_are_no_hits() -> None:
    empty = TokenBatch.from_rows([np.zeros((0, DIM), np.float32)] * 3, DIM)
    vectors = TokenVectors(empty, _batch([2], 7), _batch([2], 8))
    for way in token_ladder(DIM):
        if way.served.startswith("--codec residual"):
            continue  # A collection makes no centroids where there are no tokens.
        hits = way.build(vectors, 0).search(vectors.queries, 5)
        assert (hits.ordinals == -1).all(), way.name


def test_encodings_are_built_in_every_way() -> None:
    vectors = _tokens()
    parts = list(encoding_ladder.encoding_ladder(DIM))
    names = [way.name for part in parts for way in part.ways]
    few = [way.name for part in encoding_ladder.encoding_ladder(4) for way in part.ways]
    assert len(set(few)) == len(few)
    assert encoding_ladder.BASELINE in names
    assert len(set(names)) == len(names)
    small = parts[0]
    single = encoding_ladder.encoded(vectors, small.parameters)
    assert single.documents.shape == (42, small.parameters.encoding_dim)
    assert not single.alive[1]
    for way in (*small.ways, *parts[-1].ways):
        hits = way.build(single, 0).search(single.queries, 5)
        assert not np.isin(hits.ordinals, [1, 5]).any(), way.name
