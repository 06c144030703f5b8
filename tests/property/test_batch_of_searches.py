"""A batch gives each query what it would get alone: ids, order and scores, bit by bit."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lexmax.collection import Collection
from lexmax.encoders import Encoders
from lexmax.stages import Pipeline, preset
from lexmax.types import Document

WORDS = ["sail", "wind", "wing", "flow", "bone", "milk", "calcium", "dense", "shock", "thrust"]
FILTERS = [None, "part = 0", "part = 1", "part != 2", "part = 7"]
PIPELINES: list[Pipeline] = [
    preset("hybrid"),
    preset("hybrid-pooled"),
    preset("multivector"),
    preset("multivector:fde?candidates=3"),
    preset("multivector:centroids?candidates=3"),
    preset("multivector:fde?candidates=2+sparse?candidates=2"),
    preset("multivector-exact"),
    preset("bm25"),
    Pipeline.model_validate(
        {
            "retrieve": [{"signal": "sparse"}, {"signal": "multivector", "filter": "part != 1"}],
            "feedback": {"method": "rocchio", "k": 2},
            "rerank": [{"by": "maxsim", "depth": 6}],
            "diversify": {"method": "mmr", "depth": 8},
        }
    ),
]


@pytest.fixture(params=[(50,), (20, 15)], ids=["one segment", "three"])
def collection(request: pytest.FixtureRequest, cheap_encoders: Encoders) -> Iterator[Collection]:
    """Segments of so many documents, the rest pending; some have neither a word nor a token."""
    documents = [
        Document(
            f"d{i}",
            " ".join(WORDS[(i * j + j * j) % 10] for j in range(1, 1 + i % 9)),
            metadata={"part": i % 3},
        )
        for i in range(50)
    ]
    with tempfile.TemporaryDirectory() as folder:
        made = Collection.create(
            Path(folder, "c"),
            encoders=cheap_encoders,
            pooled="minilm-pooled",
            fields={"part": "integer"},
            merge_in_background=False,
        )
        for n in request.param:
            made.add(documents[:n])
            made.flush()
            documents = documents[n:]
        made.add(documents)
        yield made
        made.abandon()


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    asked=st.lists(
        st.tuples(
            st.lists(st.sampled_from(WORDS), min_size=1, max_size=45), st.sampled_from(FILTERS)
        ),
        max_size=24,
    ),
    pipeline=st.sampled_from(PIPELINES),
    k=st.sampled_from([1, 5, 60]),
)
def test_a_batch_is_its_searches(
    collection: Collection,
    asked: list[tuple[list[str], str | None]],
    pipeline: Pipeline,
    k: int,
) -> None:
    texts, filters = [" ".join(words) for words, _ in asked], [one for _, one in asked]
    batch = collection.search_batch(texts, k, pipeline=pipeline, filter=filters)
    for i, (text, conditions) in enumerate(zip(texts, filters, strict=True)):
        hits = collection.search(text, k, pipeline=pipeline, filter=conditions).hits
        assert batch.doc_ids[i] == [hit.doc_id for hit in hits]
        assert batch.scores[i].tolist() == [hit.score for hit in hits]
