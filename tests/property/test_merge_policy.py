from math import log

from hypothesis import given, settings
from hypothesis import strategies as st

from lexmax.index.merge_policy import MergePolicy, SegmentSize

policies = st.builds(
    lambda growth, full, more, share: MergePolicy(growth, full, (growth + 1) * full + more, share),
    st.integers(1, 5),
    st.integers(1, 60),
    st.integers(0, 100),
    st.floats(0, 0.9),
)
segments = st.lists(
    st.builds(
        lambda living, dead, kind: SegmentSize(living + dead, living, kind),
        st.integers(0, 80),
        st.integers(0, 80),
        st.sampled_from("ab"),
    ).filter(lambda size: size.n_docs > 0),
    max_size=24,
)


def merged(sizes: list[SegmentSize], run: range) -> list[SegmentSize]:
    living = sum(sizes[place].n_living for place in run)
    new = [SegmentSize(living, living, sizes[run.start].kind)] if living else []
    return [*sizes[: run.start], *new, *sizes[run.stop :]]


@settings(max_examples=300, deadline=None)
@given(policies, segments)
def test_merging_ends_and_every_run_is_sound(policy: MergePolicy, sizes: list[SegmentSize]) -> None:
    dead = sum(size.n_docs - size.n_living for size in sizes)
    for _ in range(len(sizes) + dead + 1):
        if (run := policy.next_run(sizes)) is None:
            break
        assert run.step == 1
        assert 0 <= run.start < run.stop <= len(sizes)
        chosen = [sizes[place] for place in run]
        assert len({size.kind for size in chosen}) == 1
        total = sum(size.n_living for size in chosen)
        if len(chosen) > 1:
            assert all(size.n_living < policy.full_docs for size in chosen)
            assert total <= policy.most_docs
            assert total >= policy.growth * max(size.n_living for size in chosen)
        else:
            assert chosen[0].n_docs - total > policy.dead_share * chosen[0].n_docs
        sizes = merged(sizes, run)
    else:
        raise AssertionError("merging does not end")
    assert all(size.n_docs - size.n_living <= policy.dead_share * size.n_docs for size in sizes)


@settings(max_examples=100, deadline=None)
@given(
    growth=st.integers(2, 4),
    writes=st.lists(
        st.tuples(st.integers(1, 50), st.integers(0, 40), st.integers(0, 99)), max_size=60
    ),
)
def test_documents_are_moved_as_seldom_as_promised(
    growth: int, writes: list[tuple[int, int, int]]
) -> None:
    """Each write appends a segment, and deletes documents of one that its last number chooses."""
    full = 500
    policy = MergePolicy(growth, full, (growth + 1) * full, 0.2)
    sizes: list[SegmentSize] = []
    moved = n_added = n_deleted = 0
    for added, deleted, choice in writes:
        n_added += added
        sizes.append(SegmentSize(added, added))
        chosen = choice % len(sizes)
        old = sizes[chosen]
        gone = min(deleted, old.n_living)
        n_deleted += gone
        sizes[chosen] = SegmentSize(old.n_docs, old.n_living - gone)
        while (run := policy.next_run(sizes)) is not None:
            moved += sum(sizes[place].n_living for place in run)
            sizes = merged(sizes, run)
    # A move multiplies the size of a document's segment; a deletion undoes little of that, and
    # pays for the four documents beside it at most.
    assert moved <= n_added * log(max(n_added, 2), growth) + n_deleted * (1 / log(growth) + 4)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 400))
def test_equal_segments_become_few(n: int) -> None:
    policy = MergePolicy(3, 1 << 18, 1 << 20, 0.2)
    sizes: list[SegmentSize] = []
    for _ in range(n):
        sizes.append(SegmentSize(64, 64))
        while (run := policy.next_run(sizes)) is not None:
            sizes = merged(sizes, run)
    assert len(sizes) <= 2 * (log(n, 3) + 1)
