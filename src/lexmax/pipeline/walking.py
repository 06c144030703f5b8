"""What lies beside the hits in the graph of nearest neighbours? `lexmax.diversity.graph`."""

from lexmax.diversity.graph import blended, hops, personalised_pagerank
from lexmax.fusion import Row
from lexmax.index.snapshot import Snapshot
from lexmax.stages import Graph, Hops
from lexmax.types import Hits


def walked(stage: Graph, snapshot: Snapshot, hits: Hits, depth: int) -> Hits:
    """The first hits of each query and what lies beside them, `depth` of all at most."""
    rows: list[Row] = []
    for i in range(len(hits)):
        ordinals, scores = hits.row(i)
        found = ordinals[: stage.depth], scores[: stage.depth]
        beside = _beside(stage, snapshot, found)
        rows.append(blended((ordinals, scores), beside, weight=stage.weight))
    return Hits.from_rows(rows, min(depth, max((len(row[0]) for row in rows), default=0)))


def _beside(stage: Graph, snapshot: Snapshot, found: Row) -> Row:
    if isinstance(stage, Hops):
        return hops(found, snapshot.edges, hops=stage.hops)
    return personalised_pagerank(found, snapshot.edges, restart=stage.restart, steps=stage.steps)
