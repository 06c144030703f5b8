import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lexmax.building import Silent
from lexmax.index.catalog import Catalog
from lexmax.index.layout import Layout
from lexmax.index.merge_policy import MergePolicy
from lexmax.index.segment import Segment, SegmentPlan, SegmentWriter
from lexmax.index.segment_rows import SegmentRow
from lexmax.index.snapshot import Snapshot
from lexmax.index.verification import verify
from lexmax.merging import merge_segments
from lexmax.types import Document, SparseBatch

N_DOCS = 24
ENCODERS = {"sparse": {"spec": "bm25", "fingerprint": "bm25"}}
policies = st.builds(
    lambda growth, full, share: MergePolicy(growth, full, (growth + 1) * full, share),
    st.integers(1, 4),
    st.integers(1, 30),
    st.sampled_from([0.0, 0.2, 0.8]),
)


def weights(seed: int, n: int) -> SparseBatch:
    rng = np.random.default_rng(seed)
    rows = [
        {int(t): float(rng.random() + 0.1) for t in rng.choice(15, rng.integers(0, 7), False)}
        for _ in range(n)
    ]
    return SparseBatch.from_rows(rows)


def publish(catalog: Catalog, layout: Layout, start: int, documents: SparseBatch) -> None:
    """A segment of the serials from start + 1 on."""
    stop = start + len(documents)
    catalog.upsert([Document(str(i), "") for i in range(start, stop)])
    name = f"{start + 1:012d}-{stop:012d}"
    plan = SegmentPlan(name, np.arange(start + 1, stop + 1), ENCODERS, None)
    writer = SegmentWriter(layout.segment(name), layout.staging(name), plan)
    writer.append(documents, None)
    catalog.publish(SegmentRow(name, start + 1, stop, len(documents), writer.finish()))


def found(
    catalog: Catalog, layout: Layout, queries: SparseBatch
) -> list[tuple[list[int], NDArray[np.float32]]]:
    rows = catalog.segments()
    segments = [Segment.open(layout.segment(row.segment_id)) for row in rows]
    snapshot = Snapshot.of(1, segments, catalog.deleted_serials())
    hits = snapshot.search_sparse(queries, N_DOCS)
    return [
        (snapshot.serials(hits.row(i)[0]).tolist(), hits.row(i)[1]) for i in range(len(queries))
    ]


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    cuts=st.lists(st.integers(1, N_DOCS - 1), max_size=6),
    deleted=st.sets(st.integers(0, N_DOCS - 1)),
    policy=policies,
)
def test_no_search_can_tell_that_segments_were_merged(
    seed: int, cuts: list[int], deleted: set[int], policy: MergePolicy
) -> None:
    documents, queries = weights(seed, N_DOCS), weights(seed + 1, 4)
    with tempfile.TemporaryDirectory() as folder:
        layout = Layout(Path(folder, "ix"))
        layout.make()
        catalog = Catalog.create(layout.catalog, {"encoders": {"sparse": "bm25"}})
        for start, stop in pairwise(sorted({0, *cuts, N_DOCS})):
            publish(catalog, layout, start, documents.slice(start, stop))
        catalog.delete(map(str, deleted))
        before = found(catalog, layout, queries)

        report = merge_segments(catalog, layout, Silent(), policy=policy)

        for old, new in zip(before, found(catalog, layout, queries), strict=True):
            assert old[0] == new[0]
            assert np.array_equal(old[1], new[1])
        assert verify(layout.folder).problems == ()
        assert catalog.n_living() == N_DOCS - len(deleted)
        assert report.before.n_docs - report.after.n_docs == report.n_dropped
        assert report.after.n_segments == len(list((layout.folder / "segments").iterdir()))
        if policy.dead_share == 0:
            assert report.n_dropped == len(deleted)
            assert len(catalog.all_serials()) == N_DOCS - len(deleted)
        catalog.close()
