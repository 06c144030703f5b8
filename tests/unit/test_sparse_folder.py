"""Folders of lexmax's own format: options, sizes, what is lazy, and damage."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from lexmax.encoders.contract import NamesTerms, SparseEncoder
from lexmax.encoders.heads.mlm import MlmHead
from lexmax.encoders.shared_pass import SharedPass
from lexmax.encoders.sparse_encoding import Pruning, StatesEncoding, document_encoding
from lexmax.encoders.sparse_folder import load_parts, read_saved, save_sparse_folder
from lexmax.encoders.sparse_loading import load_sparse_folder
from lexmax.encoders.sparse_model import (
    Binary,
    Mlm,
    Mlp,
    Regularization,
    SparseModel,
    Table,
)
from lexmax.encoders.sparse_parts import Limits, SparseParts, build
from lexmax.encoders.splade import LaterSide, Splade
from lexmax.encoders.term_pruning import TermPruning
from lexmax.encoders.training.regularizers import TopK
from lexmax.encoders.training.sparse_task import Effort, SparseTask
from lexmax.encoders.trunk import MINILM, open_trunk
from lexmax.errors import EncoderError
from lexmax.types import SparseBatch

Save = Callable[..., Path]

TEXTS = ["vitamin d lowers the risk of falls", "the cat and the the dog [SEP]", "", "\x00 \n", "ɸ"]


class Nothing:
    n_docs = 0

    def doc_freqs(self, term_ids: np.ndarray) -> np.ndarray:
        return np.zeros(len(term_ids), dtype=np.int64)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoints: ModuleType) -> Path:
    return tiny_checkpoints.save_masked_lm(tmp_path_factory.mktemp("masked-lm"))


def parts_of(model: SparseModel, source: Path) -> SparseParts:
    documents = open_trunk(str(source))
    queries = None if model.shared else open_trunk(str(source))
    idf = torch.linspace(0.5, 3, documents.n_terms)
    return build(model, documents, queries=queries, limits=Limits(20, 30), idf=idf, seed=1)


@pytest.fixture
def saved(source: Path, tmp_path: Path) -> Save:
    def save(model: SparseModel, dtype: torch.dtype = torch.float32) -> Path:
        folder = tmp_path / "saved"
        folder.mkdir()
        save_sparse_folder(parts_of(model, source), folder, dtype=dtype)
        return folder

    return save


def queries_of(encoder: Splade, texts: list[str]) -> SparseBatch:
    return encoder.encode_queries(texts, Nothing())


def test_encoder_keeps_what_it_promises(saved: Save) -> None:
    folder = saved(SparseModel(Table("idf"), Mlm()))
    encoder = load_sparse_folder(folder)
    assert isinstance(encoder, SparseEncoder)
    assert isinstance(encoder, NamesTerms)
    assert encoder.spec == f"splade:{folder}"
    documents = encoder.encode_documents(TEXTS)
    assert np.diff(documents.indptr).tolist()[2:] == [0, 0, 0]
    for i in range(2):
        alone = encoder.encode_documents([TEXTS[i]])
        np.testing.assert_array_equal(alone.term_ids, documents.row(i)[0])
        np.testing.assert_allclose(alone.weights, documents.row(i)[1], atol=1e-5)
    assert (
        encoder.term(int(documents.term_ids[0]), TEXTS)
        == encoder.vocabulary(TEXTS)[int(documents.term_ids[0])]
    )


def test_queries_by_table_never_load_the_transformer(saved: Save) -> None:
    encoder = load_sparse_folder(saved(SparseModel(Table("linear"), Mlm())))
    assert isinstance(encoder.documents, LaterSide)
    assert len(queries_of(encoder, TEXTS).weights) > 5
    assert encoder.documents._loaded is None


def test_a_pass_is_shared_with_other_encoders_on_the_same_transformer(source: Path) -> None:
    parts = parts_of(SparseModel(Table("learned"), Mlm()), source)
    whole = document_encoding(parts, Pruning())
    few = document_encoding(parts, Pruning(document=TermPruning(top_k=3)))
    assert isinstance(whole, StatesEncoding)
    assert isinstance(few, StatesEncoding)
    calls: list[object] = []
    whole.trunk.backbone.model.register_forward_hook(lambda *given: calls.append(given))
    shared = SharedPass([whole.shared_head(), few.shared_head()], TEXTS).run()
    assert len(calls) == 1
    np.testing.assert_array_equal(shared[0].term_ids, whole.encode(TEXTS).term_ids)
    assert np.diff(shared[1].indptr).tolist() == [3, 3, 0, 0, 0]


def test_weights_that_are_not_finite_are_refused(source: Path) -> None:
    parts = parts_of(SparseModel(Table("learned"), Mlm()), source)
    assert isinstance(parts.document.head, MlmHead)
    torch.nn.init.constant_(parts.document.head.bias, torch.nan)
    with pytest.raises(EncoderError, match="weights of NaN or infinity"):
        document_encoding(parts, Pruning()).encode(TEXTS)


def test_special_tokens_weigh_nothing_by_table(saved: Save) -> None:
    encoder = load_sparse_folder(saved(SparseModel(Binary(repeats="set"), Mlm())))
    found = queries_of(encoder, ["the [SEP] ɸ \U0001f52c the"])
    names = [encoder.names[int(term)] for term in found.term_ids]
    assert names == ["the"]
    assert found.weights.tolist() == [1.0]


def test_options_prune_and_cut(saved: Save) -> None:
    folder = saved(SparseModel(Table("learned"), Mlm()))
    whole = load_sparse_folder(folder)
    pruned = load_sparse_folder(folder, top_k=5, ratio=0.5, query_top_k=2)
    assert pruned.spec == f"splade:{folder}?top_k=5&ratio=0.5&query_top_k=2"
    assert pruned.fingerprint != whole.fingerprint
    documents = pruned.encode_documents(TEXTS)
    term_ids, weights = whole.encode_documents(TEXTS).row(0)
    order = np.argsort(-weights, kind="stable")[:5]
    kept = sorted(term_ids[order][weights[order] >= 0.5 * weights.max()])
    assert documents.row(0)[0].tolist() == kept
    assert np.diff(queries_of(pruned, TEXTS).indptr).max() == 2
    short = load_sparse_folder(folder, query_max_tokens=4)  # Two tokens between markers.
    assert len(queries_of(short, ["cat dog risk fall"]).term_ids) == 2
    assert short.fingerprint == whole.fingerprint
    assert load_sparse_folder(folder, max_tokens=9).fingerprint != whole.fingerprint


def test_top_k_of_training_is_the_default_of_use(saved: Save) -> None:
    folder = saved(SparseModel(Table("learned"), Mlm(), Regularization(document=TopK(7))))
    assert len(load_sparse_folder(folder).encode_documents(TEXTS).row(0)[0]) == 7
    assert len(load_sparse_folder(folder, top_k=3).encode_documents(TEXTS).row(0)[0]) == 3


@pytest.mark.parametrize(("duplicates", "expected"), [("set", 1), ("sum", 3)])
def test_duplicates_of_a_query_by_option(saved: Save, duplicates: str, expected: int) -> None:
    folder = saved(SparseModel(Binary(), Mlm()))
    found = queries_of(load_sparse_folder(folder, duplicates=duplicates), ["cat cat cat"])
    assert found.weights.tolist() == [expected]


def test_queries_by_another_table(saved: Save, tmp_path: Path) -> None:
    folder = saved(SparseModel(Mlm(), Mlm()))
    table = tmp_path / "table"
    table.mkdir()
    np.save(table / "idf.npy", np.full(200, 2.5, np.float32))
    (table / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
    encoder = load_sparse_folder(folder, queries=f"idf:{table}")
    assert queries_of(encoder, ["cat dog"]).weights.tolist() == [2.5, 2.5]
    assert encoder.fingerprint == load_sparse_folder(folder).fingerprint


def test_half_precision_halves_the_folder_and_hardly_changes_weights(
    source: Path, tmp_path: Path
) -> None:
    parts = parts_of(SparseModel(Mlm(), Mlm()), source)
    rows: list[SparseBatch] = []
    sizes: list[int] = []
    for dtype in (torch.float32, torch.float16):
        folder = tmp_path / str(dtype)
        folder.mkdir()
        save_sparse_folder(parts, folder, dtype=dtype)
        rows.append(load_sparse_folder(folder).encode_documents(TEXTS))
        sizes.append((folder / "document.safetensors").stat().st_size)
    assert sizes[1] < 0.62 * sizes[0]
    common = np.intersect1d(rows[0].row(0)[0], rows[1].row(0)[0])
    assert len(common) > 0.9 * len(rows[0].row(0)[0])
    assert rows[1].weights.sum() == pytest.approx(rows[0].weights.sum(), rel=0.02)


def test_a_tied_decoder_is_written_once(saved: Save) -> None:
    from safetensors import safe_open

    folder = saved(SparseModel(Table("linear"), Mlm()))
    with safe_open(folder / "heads.safetensors", "np") as heads:
        shapes = {name: heads.get_slice(name).get_shape() for name in heads.keys()}  # noqa: SIM118
    assert [200, 32] not in shapes.values()
    assert shapes["query.table"] == [200]


def test_a_saved_model_can_be_trained_on(saved: Save) -> None:
    model = SparseModel(Mlp(), Mlm(), shared=False)
    parts = load_parts(read_saved(saved(model)))
    assert parts.model == model
    task = SparseTask(parts)
    assert all(
        one.requires_grad for group in task.parameter_groups(1, 0) for one in group["params"]
    )


def test_the_installed_transformer_is_named_and_not_copied(tmp_path: Path) -> None:
    trunk = open_trunk(MINILM, own=True)
    parts = build(SparseModel(Table("learned"), Mlm()), trunk, seed=1)
    task = SparseTask(parts, Effort(layers=0))
    task.save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "encoder.json",
        "heads.safetensors",
        "tokenizer.json",
    }
    assert (tmp_path / "heads.safetensors").stat().st_size < 1 << 20
    expected = task.encoder().encode_documents(["late interaction"])
    found = load_sparse_folder(tmp_path, top_k=50).encode_documents(["late interaction"])
    assert set(found.term_ids) <= set(expected.term_ids)
    written = json.loads((tmp_path / "encoder.json").read_text(encoding="utf-8"))
    written["document_transformer"]["fingerprint"] = "0" * 32
    (tmp_path / "encoder.json").write_text(json.dumps(written), encoding="utf-8")
    with pytest.raises(EncoderError, match="was trained on minilm with fingerprint 000"):
        load_sparse_folder(tmp_path).encode_documents(["late interaction"])
    trained = tmp_path / "trained"
    trained.mkdir()
    SparseTask(parts, Effort(layers=1)).save(trained)
    assert (trained / "document.safetensors").exists()
