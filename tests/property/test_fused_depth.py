"""Who asks for more gets more, and before it what he got: nothing fused depends on k."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lexmax.collection import Collection
from lexmax.encoders import Encoders
from lexmax.fusion import behind, by_best_rank
from lexmax.passages import PassagePlan
from lexmax.pipeline.fusing import fuse, prolonged
from lexmax.stages import Borda, CombMnz, CombSum, Fuse, Pipeline, ReciprocalRank, WeightedSum
from lexmax.types import Document, Hits, Json, best_first

WORDS = ["sail", "wind", "wing", "flow", "bone", "milk", "calcium", "dense", "shock", "thrust"]
RULES: list[Fuse] = [
    ReciprocalRank(),
    ReciprocalRank(weights=(0.1, 2, 0.3)),
    WeightedSum(weights=(0.3, 0.3, 0.4)),
    WeightedSum(scale="z-score", missing="zero"),
    WeightedSum(scale="none"),
    CombSum(),
    CombMnz(scale="none"),
    Borda(weights=(3, 1, 0.1)),
]
FUSES: list[Json] = [rule.model_dump(mode="json", exclude={"weights"}) for rule in RULES]
FEEDBACK: list[Json] = [
    None,
    {"method": "rocchio", "k": 4, "placement": "both"},
    {"method": "average", "k": 2, "placement": "after"},
    {"method": "rm3", "k": 5, "placement": "before"},
]


@st.composite
def whole_rankings(draw: st.DrawFn) -> list[Hits]:
    """Three rankings of what each signal would find if it were asked for all."""
    found: list[Hits] = []
    for _ in range(3):
        ordinals = draw(st.lists(st.integers(0, 30), unique=True, max_size=30))
        scores = draw(
            st.lists(st.integers(-20, 20), min_size=len(ordinals), max_size=len(ordinals))
        )
        row = best_first(np.array(ordinals, np.int64), np.array(scores, np.float32), len(ordinals))
        found.append(Hits.from_rows([row], len(ordinals)))
    return found


def first(hits: Hits, n: int) -> Hits:
    return Hits(hits.ordinals[:, :n], hits.scores[:, :n])


@given(
    whole_rankings(),
    st.sampled_from(RULES),
    st.lists(st.integers(1, 12), min_size=3, max_size=3),
    st.lists(st.integers(1, 35), min_size=2, max_size=2).map(sorted),
)
def test_the_first_k_are_the_same_however_many_are_asked_for(
    rankings: list[Hits], rule: Fuse, depths: list[int], ks: list[int]
) -> None:
    def fused(k: int) -> tuple[list[int], list[float]]:
        given = {i: first(hits, max(depths[i], k)) for i, hits in enumerate(rankings)}
        ordinals, scores = fuse(rule, given, dict(enumerate(depths))).row(0)
        assert np.all(np.diff(scores) <= 0)
        return ordinals.tolist()[:k], scores.tolist()[:k]

    (few, their_scores), (many, all_scores) = map(fused, ks)
    assert many[: len(few)] == few
    assert all_scores[: len(few)] == their_scores
    everything = {int(one) for hits in rankings for one in hits.row(0)[0]}
    assert len(few) == min(ks[0], len(everything))
    assert len(set(many)) == len(many)


@given(whole_rankings(), st.lists(st.integers(0, 12), min_size=3, max_size=3))
def test_what_is_behind_goes_by_the_best_rank(rankings: list[Hits], depths: list[int]) -> None:
    rows = [hits.row(0)[0].tolist() for hits in rankings]
    fused = {one for row, n in zip(rows, depths, strict=True) for one in row[:n]}
    best: dict[int, int] = {}
    for row in rows:
        for rank, one in enumerate(row):
            if one not in fused:
                best[one] = min(rank, best.get(one, rank))
    found = by_best_rank([np.array(row, np.int64) for row in rows], depths)
    assert found.tolist() == sorted(best, key=lambda one: (best[one], one))


@given(st.floats(-1e6, 1e6, width=32), st.integers(0, 3000))
def test_scores_behind_fall_from_the_last(last: float, n: int) -> None:
    ranking = np.array([5, 9]), np.array([last + abs(last), last], np.float32)
    ordinals, scores = behind(ranking, np.arange(10, 10 + n))
    assert ordinals.tolist() == [5, 9, *range(10, 10 + n)]
    assert scores[:2].tolist() == ranking[1].tolist()
    assert np.all(np.diff(scores[1:]) < 0)
    assert np.all(np.isfinite(scores))


def test_what_a_deeper_search_finds_first_goes_behind_all_the_same() -> None:
    few = Hits(np.array([[4, 2], [7, 1]]), np.array([[9, 5], [3, 2]], np.float32))
    more = Hits(np.array([[8, 4, 6]]), np.array([[10, 9, 1]], np.float32))
    found = prolonged(few, more, [0])
    assert found.row(0)[0].tolist() == [4, 2, 8, 6]
    assert found.row(0)[1].tolist() == [9, 5, 10, 1]
    assert found.row(1)[0].tolist() == [7, 1]
    falling = prolonged(few, more, [0], are_comparable=False).row(0)[1]
    assert np.all(np.diff(falling) < 0)
    assert falling[1] == 5


@pytest.fixture(params=[None, PassagePlan(6, 3)], ids=["whole", "split"])
def collection(request: pytest.FixtureRequest, cheap_encoders: Encoders) -> Iterator[Collection]:
    """Two segments with a graph, and pending documents."""
    texts = [
        ". ".join(WORDS[(i * j + j * j) % 10] for j in range(1, 3 + i % 7)) + "." for i in range(60)
    ]
    documents = [Document(f"d{i}", text) for i, text in enumerate(texts)]
    with tempfile.TemporaryDirectory() as folder:
        made = Collection.create(
            Path(folder, "c"),
            encoders=cheap_encoders,
            pooled="minilm-pooled",
            neighbours=3,
            passages=request.param,
            merge_in_background=False,
        )
        for some in (documents[:30], documents[30:50]):
            made.add(some)
            made.flush()
        made.add(documents[50:])
        yield made
        made.abandon()


def found(collection: Collection, pipeline: Pipeline, k: int) -> list[tuple[str, float]]:
    hits = collection.search("bone milk wing shock", k, pipeline=pipeline).hits
    return [(hit.doc_id, hit.score) for hit in hits]


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    depths=st.lists(st.integers(1, 20), min_size=3, max_size=3),
    fuse=st.sampled_from(FUSES),
    feedback=st.sampled_from(FEEDBACK),
    walks=st.booleans(),
    ks=st.lists(st.integers(1, 60), min_size=2, max_size=2).map(sorted),
)
def test_a_search_for_more_begins_with_the_search_for_few(
    collection: Collection,
    depths: list[int],
    fuse: Json,
    feedback: Json,
    walks: bool,
    ks: list[int],
) -> None:
    signals = ("sparse", "multivector", "pooled")
    pipeline = Pipeline.model_validate(
        {
            "retrieve": [
                {"signal": signal, "depth": depth}
                for signal, depth in zip(signals, depths, strict=True)
            ],
            "fuse": fuse,
            "feedback": feedback,
            "graph": {"method": "hops", "depth": 5} if walks else None,
        }
    )
    few, many = (found(collection, pipeline, k) for k in ks)
    assert many[: len(few)] == few
    assert len(few) == ks[0]


@pytest.mark.parametrize("signals", [["sparse"], ["sparse", "multivector"]])
@pytest.mark.parametrize("aggregate", ["borda", "comb-sum", "mean", "max"])
def test_so_do_searches_with_texts_that_were_found(
    collection: Collection, signals: list[str], aggregate: str
) -> None:
    pipeline = Pipeline.model_validate(
        {
            "retrieve": [{"signal": signal, "depth": 12} for signal in signals],
            "feedback": {"method": "text", "aggregate": aggregate, "k": 3},
        }
    )
    many = found(collection, pipeline, 60)
    assert [score for _, score in many] == sorted((score for _, score in many), reverse=True)
    for k in (1, 5, 12):
        assert many[:k] == found(collection, pipeline, k)
