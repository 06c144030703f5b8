"""Folders of other libraries give what those libraries give."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from lexmax.encoders.checkpoints.sparse import load_masked_lm, load_sparse
from lexmax.encoders.contract import NamesTerms, SparseEncoder
from lexmax.encoders.inference_free import TermTable
from lexmax.encoders.splade import LaterSide, Splade
from lexmax.encoders.transformer_terms import TransformerTerms
from lexmax.types import SparseBatch

TEXTS = [
    "Vitamin D lowers the risk of falls!",
    "the the cat",
    "cat",
    "a cat, a dog and the risk of falling " * 12,
    "東京 CAFÉ naïve ɸ \u0301 zzz \U0001f52c",
    "word7 word7 word8",
]
EMPTY = ["", " \n", "\x00"]


class Nothing:
    """A collection of no documents."""

    n_docs = 0

    def doc_freqs(self, term_ids: np.ndarray) -> np.ndarray:
        return np.zeros(len(term_ids), dtype=np.int64)


def dense(batch: SparseBatch, n_terms: int) -> np.ndarray:
    rows = np.zeros((len(batch), n_terms), dtype=np.float32)
    for i in range(len(batch)):
        term_ids, weights = batch.row(i)
        rows[i, term_ids] = weights
    return rows


@pytest.fixture(scope="module")
def folders(tiny_checkpoints: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    tiny, root = tiny_checkpoints, tmp_path_factory.mktemp("models")
    bert = tiny.save_masked_lm(root / "bert")
    distilbert = tiny.save_masked_lm(root / "distilbert", "distilbert", seed=1)
    roberta = tiny.save_masked_lm(root / "roberta", "roberta", seed=2)
    tiny.save_sparse_encoder(root / "splade", bert)
    tiny.save_sparse_encoder(root / "sum", distilbert, pooling="sum")
    tiny.save_sparse_encoder(root / "log1p", roberta, activation="log1p_relu")
    tiny.save_sparse_encoder(root / "sum-log1p", bert, pooling="sum", activation="log1p_relu")
    tiny.save_sparse_encoder(root / "short", bert, max_seq_length=9)
    tiny.save_sparse_encoder(root / "sides", bert, query_length=7, document_length=11)
    tiny.save_sparse_encoder(root / "legacy", bert)
    _as_version_5_had_it(root / "legacy")
    table = tiny.table_weights(200)
    tiny.save_router(root / "router", bert, table)
    tiny.save_two_transformers(root / "two", distilbert, bert)
    tiny.save_table(root / "table", table)
    return root


def _as_version_5_had_it(folder: Path) -> None:
    modules = folder / "modules.json"
    old = modules.read_text().replace(
        "base.modules.transformer.Transformer",
        "sparse_encoder.models.MLMTransformer.MLMTransformer",
    )
    modules.write_text(old.replace("modules.splade_pooling", "models.SpladePooling"))
    (folder / "sentence_bert_config.json").write_text(
        '{"max_seq_length": 12, "do_lower_case": false}'
    )


NAMES = [
    "splade",
    "sum",
    "log1p",
    "sum-log1p",
    "short",
    "sides",
    "legacy",
    "router",
    "two",
    "table",
]
PLAIN = ["bert", "distilbert", "roberta"]


@pytest.mark.parametrize("name", [*NAMES, *PLAIN])
def test_weights_are_those_of_sentence_transformers(
    folders: Path, tiny_checkpoints: ModuleType, name: str
) -> None:
    library = tiny_checkpoints.library(folders / name)
    encoder = load_sparse(folders / name)
    for theirs, ours in (
        (library.encode_document(TEXTS), encoder.encode_documents(TEXTS)),
        (library.encode_query(TEXTS), encoder.encode_queries(TEXTS, Nothing())),
    ):
        expected = theirs.to_dense().numpy()
        assert (expected > 0).any(axis=1).all()
        np.testing.assert_allclose(dense(ours, expected.shape[1]), expected, atol=1e-4)


def test_folders_of_version_5_are_read(folders: Path) -> None:
    old, new = (load_sparse(folders / name, max_tokens=12) for name in ("legacy", "splade"))
    np.testing.assert_array_equal(
        old.encode_documents(TEXTS).weights, new.encode_documents(TEXTS).weights
    )
    assert "max_tokens=12&" in load_sparse(folders / "legacy").fingerprint


@pytest.mark.parametrize("name", ["splade", "log1p", "sum", "router"])
def test_batch_equals_single(folders: Path, name: str) -> None:
    encoder = load_sparse(folders / name)
    texts = [*TEXTS, *EMPTY] * 3
    both: list[Callable[[list[str]], SparseBatch]] = [
        encoder.encode_documents,
        lambda some: encoder.encode_queries(some, Nothing()),
    ]
    for encode in both:
        together = dense(encode(texts), 400)
        for i, text in enumerate(texts):
            np.testing.assert_allclose(together[i], dense(encode([text]), 400)[0], atol=1e-5)


@pytest.mark.parametrize("name", ["splade", "router", "table"])
def test_texts_without_pieces_give_empty_rows(folders: Path, name: str) -> None:
    encoder = load_sparse(folders / name)
    for batch in (encoder.encode_documents(EMPTY), encoder.encode_queries(EMPTY, Nothing())):
        assert (len(batch), len(batch.weights)) == (3, 0)
    assert len(encoder.encode_documents([])) == 0
    assert len(encoder.encode_queries([], Nothing())) == 0


def test_prompts_stand_before_texts_but_not_before_empty_ones(
    folders: Path, tiny_checkpoints: ModuleType, tmp_path: Path
) -> None:
    from sentence_transformers import SparseEncoder as Library

    library = Library(str(folders / "splade"), device="cpu", prompts={"query": "search: "})
    library.save(str(tmp_path), create_model_card=False)
    encoder = load_sparse(tmp_path)
    expected = library.encode_query(TEXTS).to_dense().numpy()
    queries = encoder.encode_queries([*TEXTS, ""], Nothing())
    np.testing.assert_allclose(dense(queries, 200)[:-1], expected, atol=1e-4)
    assert len(queries.row(len(TEXTS))[0]) == 0
    np.testing.assert_array_equal(
        encoder.encode_documents(TEXTS).weights,
        load_sparse(folders / "splade").encode_documents(TEXTS).weights,
    )


def test_only_the_heaviest_terms_are_kept_where_that_is_wanted(folders: Path) -> None:
    whole = load_sparse(folders / "splade").encode_documents(TEXTS)
    cut = load_sparse(folders / "splade", top_k=5, query_ratio=0.5)
    documents, queries = cut.encode_documents(TEXTS), cut.encode_queries(TEXTS, Nothing())
    for i in range(len(TEXTS)):
        weights = whole.row(i)[1]
        assert sorted(documents.row(i)[1]) == sorted(weights)[-5:]
        np.testing.assert_array_equal(queries.row(i)[1], weights[weights >= weights.max() / 2])


def test_a_plain_model_takes_pooling_and_logarithms_by_option(folders: Path) -> None:
    given = load_masked_lm(folders / "bert", pooling="sum", log1p=2)
    expected = load_sparse(folders / "sum-log1p").encode_documents(TEXTS)
    np.testing.assert_array_equal(given.encode_documents(TEXTS).weights, expected.weights)


def test_queries_of_a_masked_language_model_may_be_looked_up(folders: Path) -> None:
    table = folders / "table"
    encoder = load_sparse(folders / "splade", queries=f"idf:{table}", duplicates="sum")
    looked_up = encoder.encode_queries(["the the cat"], Nothing())
    once = load_sparse(table).encode_queries(["the the cat"], Nothing())
    np.testing.assert_allclose(looked_up.weights, once.weights * [2, 1])
    assert encoder.fingerprint == load_sparse(folders / "splade").fingerprint

    back = load_sparse(folders / "router", queries="transformer")
    np.testing.assert_array_equal(
        back.encode_queries(TEXTS, Nothing()).weights, back.encode_documents(TEXTS).weights
    )


def test_an_idf_json_beside_a_plain_model_encodes_its_queries(
    folders: Path, tmp_path: Path
) -> None:
    for path in (folders / "bert").iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "idf.json").write_text('{"cat": 2.5, "the": 0.25}')
    encoder = load_masked_lm(tmp_path)
    assert encoder.encode_queries(["the the cat dog"], Nothing()).weights.tolist() == [0.25, 2.5]


def test_one_model_serves_both_sides(folders: Path) -> None:
    same = load_sparse(folders / "splade")
    assert same.documents is same.queries
    cut = load_sparse(folders / "splade", query_max_tokens=8)
    documents, queries = cut.documents, cut.queries
    assert isinstance(documents, TransformerTerms)
    assert isinstance(queries, TransformerTerms)
    assert documents.backbone is queries.backbone
    assert (documents.max_tokens, queries.max_tokens) == (48, 8)


def test_it_is_a_sparse_encoder_that_names_its_terms(folders: Path) -> None:
    encoder = load_sparse(folders / "splade")
    assert isinstance(encoder, SparseEncoder)
    assert isinstance(encoder, NamesTerms)
    assert encoder.fitted(TEXTS) is encoder
    assert encoder.term(5, []) == "the"
    assert encoder.vocabulary(["x"])[6] == "a"


def test_a_spec_gives_the_same_encoder_again(folders: Path) -> None:
    from lexmax.encoders import Encoders

    table = folders / "table"
    encoder = load_sparse(folders / "splade", top_k=7, ratio=0.1, queries=f"idf:{table}")
    again: Any = Encoders().sparse(encoder.spec)
    assert isinstance(again, Splade)
    assert (again.spec, again.fingerprint) == (encoder.spec, encoder.fingerprint)
    assert isinstance(again.queries, TermTable)


def test_the_fingerprint_follows_what_documents_depend_on(folders: Path) -> None:
    splade = folders / "splade"
    alike = [
        load_sparse(splade),
        load_sparse(splade, query_top_k=3, query_max_tokens=9),
        load_sparse(splade, queries=f"idf:{folders / 'table'}"),
    ]
    others = [
        load_sparse(splade, top_k=3),
        load_sparse(splade, ratio=0.1),
        load_sparse(splade, max_tokens=9),
        load_sparse(splade, log1p=2),
        load_sparse(splade, pooling="sum"),
        load_sparse(folders / "log1p"),
        load_sparse(folders / "two"),
    ]
    assert len({encoder.fingerprint for encoder in alike}) == 1
    assert len({encoder.fingerprint for encoder in [alike[0], *others]}) == 8


ASKS_A_TABLE = """
import sys
from pathlib import Path
from lexmax.encoders.checkpoints.sparse import load_sparse
encoder = load_sparse(Path(sys.argv[1]))
print(len(encoder.encode_queries(["the cat"], None).weights), "torch" in sys.modules)
"""


def test_queries_by_table_load_no_transformer(folders: Path) -> None:
    run = [sys.executable, "-c", ASKS_A_TABLE, str(folders / "router")]
    assert subprocess.check_output(run, text=True).split() == ["2", "False"]
    assert isinstance(load_sparse(folders / "router").documents, LaterSide)


def test_loading_prints_nothing_and_leaves_the_random_state(
    folders: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    import torch

    before = torch.random.get_rng_state()
    load_sparse(folders / "splade").encode_documents(TEXTS)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert capfd.readouterr() == ("", "")
