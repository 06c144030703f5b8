import pytest

from lexmax.errors import QueryError
from lexmax.index.candidate_numbers import CandidateNumbers
from lexmax.index.multivector_engines import (
    AUTO_MAXSIM,
    EXACT_MAXSIM,
    CentroidSource,
    FdeSource,
    PlaidSource,
    SparseSource,
    WarpSource,
    parse_multivector_engine,
)


def test_names_and_parameters() -> None:
    assert parse_multivector_engine("exact") is EXACT_MAXSIM
    assert parse_multivector_engine("auto") is AUTO_MAXSIM
    one = parse_multivector_engine("centroids?candidates=200&probes=0")
    assert one.sources == (CentroidSource(candidates=200, probes=0),)
    several = parse_multivector_engine("fde+warp?bound=9&probes=4+plaid?threshold=0.3+sparse")
    assert several.sources == (
        FdeSource(),
        WarpSource(probes=4, bound=9),
        PlaidSource(threshold=0.3),
        SparseSource(),
    )
    assert several.needs_terms
    assert not one.needs_terms


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found no multi-vector engine ''; expected exact, auto, or fde, centroids"),
        ("query-mass", "found no multi-vector engine"),
        ("exact+fde", "found no multi-vector engine 'exact'"),
        ("fde?", None),
        ("fde?n=5", "found 'n=5'; expected candidates"),
        ("fde?candidates=5&candidates=6", "each once"),
        ("fde?candidates=0", "candidates is '0'; expected a whole number from 1"),
        ("fde?candidates=many", "candidates is 'many'"),
        ("centroids?probes=1.5", "probes is '1.5'; expected a whole number from 0 to 65536"),
        ("plaid?threshold=2", "threshold is '2'; expected a number from -1 to 1"),
        ("plaid?threshold=nan", "threshold is 'nan'"),
    ],
)
def test_nonsense_is_refused(text: str, message: str | None) -> None:
    if message is None:
        assert parse_multivector_engine(text).sources == (FdeSource(),)
        return
    with pytest.raises(QueryError, match=message.replace("?", r"\?")):
        parse_multivector_engine(text)


def test_candidates_grow_with_a_power_of_k_through_the_points() -> None:
    numbers = CandidateNumbers(((10, 100), (100, 500)))
    assert [numbers.for_k(k) for k in (10, 100)] == [100, 500]
    assert 100 < numbers.for_k(30) < 500
    assert numbers.for_k(1000) == 2500
    assert numbers.for_k(1) == 20
    steps = [numbers.for_k(k) for k in range(1, 3000)]
    assert steps == sorted(steps)
    assert all(found >= k for k, found in enumerate(steps, 1))


def test_candidates_never_grow_faster_than_k_nor_shrink() -> None:
    steep = CandidateNumbers(((10, 10), (20, 2000)))
    assert steep.for_k(40) == 40
    falling = CandidateNumbers(((10, 300), (20, 100)))
    assert falling.for_k(1000) == 1000
    assert falling.for_k(15) == 300


@pytest.mark.parametrize("points", [(), ((10, 5),), ((10, 5), (10, 6)), ((10, 0), (20, 5))])
def test_points_that_say_nothing(points: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(ValueError, match="points are"):
        CandidateNumbers(points)
