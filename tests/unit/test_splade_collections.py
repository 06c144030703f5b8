"""Collections over folders of SPLADE: what is searched was encoded by the same model."""

import shutil
from pathlib import Path
from types import ModuleType

import pytest

from lexmax.collection import Collection
from lexmax.encoders import Encoders
from lexmax.encoders.checkpoints.sparse import load_sparse
from lexmax.errors import EncoderError
from lexmax.types import Document

TEXTS = {"cats": "the cat and the cat", "risk": "vitamin d lowers the risk", "empty": ""}


@pytest.fixture
def model(tiny_checkpoints: ModuleType, tmp_path: Path) -> Path:
    bert = tiny_checkpoints.save_masked_lm(tmp_path / "bert")
    return tiny_checkpoints.save_router(
        tmp_path / "model", bert, tiny_checkpoints.table_weights(200)
    )


@pytest.fixture
def path(model: Path, tmp_path: Path) -> Path:
    made = tmp_path / "ix"
    with Collection.create(made, sparse=f"splade:{model}", multivector=None) as collection:
        collection.add([Document(doc_id, text) for doc_id, text in TEXTS.items()])
        collection.flush()
    return made


def test_scores_are_those_of_the_vectors(model: Path, path: Path) -> None:
    with Collection.open(path) as collection:
        found = {hit.doc_id: hit.score for hit in collection.search("vitamin cat", 10).hits}
    encoder = load_sparse(model)
    documents = encoder.encode_documents(list(TEXTS.values()))
    asked = dict(
        zip(*encoder.encode_queries(["vitamin cat"], None).row(0), strict=True)  # type: ignore
    )
    expected = {
        doc_id: sum(asked.get(t, 0.0) * w for t, w in zip(*documents.row(i), strict=True))
        for i, doc_id in enumerate(TEXTS)
    }
    assert found == pytest.approx({d: s for d, s in expected.items() if s > 0}, rel=1e-5)
    assert {"cats", "risk"} <= set(found)


def test_a_model_of_another_vocabulary_is_refused(
    model: Path, path: Path, tiny_checkpoints: ModuleType
) -> None:
    """Such as by a tokenizer that was saved over the one of the index."""
    before = load_sparse(model).fingerprint
    pieces = tiny_checkpoints.vocabulary()
    tokenizer = tiny_checkpoints.word_piece_tokenizer([*pieces[:-2], pieces[-1], pieces[-2]])
    for side in ("document_0_Transformer", "query_0_SparseStaticEmbedding"):
        tokenizer.save_pretrained(model / side)
    after = load_sparse(model).fingerprint
    with (
        Collection.open(path, encoders=Encoders()) as collection,
        pytest.raises(EncoderError, match="documents were encoded by splade") as refused,
    ):
        collection.search("vitamin cat", 10)
    vocabularies = [said.partition("vocabulary=")[2][:32] for said in (before, after)]
    assert vocabularies[0] != vocabularies[1]
    assert all(vocabulary in str(refused.value) for vocabulary in vocabularies)
    assert "index the corpus again" in str(refused.value)


def test_another_table_over_the_same_documents_is_taken(
    model: Path, path: Path, tiny_checkpoints: ModuleType, tmp_path: Path
) -> None:
    table = tiny_checkpoints.save_table(
        tmp_path / "table", tiny_checkpoints.table_weights(200, seed=9)
    )
    side = model / "query_0_SparseStaticEmbedding"
    with Collection.open(path, encoders=Encoders()) as collection:
        before = collection.search("vitamin cat", 10).hits
    shutil.copy(table / "model.safetensors", side)
    with Collection.open(path, encoders=Encoders()) as collection:
        after = collection.search("vitamin cat", 10).hits
    assert {hit.doc_id for hit in before} == {hit.doc_id for hit in after}
    assert [hit.score for hit in before] != [hit.score for hit in after]
