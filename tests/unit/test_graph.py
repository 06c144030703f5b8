import numpy as np
import pytest
from numpy.typing import NDArray

from lexmax.diversity.graph import around, blended, hops, personalised_pagerank
from lexmax.errors import ShapeError
from lexmax.fusion import Row
from lexmax.index.neighbours import Edges

# 10 -> 20, 30; 20 -> 40; 40 -> 10; 50 lies apart, 30 leads nowhere.
GRAPH = {10: {20: 0.5, 30: 0.25}, 20: {40: 0.5}, 40: {10: 1.0}}


def edges_of(documents: NDArray[np.int64]) -> Edges:
    rows = [GRAPH.get(document, {}) for document in documents.tolist()]
    return Edges(
        np.cumsum([0, *map(len, rows)]),
        np.array([target for row in rows for target in row], dtype=np.int64),
        np.array([weight for row in rows for weight in row.values()], dtype=np.float32),
    )


def ranking(**scores: float) -> Row:
    ordinals = np.array([int(name[1:]) for name in scores], dtype=np.int64)
    return ordinals, np.array(list(scores.values()), dtype=np.float32)


def pairs(row: Row) -> list[tuple[int, float]]:
    return list(zip(row[0].tolist(), row[1].tolist(), strict=True))


NOTHING = ranking()


def test_surroundings_are_what_hops_reach_and_the_edges_between() -> None:
    found = around(np.array([10, 50]), edges_of)
    assert found.ordinals.tolist() == [10, 20, 30, 50]
    ends = zip(found.sources.tolist(), found.targets.tolist(), strict=True)
    assert list(ends) == [(0, 1), (0, 2)]
    assert around(np.array([50, 10]), edges_of, hops=0).ordinals.tolist() == [10, 50]
    wider = around(np.array([10]), edges_of, hops=2)
    assert wider.ordinals.tolist() == [10, 20, 30, 40]
    assert wider.similarities.tolist() == [0.5, 0.25, 0.5, 1]


def test_a_hop_hands_on_scores_times_similarities() -> None:
    found = ranking(d10=3.0, d50=1.0)
    # Scaled to 1 and 1/2; 20 gets 1 * .5, 30 gets 1 * .25.
    assert pairs(hops(found, edges_of)) == [(10, 1), (20, 0.5), (50, 0.5), (30, 0.25)]
    two = pairs(hops(found, edges_of, hops=2))
    assert two == [(10, 1), (20, 0.5), (50, 0.5), (30, 0.25), (40, 0.25)]


def test_what_was_found_gains_from_what_leads_to_it() -> None:
    found = ranking(d40=3.0, d10=1.0)
    assert pairs(hops(found, edges_of))[:3] == [(10, 1), (40, 1), (20, 0.25)]


def test_one_step_of_pagerank() -> None:
    found = ranking(d10=2.0)
    ranked = personalised_pagerank(found, edges_of, restart=0.25, steps=1, hops=1)
    # Two thirds of what goes on go to 20, one third to 30.
    assert pairs(ranked) == [(20, 0.5), (10, 0.25), (30, 0.25)]


def test_where_no_edge_leads_on_the_walk_begins_anew() -> None:
    ranked = personalised_pagerank(ranking(d50=1.0), edges_of)
    assert pairs(ranked) == [(50, 1)]
    ranked = personalised_pagerank(ranking(d10=1.0), edges_of, restart=0.25, steps=2, hops=1)
    # What was at 20 and 30 is at 10 again, beside the restart.
    assert dict(pairs(ranked)) == pytest.approx({10: 0.8125, 20: 0.125, 30: 0.0625})


def test_pagerank_with_restarts_only_is_the_ranking() -> None:
    found = ranking(d50=4.0, d10=2.0, d20=1.0)
    ranked = personalised_pagerank(found, edges_of, restart=1)
    assert ranked[0][:3].tolist() == [50, 10, 20]
    assert ranked[1][:3].tolist() == pytest.approx([9 / 17, 5 / 17, 3 / 17])


@pytest.mark.parametrize("beside", [hops, personalised_pagerank])
def test_nothing_found_has_nothing_beside_it(beside: type) -> None:
    assert pairs(beside(NOTHING, edges_of)) == []
    assert pairs(blended(NOTHING, beside(NOTHING, edges_of))) == []


@pytest.mark.parametrize("beside", [hops, personalised_pagerank])
def test_documents_without_edges_keep_their_place(beside: type) -> None:
    found = ranking(d7=0.9, d5=0.5, d6=0.1)
    assert beside(found, no_edges)[0].tolist() == [7, 5, 6]


def no_edges(documents: NDArray[np.int64]) -> Edges:
    return Edges.none(len(documents))


def test_rankings_are_blended_at_one_scale() -> None:
    found, graph = ranking(d1=30.0, d2=10.0), ranking(d2=0.75, d3=0.5, d1=0.25)
    assert pairs(blended(found, graph, weight=0.25)) == [(1, 0.75), (2, 0.25), (3, 0.125)]
    assert blended(found, graph, weight=0)[0].tolist() == [1, 2, 3]


def test_what_cannot_be_walked_is_refused() -> None:
    with pytest.raises(ShapeError, match="hops is -1"):
        around(np.array([1]), edges_of, hops=-1)
    with pytest.raises(ShapeError, match="restart is 2"):
        personalised_pagerank(NOTHING, edges_of, restart=2)
