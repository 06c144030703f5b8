from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from lexmax.encoders.training.order import Order, shuffled


@given(st.integers(1, 100), st.integers(0, 2**64 - 1))
def test_every_number_has_one_place(n: int, key: int) -> None:
    assert sorted(shuffled(i, n, key=key) for i in range(n)) == list(range(n))


def test_another_key_is_another_permutation() -> None:
    orders = {tuple(shuffled(i, 20, key=key) for i in range(20)) for key in range(50)}
    assert len(orders) == 50
    firsts = Counter(order[0] for order in orders)
    assert max(firsts.values()) < 12


def test_places_are_far_beyond_32_bits() -> None:
    n = 10**12 + 7
    found = {shuffled(i, n, key=5) for i in range(1000)}
    assert len(found) == 1000
    assert max(found) < n


sizes_and_weights = st.lists(
    st.tuples(st.integers(1, 30), st.sampled_from([0.5, 1.0, 2.0, 2.5])), min_size=1, max_size=4
)


@given(sizes_and_weights, st.integers(0, 2**32), st.integers(1, 4))
def test_examples_come_equally_often(
    sources: list[tuple[int, float]], seed: int, epochs: int
) -> None:
    order = Order([size for size, _ in sources], [weight for _, weight in sources], seed)
    drawn = Counter(order.at(draw) for draw in range(epochs * order.epoch_draws))
    for source, (size, weight) in enumerate(sources):
        counts = [drawn[source, number] for number in range(size)]
        assert max(counts) - min(counts) <= 1
        assert sum(counts) == epochs * max(round(size * weight), 1)


@given(sizes_and_weights, st.integers(2, 8))
def test_runs_are_of_one_source(sources: list[tuple[int, float]], run: int) -> None:
    order = Order([size for size, _ in sources], [1.0] * len(sources), 3, run)
    for start in range(0, 2 * order.epoch_draws, run):
        assert len({order.at(draw)[0] for draw in range(start, start + run)}) == 1


def test_an_empty_source_is_never_drawn() -> None:
    order = Order([0, 5, 0], [1.0, 1.0, 2.0], 1)
    assert {order.at(draw)[0] for draw in range(50)} == {1}


def test_epochs_have_orders_of_their_own() -> None:
    order = Order([50], [1.0], 9)
    first, second = ([order.at(50 * epoch + i) for i in range(50)] for epoch in (0, 1))
    assert sorted(first) == sorted(second)
    assert first != second
