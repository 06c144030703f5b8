"""Percent-encoded ids come back as they were, and fronts are what no other point beats."""

from hypothesis import given
from hypothesis import strategies as st

from lexmax.eval.experiments.fronts import front
from lexmax.eval.runs.ids import decoded_id, encoded_id

TEXTS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1)
NUMBERS = st.floats(0, 10).map(lambda value: round(value, 1))


@given(TEXTS)
def test_an_id_is_read_back_and_has_no_white_space(name: str) -> None:
    encoded = encoded_id(name)
    assert decoded_id(encoded) == name
    assert encoded.split() == [encoded]


@given(TEXTS, TEXTS)
def test_ids_that_differ_stay_apart(one: str, other: str) -> None:
    assert (one == other) == (encoded_id(one) == encoded_id(other))


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.tuples(NUMBERS, NUMBERS)))
def test_a_front_is_what_no_other_point_beats(points: dict[str, tuple[float, float]]) -> None:
    found = front(points)

    def beaten(name: str) -> bool:
        cost, quality = points[name]
        return any(
            c <= cost and q >= quality and (c, q) != (cost, quality) for c, q in points.values()
        )

    assert {points[name] for name in found} == {points[n] for n in points if not beaten(n)}
    assert [points[name][0] for name in found] == sorted(points[name][0] for name in found)
    negated = {name: (cost, -quality) for name, (cost, quality) in points.items()}
    assert front(negated, lower_is_better=True) == found
