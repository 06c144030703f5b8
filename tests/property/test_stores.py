import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lexmax.index.stores.kinds import coder, complete, open_store, train
from lexmax.index.stores.spec import fitted, parse_store
from lexmax.index.stores.store import Store


def _store(text: str, n: int, dim: int, seed: int) -> Store:
    rng = np.random.default_rng(seed)
    # Few different values, so that many products are equal.
    vectors = rng.integers(-2, 3, (n, dim)).astype(np.float32)
    spec = fitted(parse_store(text), n, dim)
    trained = train(spec, vectors, seed=0)
    return open_store(spec, complete(spec, trained | coder(spec, trained)(vectors)))


@pytest.mark.parametrize("text", ["flat", "sq8", "bits"])
@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(1, 400),
    dim=st.integers(1, 80),
    seed=st.integers(0, 1000),
    share=st.floats(0, 1),
    wanted=st.integers(1, 500),
)
def test_what_lives_is_found_as_if_the_rest_were_found_and_dropped(
    text: str, n: int, dim: int, seed: int, share: float, wanted: int
) -> None:
    store = _store(text, n, dim, seed)
    rng = np.random.default_rng(seed)
    query, alive = rng.standard_normal(dim).astype(np.float32), rng.random(n) < share
    everything, estimates = store.nearest(query, n)
    assert len(everything) == n
    lives = alive[everything]
    found = store.nearest(query, wanted, alive)
    np.testing.assert_array_equal(found[0], everything[lives][:wanted])
    np.testing.assert_array_equal(found[1], estimates[lives][:wanted])


@pytest.mark.parametrize(
    "text", ["pq4", "pq8?refine=2", "opq4", "ivf-pq4?nprobe=1", "hnsw?m=2&ef=1", "bits?refine=2"]
)
@settings(max_examples=10, deadline=None)
@given(
    n=st.integers(1, 300),
    dim=st.integers(4, 24),
    seed=st.integers(0, 1000),
    share=st.floats(0, 1),
    wanted=st.integers(1, 400),
)
def test_never_fewer_than_are_wanted_and_live(
    text: str, n: int, dim: int, seed: int, share: float, wanted: int
) -> None:
    store = _store(text, n, dim - dim % 4, seed)
    rng = np.random.default_rng(seed)
    query = rng.standard_normal(dim - dim % 4).astype(np.float32)
    alive = rng.random(n) < share
    ordinals, _ = store.nearest(query, wanted, alive)
    assert len(np.unique(ordinals)) == len(ordinals) == min(wanted, int(alive.sum()))
    assert alive[ordinals].all()
