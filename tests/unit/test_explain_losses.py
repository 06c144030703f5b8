"""Where a document was lost that is not among the hits."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lexmax.collection import Collection
from lexmax.encoders import Encoders
from lexmax.explaining import DocumentExplanation
from lexmax.explaining.explanation import Loss, RelevanceDecision
from lexmax.searching import Searcher
from lexmax.types import Document

WORDS = ["sail", "wind", "wing", "flow", "bone", "milk", "calcium", "dense", "shock", "thrust"]
DOCUMENTS = [
    Document(f"d{i}", " ".join(WORDS[(i * j + j * j) % 10] for j in range(1, 9)), "", {"n": i})
    for i in range(30)
]
SPARSE = {"retrieve": [{"signal": "sparse", "depth": 30}]}
BOTH = {"retrieve": [{"signal": "sparse", "depth": 30}, {"signal": "multivector", "depth": 30}]}


@pytest.fixture
def collection(tmp_path: Path, cheap_encoders: Encoders) -> Iterator[Collection]:
    path = tmp_path / "ix"
    with Collection.create(path, encoders=cheap_encoders, fields={"n": "integer"}) as made:
        made.add([*DOCUMENTS, Document("other", "nothing of that"), Document("empty", "")])
        made.flush()
        yield made


def ranked(collection: Collection, pipeline: object, k: int = 30) -> list[str]:
    result = collection.search("bone milk wing", k, pipeline=pipeline)  # type: ignore[arg-type]
    return [hit.doc_id for hit in result.hits]


def lost(collection: Collection, doc_id: str, pipeline: Any, k: int = 5, **more: Any) -> Loss:
    explanation = collection.explain("bone milk wing", k, doc_id=doc_id, pipeline=pipeline, **more)
    (document,) = explanation.documents
    assert document.doc_id == doc_id
    assert (document.rank, document.score) == (None, None)
    assert document.lost is not None
    return document.lost


def test_a_hit_is_not_lost(collection: Collection) -> None:
    first = ranked(collection, SPARSE)[0]
    (document,) = collection.explain("bone milk wing", 5, doc_id=first, pipeline=SPARSE).documents
    assert (document.lost, document.rank) == (None, 1)


def test_it_ranks_below_what_is_returned(collection: Collection) -> None:
    ids = ranked(collection, SPARSE)
    assert lost(collection, ids[7], SPARSE) == Loss(
        "limit", "rank 8 by sparse; ranks 1 to 5 are returned"
    )
    assert lost(collection, ids[0], SPARSE, k=4, offset=2) == Loss(
        "limit", "rank 1 by sparse; ranks 3 to 6 are returned"
    )
    fused = ranked(collection, BOTH)
    assert lost(collection, fused[9], BOTH).reason.startswith("rank 10 by fuse; ")


def test_it_was_not_retrieved(collection: Collection) -> None:
    ids = ranked(collection, "sparse")
    reason = lost(collection, ids[9], "sparse", k=4).reason
    explained = collection.explain("bone milk wing", 4, doc_id=ids[9], pipeline="sparse")
    score = explained.documents[0].sparse
    assert score is not None
    last = explained.result.hits[-1].score
    assert reason == (
        f"sparse: its score {score.score:.4f} is below {last:.4f}, that of the last of 4 found"
    )
    assert lost(collection, ids[9], "sparse", k=4).stage == "retrieve"


def test_it_has_nothing_in_common_with_the_query(collection: Collection) -> None:
    assert lost(collection, "other", SPARSE, k=40) == Loss(
        "retrieve", "sparse: query and document have no term in common"
    )
    reason = lost(collection, "empty", BOTH, k=40).reason
    assert reason == (
        "sparse: query and document have no term in common; "
        "multivector: query and document have no vector in common"
    )


def test_an_engine_that_asks_few_documents_does_not_propose_it(collection: Collection) -> None:
    engine = {"retrieve": [{"signal": "multivector", "engine": "sparse?candidates=2"}]}
    exact = [hit.doc_id for hit in collection.search("sail bone", 2, pipeline="multivector").hits]
    (document,) = collection.explain("sail bone", 2, doc_id=exact[0], pipeline=engine).documents
    assert document.multivector is not None
    score = document.multivector.score
    assert document.lost == Loss(
        "retrieve",
        f"multivector: its score {score:.4f} would do, but the engine sparse?candidates=2 did not "
        "propose it",
    )


def test_a_filter_leaves_it_out(collection: Collection) -> None:
    best = ranked(collection, SPARSE)[0]
    n = int(best[1:])
    loss = lost(collection, best, SPARSE, filter=f"n!={n} and n>=0 and n<1000")
    assert loss == Loss("filter", f"it does not meet not n={n}")
    of_stage = {"retrieve": [{"signal": "sparse", "depth": 30, "filter": f"n>{n}"}]}
    reason = lost(collection, best, of_stage).reason
    assert reason.startswith("sparse: its score ")
    assert reason.endswith(" would do, but it does not meet this stage's filter")


def test_a_filter_of_the_pipeline_leaves_it_out(collection: Collection) -> None:
    best = ranked(collection, SPARSE)[0]
    condition = f"n>{best[1:]}"
    loss = lost(collection, best, SPARSE | {"filter": condition})
    assert loss == Loss("filter", f"it does not meet {condition}")


def test_only_other_documents_are_allowed(collection: Collection) -> None:
    first, second, *_ = ranked(collection, SPARSE)
    assert lost(collection, first, SPARSE, doc_ids=[second]).stage == "doc_ids"


def test_while_a_job_replaces_a_document_the_old_version_is_explained(
    collection: Collection,
) -> None:
    best = ranked(collection, SPARSE)[0]
    before = collection.explain("bone milk wing", 5, doc_id=best, pipeline=SPARSE).documents
    collection.store([Document(best, "nothing")], ingest=("elsewhere", 1))
    collection.delete(["other"])
    after = collection.explain("bone milk wing", 5, doc_id=best, pipeline=SPARSE).documents
    assert after == before
    collection.flush()
    assert lost(collection, best, SPARSE).stage == "retrieve"


def test_a_later_stage_does_not_read_so_far(collection: Collection) -> None:
    ids = ranked(collection, SPARSE)
    pipeline = SPARSE | {"rerank": [{"by": "maxsim", "depth": 6}]}
    assert lost(collection, ids[8], pipeline, k=2) == Loss(
        "maxsim", "rank 9 by sparse; maxsim reads the first 6"
    )


def test_diversification_chooses_others(collection: Collection) -> None:
    pipeline = SPARSE | {"diversify": {"method": "mmr", "depth": 30, "signal": "sparse"}}
    chosen, ids = ranked(collection, pipeline, 3), ranked(collection, SPARSE)
    other = next(doc_id for doc_id in ids if doc_id not in chosen)
    rank = ids.index(other) + 1
    assert lost(collection, other, pipeline, k=3) == Loss(
        "mmr", f"rank {rank} by sparse; mmr chose 3 others"
    )


class BetterHalf:
    """A calibration that finds the better half relevant, whatever the documents."""

    depth, threshold, adapter = 30, 0.5, SimpleNamespace(depth=30)

    def filtered(
        self, scores: NDArray[np.float32], query: object, *, min_relevance: float | None
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        falling = np.linspace(1, 0, len(scores), dtype=np.float32)
        return falling, falling >= (self.threshold if min_relevance is None else min_relevance)


def test_it_is_not_relevant_enough(collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Searcher, "_calibration", lambda *_: lambda _: BetterHalf())
    ids = ranked(collection, SPARSE)
    pipeline = SPARSE | {"relevance": {}}

    def explained(doc_id: str, **more: Any) -> DocumentExplanation:
        found = collection.explain("bone milk wing", 5, doc_id=doc_id, pipeline=pipeline, **more)
        return found.documents[0]

    first = explained(ids[0])
    assert (first.relevance, first.rank) == (RelevanceDecision(1.0, 0.5, True), 1)
    last = explained(ids[-1])
    assert last.relevance == RelevanceDecision(0.0, 0.5, False)
    assert last.lost == Loss("relevance", "its relevance 0.000 is below 0.500")
    assert explained(ids[1], min_relevance=1.0).lost is not None
    assert explained(ids[-1], min_relevance=0.0).lost == Loss(
        "limit", f"rank {len(ids)} by relevance; ranks 1 to 5 are returned"
    )
