"""The encoders that come with lexmax load, encode, and say by name which they are."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lexmax
from lexmax.encoders.loading import Encoders
from lexmax.encoders.shared_pass import DocumentPart, document_head_of
from lexmax.errors import EncoderError

TEXTS = ["Vitamin D keeps bones dense.", "The cat sat on the mat.", ""]


@pytest.fixture(scope="module")
def encoders() -> Encoders:
    return Encoders()


def test_documents_are_expanded_and_pruned(encoders: Encoders) -> None:
    encoder = encoders.sparse("lexmax-sparse?top_k=20")
    batch = encoder.encode_documents(TEXTS)
    assert np.diff(batch.indptr).tolist()[2] == 0
    assert max(np.diff(batch.indptr)) <= 20
    terms = {encoder.term(int(term), TEXTS) for term in batch.row(0)[0]}
    assert {"vitamin", "bones"} <= terms
    assert terms - {"vitamin", "d", "keeps", "bones", "dense", "."}  # Terms that it lacks.


def test_specs_name_the_same_encoder_again(encoders: Encoders) -> None:
    sparse = encoders.sparse("lexmax-sparse")
    assert sparse.spec == "lexmax-sparse?max_tokens=256&top_k=160"
    assert encoders.sparse(sparse.spec) is sparse
    tokens = encoders.multivector("lexmax-colbert?dim=64")
    assert tokens.spec == "lexmax-colbert?dim=64&max_tokens=256"
    assert encoders.multivector(tokens.spec) is tokens
    assert sparse.fingerprint != encoders.sparse("lexmax-sparse?top_k=20").fingerprint


@pytest.mark.parametrize("dim", [128, 64])
def test_token_vectors_have_length_one(encoders: Encoders, dim: int) -> None:
    encoder = encoders.multivector(f"lexmax-colbert?dim={dim}")
    batch = encoder.encode_documents(TEXTS)
    assert batch.dim == encoder.dim == dim
    assert np.linalg.norm(batch.vectors, axis=1) == pytest.approx(1.0, abs=1e-5)
    assert len(batch.row(2)) == 0


@pytest.mark.parametrize("named", ["lexmax-colbert", "minilm"])
def test_heads_of_one_transformer_share_its_pass(encoders: Encoders, named: str) -> None:
    sparse, tokens = encoders.sparse("lexmax-sparse"), encoders.multivector(named)
    pooled = encoders.dense("minilm-pooled")
    head = document_head_of(tokens)
    assert head is not None
    passes: list[int] = []
    forward = head.backbone.model.forward

    def counted(*args: Any, **kwargs: Any) -> Any:
        passes.append(1)
        return forward(*args, **kwargs)

    head.backbone.model.forward = counted
    try:
        part = DocumentPart(TEXTS, sparse=sparse, multivector=tokens, pooled=pooled)
        encoded = part.encode()
    finally:
        del head.backbone.model.forward
    assert len(passes) == 1
    assert encoded.sparse is not None
    alone = sparse.encode_documents(TEXTS)
    assert np.array_equal(encoded.sparse.term_ids, alone.term_ids)
    assert encoded.sparse.weights == pytest.approx(alone.weights, abs=1e-5)
    assert encoded.pooled is not None
    assert encoded.pooled == pytest.approx(pooled.encode_documents(TEXTS), abs=1e-5)
    assert np.linalg.norm(encoded.pooled, axis=1) == pytest.approx([1, 1, 0], abs=1e-5)


def test_there_are_no_other_sizes(encoders: Encoders) -> None:
    with pytest.raises(EncoderError, match="expected one of 128, 64"):
        encoders.multivector("lexmax-colbert?dim=100")


def test_a_collection_finds_what_is_meant_by_other_words(tmp_path: Path) -> None:
    sparse, multivector = "lexmax-sparse", "lexmax-colbert?dim=64"
    with lexmax.create(tmp_path / "c", sparse=sparse, multivector=multivector) as collection:
        texts = ["The automobile would not start.", "Boil the pasta in salted water."]
        collection.add([lexmax.Document(str(i), text) for i, text in enumerate(texts)])
        for pipeline in ("sparse", "multivector", "hybrid"):
            hits = collection.search("broken car", k=1, pipeline=pipeline).hits
            assert hits[0].doc_id == "0"
        collection.flush()
        assert collection.search("broken car", k=1, pipeline="hybrid").hits[0].doc_id == "0"
