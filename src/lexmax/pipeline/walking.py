"""What lies beside the hits in the graph of nearest neighbours? `lexmax.diversity.graph`."""

import numpy as np

from lexmax.diversity.graph import blended, hops, personalised_pagerank
from lexmax.fusion import Row, behind
from lexmax.index.snapshot import Snapshot
from lexmax.pipeline.fusing import cut
from lexmax.stages import Graph, Hops
from lexmax.types import Hits


def walked(stage: Graph, snapshot: Snapshot, hits: Hits, depth: int) -> Hits:
    """The first hits of each query and what lies beside them, `depth` of all at most.

    Scores of as many first hits as are fused are scaled and added to the graph's, however many
    there are; those beyond go behind.
    """
    rows: list[Row] = []
    for i in range(len(hits)):
        row = hits.row(i)
        beside = _beside(stage, snapshot, cut(row, stage.depth))
        found = blended(cut(row, stage.scaled), beside, weight=stage.weight)
        later = row[0][stage.scaled :]
        rows.append(behind(found, later[~np.isin(later, found[0])]))
    return Hits.from_rows(rows, min(depth, max((len(row[0]) for row in rows), default=0)))


def _beside(stage: Graph, snapshot: Snapshot, found: Row) -> Row:
    if isinstance(stage, Hops):
        return hops(found, snapshot.edges, hops=stage.hops)
    return personalised_pagerank(found, snapshot.edges, restart=stage.restart, steps=stage.steps)
