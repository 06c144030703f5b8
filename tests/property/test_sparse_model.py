"""Whatever the texts: scores are dot products, and tokens count as the framework says."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lexmax.encoders.sparse_encoding import Pruning, document_encoding, query_encoding
from lexmax.encoders.sparse_model import Binary, Mlm, Mlp, SparseModel, Table
from lexmax.encoders.sparse_parts import Limits, SparseParts, build
from lexmax.encoders.trunk import Trunk, open_trunk
from lexmax.index.sparse import SparseIndex
from lexmax.types import SparseBatch

NAMES = ("vitamin", "d", "risk", "fall", "cat", "dog", "query", "word1", "word2", "word3")
WORDS = st.sampled_from(NAMES)
TEXT = st.lists(WORDS, min_size=1, max_size=12).map(" ".join)
FEW = settings(max_examples=15, deadline=None)


@pytest.fixture(scope="module")
def trunk(tmp_path_factory: pytest.TempPathFactory) -> Trunk:
    path = Path(__file__).parent.parent / "unit" / "tiny_checkpoints.py"
    spec = importlib.util.spec_from_file_location("tiny_checkpoints", path)
    assert spec is not None
    assert spec.loader is not None
    tiny = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tiny)
    return open_trunk(str(tiny.save_masked_lm(tmp_path_factory.mktemp("masked-lm"))))


def parts_of(model: SparseModel, trunk: Trunk) -> SparseParts:
    idf = torch.linspace(0.1, 3, trunk.n_terms)
    return build(model, trunk, limits=Limits(48, 48), idf=idf, seed=2)


def dense(batch: SparseBatch, n_terms: int) -> np.ndarray:
    array = np.zeros((len(batch), n_terms))
    for i in range(len(batch)):
        term_ids, weights = batch.row(i)
        array[i, term_ids] = weights
    return array


@pytest.mark.parametrize(
    "model",
    [SparseModel(Mlm(), Mlm()), SparseModel(Mlp(), Mlm()), SparseModel(Table("idf"), Mlp())],
    ids=["mlm-mlm", "mlp-mlm", "idf-mlp"],
)
def test_the_index_scores_dot_products(model: SparseModel, trunk: Trunk) -> None:
    parts = parts_of(model, trunk)

    @FEW
    @given(st.lists(TEXT, min_size=1, max_size=4), st.lists(TEXT, min_size=1, max_size=3))
    def check(documents: list[str], queries: list[str]) -> None:
        d = document_encoding(parts, Pruning()).encode(documents)
        q = query_encoding(parts, Pruning()).encode(queries)
        hits = SparseIndex.build(d).search(q, len(documents))
        expected = dense(q, trunk.n_terms) @ dense(d, trunk.n_terms).T
        for i in range(len(queries)):
            ordinals, scores = hits.row(i)
            np.testing.assert_allclose(scores, expected[i, ordinals], rtol=1e-4)
            assert len(ordinals) == (expected[i] > 0).sum()

    check()


@FEW
@given(st.data())
def test_order_of_tokens_is_nothing_to_binary(trunk: Trunk, data: st.DataObject) -> None:
    parts = parts_of(SparseModel(Binary(0.5), Binary()), trunk)
    words = data.draw(st.lists(WORDS, min_size=1, max_size=8))
    shuffled = data.draw(st.permutations(words))
    for encoding in (document_encoding(parts, Pruning()), query_encoding(parts, Pruning())):
        rows = dense(encoding.encode([" ".join(words), " ".join(shuffled)]), trunk.n_terms)
        np.testing.assert_array_equal(rows[0], rows[1])


@FEW
@given(words=st.lists(WORDS, min_size=1, max_size=4, unique=True), times=st.integers(1, 4))
def test_duplicates_add_in_queries_and_not_in_documents(
    trunk: Trunk, words: list[str], times: int
) -> None:
    parts = parts_of(SparseModel(Binary(0.5), Binary(0.5)), trunk)
    texts = [" ".join(words), " ".join(words * times)]
    once, often = dense(document_encoding(parts, Pruning()).encode(texts), trunk.n_terms)
    np.testing.assert_array_equal(once, often)
    once, often = dense(query_encoding(parts, Pruning()).encode(texts), trunk.n_terms)
    np.testing.assert_allclose(often, times * once)
    by_table = parts_of(SparseModel(Table("idf"), Mlp()), trunk)
    once, often = dense(query_encoding(by_table, Pruning()).encode(texts), trunk.n_terms)
    np.testing.assert_array_equal(once, often)


@FEW
@given(texts=st.lists(TEXT | st.just(""), min_size=1, max_size=5))
def test_neighbours_in_the_batch_change_nothing(trunk: Trunk, texts: list[str]) -> None:
    parts = parts_of(SparseModel(Mlp(), Mlm()), trunk)
    for encoding in (document_encoding(parts, Pruning()), query_encoding(parts, Pruning())):
        together = dense(encoding.encode(texts), trunk.n_terms)
        alone = np.concatenate([dense(encoding.encode([one]), trunk.n_terms) for one in texts])
        np.testing.assert_allclose(together, alone, atol=1e-5)
