"""Who asks for more gets more, and before it what he got: no stage after retrieval depends on k."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from lexmax.collection import Collection
from lexmax.encoders import Encoders
from lexmax.passages import PassagePlan
from lexmax.stages import PRESETS, Pipeline
from lexmax.types import Document, Json

WORDS = ["sail", "wind", "wing", "flow", "bone", "milk", "calcium", "dense", "shock", "thrust"]
RETRIEVED: list[Json] = [
    {"signal": "sparse"},
    {"signal": "sparse", "engine": "query-mass?share=0.5"},
    {"signal": "multivector"},
    {"signal": "multivector", "engine": "fde?candidates=2"},
    {"signal": "multivector", "engine": "exact"},
    {"signal": "pooled"},
]
RERANKED: list[Json] = [{"by": "maxsim"}, {"by": "sparse"}, {"by": "pooled"}]
# Not `coverage` with weight on distances: these are a mean over the k that are asked for.
DIVERSIFIED: list[Json] = [None, {"method": "mmr", "trade_off": 0.4}, {"method": "coverage"}]
DOCUMENTS: list[Json] = [{"by": "best"}, {"by": "top", "n": 2}, {"by": "top", "n": 4}]
TWO_KS = st.lists(st.integers(1, 60), min_size=2, max_size=2).map(sorted)


@pytest.fixture(params=[None, PassagePlan(6, 3)], ids=["whole", "split"])
def collection(request: pytest.FixtureRequest, cheap_encoders: Encoders) -> Iterator[Collection]:
    """Two segments and pending documents; each sentence is a passage where they are split."""
    texts = [
        ". ".join(WORDS[(i * j + j * j) % 10] for j in range(1, 3 + i % 7)) + "." for i in range(60)
    ]
    documents = [Document(f"d{i}", text) for i, text in enumerate(texts)]
    with tempfile.TemporaryDirectory() as folder:
        made = Collection.create(
            Path(folder, "c"),
            encoders=cheap_encoders,
            pooled="minilm-pooled",
            passages=request.param,
            merge_in_background=False,
        )
        for some in (documents[:30], documents[30:50]):
            made.add(some)
            made.flush()
        made.add(documents[50:])
        yield made
        made.abandon()


def ranked(collection: Collection, pipeline: Pipeline, k: int) -> list[tuple[str, float]]:
    hits = collection.search("bone milk wing shock", k, pipeline=pipeline).hits
    return [(hit.doc_id, hit.score) for hit in hits]


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    retrieved=st.lists(st.sampled_from(RETRIEVED), min_size=1, max_size=3),
    reranked=st.lists(st.sampled_from(RERANKED), max_size=2),
    depths=st.lists(st.integers(1, 15), min_size=3, max_size=3),
    documents=st.sampled_from(DOCUMENTS),
    diversified=st.sampled_from(DIVERSIFIED),
    ks=TWO_KS,
)
def test_a_search_for_more_begins_with_the_search_for_few(
    collection: Collection,
    retrieved: list[dict[str, Json]],
    reranked: list[dict[str, Json]],
    depths: list[int],
    documents: Json,
    diversified: dict[str, Json] | None,
    ks: list[int],
) -> None:
    pipeline = Pipeline.model_validate(
        {
            "retrieve": retrieved,
            "rerank": [
                {**stage, "depth": depth} for stage, depth in zip(reranked, depths, strict=False)
            ],
            "documents": documents,
            "diversify": diversified and {**diversified, "depth": depths[2]},
        }
    )
    looks_on = len(retrieved) > 1 or reranked or diversified
    assume(looks_on or pipeline.retrieve[0].is_exact)
    few, many = (ranked(collection, pipeline, k) for k in ks)
    assert many[: len(few)] == few
    assert len({doc_id for doc_id, _ in many}) == len(many)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(engine=st.sampled_from(["auto", "fde?candidates=2"]), depth=st.integers(1, 30), ks=TWO_KS)
def test_one_ranking_that_is_not_exact_is_as_deep_as_it_says(
    collection: Collection, engine: str, depth: int, ks: list[int]
) -> None:
    stage = {"signal": "multivector", "engine": engine, "depth": depth}
    pipeline = Pipeline.model_validate({"retrieve": [stage]})
    few, many = (ranked(collection, pipeline, k) for k in ks)
    assert many[: min(len(few), depth)] == few[:depth]


@pytest.mark.parametrize("name", [name for name in PRESETS if name != "lucene"])
def test_presets(collection: Collection, name: str) -> None:
    many = ranked(collection, PRESETS[name], 60)
    for k in (1, 10, 25):
        assert ranked(collection, PRESETS[name], k) == many[:k]
