import pytest

from lexmax.errors import InputError
from lexmax.index.merge_policy import MergePolicy, SegmentSize

POLICY = MergePolicy(growth=3, full_docs=100, most_docs=400, dead_share=0.2)


def next_run(*living: int, policy: MergePolicy = POLICY) -> range | None:
    return policy.next_run([SegmentSize(n, n) for n in living])


@pytest.mark.parametrize(
    ("living", "expected"),
    [
        ((), None),
        ((5,), None),
        ((5, 5), None),
        ((5, 5, 5), range(0, 3)),
        ((5, 5, 4), None),
        ((5, 5, 4, 1), range(0, 4)),
        # The small ones between two large ones wait until they are worth moving these.
        ((50, 1, 1, 50), None),
        ((50, 25, 25, 50), range(0, 4)),
        # The largest run takes the smaller ones inside it along.
        ((9, 9, 3, 3, 3), range(0, 5)),
        ((9, 8, 3, 3, 3), range(2, 5)),
        # Of equal runs the first.
        ((3, 3, 3, 50, 3, 3, 3), range(0, 3)),
        # Full ones stay, and nothing merges across them.
        ((100, 100, 100), None),
        ((5, 5, 100, 5), None),
        # Cut where the segment would be too large.
        ((99, 99, 99, 99, 99, 99), range(0, 4)),
    ],
)
def test_runs_by_hand(living: tuple[int, ...], expected: range | None) -> None:
    assert next_run(*living) == expected


def test_segments_of_another_kind_stay_apart() -> None:
    sizes = [SegmentSize(5, 5, kind) for kind in "aabaab"]
    assert POLICY.next_run(sizes) is None
    sizes = [SegmentSize(5, 5, kind) for kind in "baaab"]
    assert POLICY.next_run(sizes) == range(1, 4)


def test_a_segment_with_many_deleted_documents_is_rewritten() -> None:
    assert POLICY.next_run([SegmentSize(1000, 800)]) is None
    assert POLICY.next_run([SegmentSize(500, 500), SegmentSize(1000, 799)]) == range(1, 2)
    assert POLICY.next_run([SegmentSize(5, 0)]) == range(0, 1)
    # Small ones are merged rather than rewritten; what counts is what lives.
    assert POLICY.next_run([SegmentSize(9, 3), SegmentSize(3, 3), SegmentSize(3, 3)]) == range(3)


def test_compacting_leaves_no_neighbours_and_no_deleted_document() -> None:
    compact = MergePolicy(growth=1, full_docs=100, most_docs=400, dead_share=0.0)
    assert next_run(50, 1, policy=compact) == range(0, 2)
    assert next_run(1, 100, 1, policy=compact) is None
    assert compact.next_run([SegmentSize(1000, 999)]) == range(0, 1)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"growth": 0}, "found growth 0"),
        ({"dead_share": 1.0}, "dead_share 1.0"),
        ({"most_docs": 399}, "most_docs is 399; expected at least 400"),
    ],
)
def test_policies_that_might_never_end_are_refused(changed: dict[str, float], message: str) -> None:
    numbers = {"growth": 3, "full_docs": 100, "most_docs": 400, "dead_share": 0.2}
    with pytest.raises(InputError, match=message):
        MergePolicy(**(numbers | changed))  # type: ignore[arg-type]
