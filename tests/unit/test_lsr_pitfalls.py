"""Mistakes that public code of learned sparse retrieval has made, each with a test of its own."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from lexmax.encoders.heads.epic import EpicHead
from lexmax.encoders.heads.mlm import MlmHead
from lexmax.encoders.heads.scatter import scatter
from lexmax.encoders.heads.weighting import Weighting
from lexmax.encoders.sparse_encoding import Pruning, document_encoding, query_encoding
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
from lexmax.encoders.sparse_sides import StateSide
from lexmax.encoders.training.batch import TrainingBatch
from lexmax.encoders.training.regularizers import Flops
from lexmax.encoders.training.sparse_task import SparseTask
from lexmax.encoders.trunk import open_trunk
from lexmax.errors import EncoderError
from lexmax.index.sparse import SparseIndex

Build = Callable[[SparseModel], SparseParts]

BATCH = TrainingBatch(
    ["vitamin d risk", "cat search"],
    ["vitamin d lowers the risk of falls", "the cat and the dog", "a document of word7 word8"],
    torch.tensor([[0, 2], [1, 2]]),
    torch.tensor([[3.0, 1.0], [2.0, 1.0]]),
    torch.ones(2),
)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoints: ModuleType) -> Path:
    return tiny_checkpoints.save_masked_lm(tmp_path_factory.mktemp("masked-lm"))


@pytest.fixture
def built(source: Path) -> Build:
    def build_tiny(model: SparseModel) -> SparseParts:
        trunk = open_trunk(str(source))
        idf = torch.linspace(0, 3, trunk.n_terms)
        return build(model, trunk, limits=Limits(40, 40), idf=idf, seed=1)

    return build_tiny


def test_1_documents_of_a_batch_are_penalised_once_and_together(built: Build) -> None:
    regularization = Regularization(document=Flops(0.5))
    parts = built(SparseModel(Binary(), Mlm(), regularization))
    task = SparseTask(parts)
    task.module.eval()
    found = task.loss(BATCH, step=0)["document_penalty"].item()
    rows = document_encoding(parts, Pruning()).encode(BATCH.documents)
    sums = np.zeros(parts.documents.n_terms)
    np.add.at(sums, rows.term_ids, rows.weights)
    assert found == pytest.approx(0.5 * np.sum((sums / len(BATCH.documents)) ** 2), rel=1e-5)


def test_2_penalties_grow_with_optimiser_steps_not_with_calls(built: Build) -> None:
    task = SparseTask(built(SparseModel(Mlp(), Mlm(), Regularization(document=Flops(1.0, 10)))))
    task.module.eval()
    accumulated = [task.loss(BATCH, step=3)["document_penalty"].item() for _ in range(4)]
    assert accumulated == [accumulated[0]] * 4
    first = task.loss(BATCH, step=0)["document_penalty"].item()
    assert first == pytest.approx(accumulated[0] / 16)
    assert first > 0


def test_3_what_epic_masks_is_out_before_softplus() -> None:
    torch.manual_seed(0)
    mlm = MlmHead.tied(torch.nn.Parameter(torch.randn(20, 4)))
    torch.nn.init.constant_(mlm.bias, -30.0)  # All logits are far below zero.
    head = EpicHead(mlm, importance=False)
    hidden = torch.randn(1, 6, 4)
    content = torch.tensor([[False, True, True, False, False, False]])
    weights = head(hidden, content)
    assert weights.max() < 1e-6  # A masked zero would give log1p(ln 2), .527, to every term.
    torch.testing.assert_close(weights, head(hidden[:, :4], content[:, :4]))
    assert head(hidden, torch.zeros_like(content)).tolist() == [[0.0] * 20]


@pytest.mark.parametrize("how", ["max", "sum"])
def test_4_padding_does_not_scatter_zeros_onto_term_zero(how: str) -> None:
    ids = torch.tensor([[0, 3, 0, 0]])
    weights = torch.tensor([[-2.0, -1.0, 0.0, 0.0]])
    content = torch.tensor([[True, True, False, False]])
    found = scatter(ids, weights, content, n_terms=5, how=how)  # type: ignore[arg-type]
    assert found.tolist() == [[-2.0, 0, 0, -1.0, 0]]


def test_5_encoders_give_weights_as_they_are_and_the_index_quantises(built: Build) -> None:
    parts = built(SparseModel(Mlm(), Mlm()))
    encoding = document_encoding(parts, Pruning())
    weights = encoding.encode(BATCH.documents)
    assert 0 < weights.weights.min() < 0.01 < weights.weights.max() < 20
    index = SparseIndex.build(weights)
    queries = query_encoding(parts, Pruning()).encode(BATCH.queries)
    hits = index.search(queries, 3)
    dense = [np.zeros((len(rows), parts.documents.n_terms)) for rows in (queries, weights)]
    for array, rows in zip(dense, (queries, weights), strict=True):
        for i in range(len(rows)):
            array[i, rows.row(i)[0]] = rows.row(i)[1]
    expected = dense[0] @ dense[1].T
    found = np.take_along_axis(expected, hits.ordinals, axis=1)
    np.testing.assert_allclose(hits.scores, found, rtol=1e-4)


def test_6_negative_weights_do_not_reach_the_index(built: Build) -> None:
    plain = Weighting("identity", "identity")
    parts = built(SparseModel(Mlp(plain), Mlp(plain)))
    assert isinstance(parts.document, StateSide)
    linear = parts.document.head.linear
    torch.nn.init.zeros_(linear.bias)
    torch.nn.init.normal_(linear.weight, generator=torch.Generator().manual_seed(0))
    text = " ".join(BATCH.documents)
    kept: list[set[int]] = []
    for sign in (1, -1):
        linear.weight.data *= sign
        rows = document_encoding(parts, Pruning()).encode([text])
        assert (rows.weights > 0).all()
        kept.append(set(rows.term_ids.tolist()))
    assert kept[0] | kept[1] == set(parts.documents.pieces.first(text, 40).tolist())
    assert kept[0] != kept[1]


def test_7_flops_depend_on_how_many_texts_are_in_the_batch(built: Build) -> None:
    generator = torch.Generator().manual_seed(0)
    weights = torch.relu(torch.randn(64, 50, generator=generator))
    by_size = [
        torch.stack([Flops(1).penalty(part) for part in weights.split(size)]).mean().item()
        for size in (4, 16, 64)
    ]
    assert by_size == sorted(by_size, reverse=True)
    assert by_size[0] > 1.2 * by_size[2]
    # So queries and documents have a strength of their own each.
    model = SparseModel(Mlm(), Mlm(), Regularization(Flops(0.1), Flops(0.4)))
    task = SparseTask(built(model))
    task.module.eval()
    same = replace(BATCH, documents=BATCH.queries, groups=torch.tensor([[0, 1], [1, 0]]))
    found = task.loss(same, step=0)
    assert found["document_penalty"].item() == pytest.approx(4 * found["query_penalty"].item())


def test_8_another_vocabulary_is_refused(
    built: Build, tmp_path: Path, tiny_checkpoints: ModuleType
) -> None:
    parts = built(SparseModel(Table("idf"), Mlm()))
    other = open_trunk(str(tiny_checkpoints.save_masked_lm(tmp_path / "other", "roberta")))
    with pytest.raises(EncoderError, match="other vocabularies"):
        build(SparseModel(Mlm(), Mlm(), shared=False), parts.documents, queries=other)
    folder = tmp_path / "saved"
    folder.mkdir()
    SparseTask(parts).save(folder)
    (tmp_path / "table").mkdir()
    np.save(tmp_path / "table" / "idf.npy", np.ones(other.n_terms, np.float32))
    (tmp_path / "table" / "tokenizer.json").write_bytes(other.tokenizer)
    with pytest.raises(EncoderError, match="one vocabulary"):
        load_sparse_folder(folder, queries=f"idf:{tmp_path / 'table'}")
    before = load_sparse_folder(folder).fingerprint
    written = (folder / "tokenizer.json").read_text(encoding="utf-8")
    (folder / "tokenizer.json").write_text(written.replace('"word9"', '"word_9"'), encoding="utf-8")
    assert load_sparse_folder(folder).fingerprint != before
