import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lexmax.index import oracle_fde
from lexmax.index.carving import carved
from lexmax.index.oracle_multivector import maxsim
from lexmax.types import TokenBatch


def _unit(rng: np.random.Generator, n: int, dim: int) -> "np.typing.NDArray[np.float32]":
    vectors = rng.standard_normal((n, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(0, 20),
    dim=st.integers(1, 8),
    tau=st.floats(0.01, 1),
)
def test_clusters_are_the_oracles(seed: int, n: int, dim: int, tau: float) -> None:
    rng = np.random.default_rng(seed)
    query, document = _unit(rng, n, dim), _unit(rng, 5, dim)
    products = query.astype(np.float64) @ query.T.astype(np.float64)
    # Where rounding decides who is near, float32 and float64 may differ.
    assume(np.abs(products - tau).min(initial=1) > 1e-5)
    found = carved(TokenBatch.from_rows([query], dim), tau).vectors
    np.testing.assert_allclose(found, oracle_fde.carved(query, tau), atol=1e-5)
    assert maxsim(found, document) <= maxsim(query, document) + 1e-4
    np.testing.assert_allclose(found.sum(axis=0), query.sum(axis=0), atol=1e-4)
