"""Engines, terms, carving and imputation as a pipeline uses them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lexmax.collection import Collection
from lexmax.encoders import Encoders
from lexmax.errors import PipelineError, QueryError
from lexmax.index.multivector import MultiVectorIndex
from lexmax.index.multivector_build import MultiVectorPlan
from lexmax.index.multivector_engines import EXACT_MAXSIM, parse_multivector_engine
from lexmax.stages import MaxSim, MultiVectorRetrieve, Pipeline, named
from lexmax.types import Document

WORDS = ["sail", "wind", "wing", "flow", "bone", "milk", "calcium", "dense", "shock", "thrust"]


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    return [
        Document(f"d{i}", " ".join(WORDS[(i * j + j * j) % 10] for j in range(1, 9)))
        for i in range(80)
    ]


@pytest.fixture
def collection(
    tmp_path: Path, cheap_encoders: Encoders, documents: list[Document]
) -> Iterator[Collection]:
    with Collection.create(tmp_path / "ix", encoders=cheap_encoders) as made:
        made.add(documents)
        made.flush()
        yield made


def ids(collection: Collection, pipeline: str | Pipeline, k: int = 5) -> list[str]:
    return [hit.doc_id for hit in collection.search("bone milk wing", k, pipeline=pipeline).hits]


def test_candidates_of_the_sparse_index_are_scored(collection: Collection) -> None:
    terms = collection.search("bone milk wing", 6, pipeline="sparse").hits
    found = collection.search("bone milk wing", 6, pipeline="multivector:sparse?candidates=6")
    assert {hit.doc_id for hit in found.hits} == {hit.doc_id for hit in terms}
    united = ids(collection, "multivector:sparse?candidates=6+centroids?candidates=40", 40)
    assert {hit.doc_id for hit in terms} <= set(united)


def test_an_engine_needs_the_index_that_it_asks(tmp_path: Path, cheap_encoders: Encoders) -> None:
    made = Collection.create(tmp_path / "ix", sparse=None, encoders=cheap_encoders)
    made.add([Document("1", "bone")])
    with pytest.raises(PipelineError, match="needs a sparse index"):
        ids(made, "multivector:sparse")
    plan = MultiVectorPlan(fde=False)
    other = Collection.create(tmp_path / "iy", plan=plan, encoders=cheap_encoders)
    other.add([Document(f"{i}", f"bone {i}") for i in range(700)])
    other.flush()
    with pytest.raises(QueryError, match="found no fde in this index"):
        ids(other, "multivector:fde?candidates=5")


def test_pending_documents_are_found_by_every_engine(collection: Collection) -> None:
    collection.add([Document("late", "bone milk wing")])
    for engine in ("auto", "exact", "fde", "centroids", "warp", "plaid?documents=400", "sparse"):
        assert ids(collection, f"multivector:{engine}")[0] == "late"


def test_carving_at_one_changes_nothing_and_below_it_few_places(collection: Collection) -> None:
    exact = named("multivector-exact")
    whole = exact.model_copy(update={"rerank": (MaxSim(depth=80),)})
    kept = whole.model_copy(update={"rerank": (MaxSim(depth=80, carve=1.0),)})
    assert ids(collection, whole, 20) == ids(collection, kept, 20)
    carved = whole.model_copy(update={"rerank": (MaxSim(depth=80, carve=0.2),)})
    assert set(ids(collection, carved, 40)) & set(ids(collection, whole, 5))


def test_imputed_scores_are_for_encoders_trained_so(collection: Collection) -> None:
    with pytest.raises(PipelineError, match="imputes scores"):
        ids(collection, "multivector:xtr")
    encoder = collection.encoders.multivector
    assert encoder is not None
    assert "xtr" not in encoder.fingerprint


def test_all_clusters_imputed_are_maxsim_over_the_number_of_tokens(collection: Collection) -> None:
    part = collection.snapshot().parts[0].segment.multivector
    encoder = collection.encoders.multivector
    assert part is not None
    assert encoder is not None
    queries = encoder.encode_queries(["bone milk wing"])
    imputed = part.search(queries, 7, engine=parse_multivector_engine("xtr?probes=65536"))
    exact = part.search(queries, 7, engine=EXACT_MAXSIM)
    assert imputed.ordinals.tolist() == exact.ordinals.tolist()
    assert imputed.scores[0] * 3 == pytest.approx(exact.scores[0], rel=1e-6)
    # What has no centroids, as pending documents, is scored on the same scale.
    alone = MultiVectorIndex(part.store, None)
    pending = alone.search(queries, 7, engine=parse_multivector_engine("xtr"))
    assert pending.ordinals.tolist() == exact.ordinals.tolist()
    assert pending.scores[0] == pytest.approx(imputed.scores[0], rel=1e-6)


@pytest.mark.parametrize("store", ["flat", "sq8", "bits?refine=4", "hnsw", "pq4"])
def test_encodings_are_kept_as_the_plan_says(
    store: str, tmp_path: Path, cheap_encoders: Encoders, documents: list[Document]
) -> None:
    plan = MultiVectorPlan(fde_store=store)
    with Collection.create(tmp_path / "ix", plan=plan, encoders=cheap_encoders) as made:
        made.add(documents)
        made.flush()
        index = made.snapshot().parts[0].segment.multivector
        assert index is not None
        assert index.candidates is not None
        assert index.candidates.store_spec.name == store.partition("?")[0]
        assert ids(made, "multivector:fde?candidates=60")


def test_a_stage_may_be_exact_by_value(collection: Collection) -> None:
    pipeline = Pipeline(name="mine", retrieve=(MultiVectorRetrieve(engine="exact"),))
    assert ids(collection, pipeline) == ids(collection, "multivector-exact")
