"""Exported models give in sentence-transformers what they give here."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from lexmax.encoders.heads.weighting import PLAIN, Weighting
from lexmax.encoders.sparse_encoding import Pruning, document_encoding, query_encoding
from lexmax.encoders.sparse_export import export_sentence_transformers
from lexmax.encoders.sparse_model import (
    Binary,
    Mlm,
    Mlp,
    Regularization,
    SparseModel,
    Table,
)
from lexmax.encoders.sparse_parts import Limits, SparseParts, build
from lexmax.encoders.training.regularizers import TopK
from lexmax.encoders.trunk import open_trunk
from lexmax.errors import EncoderError
from lexmax.types import SparseBatch

TEXTS = [
    "vitamin d lowers the risk of falls",
    "the cat and the the dog",
    "word7 word8 a document index " * 20,
]
ALL = Mlm(markers=True)
TWICE = Mlm(Weighting(log1p_twice=True), markers=True)


def parts_of(model: SparseModel, source: Path) -> SparseParts:
    documents = open_trunk(str(source))
    queries = None if model.shared else open_trunk(str(source))
    idf = torch.linspace(0.5, 3, documents.n_terms)
    parts = build(model, documents, queries=queries, limits=Limits(40, 40), idf=idf, seed=1)
    for side in (parts.document, parts.query):  # Not what it was loaded with.
        for parameter in side.parameters():
            if parameter.requires_grad:
                parameter.data += 0.05
    return parts


def dense(batch: SparseBatch, n_terms: int) -> np.ndarray:
    array = np.zeros((len(batch), n_terms), np.float32)
    for i in range(len(batch)):
        term_ids, weights = batch.row(i)
        array[i, term_ids] = weights
    return array


@pytest.mark.parametrize(
    ("family", "model"),
    [
        ("bert", SparseModel(ALL, ALL)),
        ("bert", SparseModel(ALL, TWICE, shared=False)),
        ("bert", SparseModel(Table("idf"), TWICE)),
        ("bert", SparseModel(Binary(repeats="set"), Mlm(pool="sum", markers=True))),
        ("distilbert", SparseModel(Table("learned"), ALL)),
        ("roberta", SparseModel(ALL, ALL)),
    ],
)
def test_weights_are_those_of_the_library(
    family: str, model: SparseModel, tmp_path: Path, tiny_checkpoints: ModuleType
) -> None:
    source = tiny_checkpoints.save_masked_lm(tmp_path / "source", family)
    parts = parts_of(model, source)
    export_sentence_transformers(parts, tmp_path / "exported")
    library = tiny_checkpoints.library(tmp_path / "exported")
    n_terms = parts.documents.n_terms
    documents = dense(document_encoding(parts, Pruning()).encode(TEXTS), n_terms)
    queries = dense(query_encoding(parts, Pruning()).encode(TEXTS), n_terms)
    theirs = library.encode_document(TEXTS, convert_to_sparse_tensor=False)
    np.testing.assert_allclose(theirs.numpy(), documents, atol=1e-4)
    theirs = library.encode_query(TEXTS, convert_to_sparse_tensor=False)
    np.testing.assert_allclose(theirs.numpy(), queries, atol=1e-4)
    assert documents.max() > 0.5


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (SparseModel(Mlp(), Mlp()), "one of its encoders is Mlp"),
        (SparseModel(Mlm(), Mlm()), "are no positions of a text in it"),
        (SparseModel(Table("linear"), ALL), "add up, and there they count once"),
        (SparseModel(ALL, Mlm(PLAIN, markers=True)), r"identity\(relu\(logit\)\)"),
        (SparseModel(ALL, ALL, Regularization(document=TopK(4))), "keeps the largest weights"),
    ],
)
def test_what_the_library_cannot_express_is_refused(
    model: SparseModel, message: str, tmp_path: Path, tiny_checkpoints: ModuleType
) -> None:
    parts = parts_of(model, tiny_checkpoints.save_masked_lm(tmp_path / "source"))
    with pytest.raises(EncoderError, match=message):
        export_sentence_transformers(parts, tmp_path / "exported")
    assert not (tmp_path / "exported").exists()
