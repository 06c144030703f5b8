"""The look-up of scores gives what a dictionary would, for few documents and for many."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lexmax.index.found_scores import found_scores
from lexmax.types import Hits


@given(st.integers(0, 2**32 - 1), st.integers(0, 40), st.integers(0, 40))
def test_scores_are_those_of_a_dictionary(seed: int, n: int, n_wanted: int) -> None:
    _check(np.random.default_rng(seed), n, n_wanted, 60)


def test_so_they_are_of_long_rankings() -> None:
    rng = np.random.default_rng(1)
    for n, n_wanted in ((300, 300), (5000, 14), (14, 5000), (0, 3000)):
        _check(rng, n, n_wanted, 6000)


def _check(rng: np.random.Generator, n: int, n_wanted: int, greatest: int) -> None:
    ordinals = rng.permutation(greatest)[:n].astype(np.int64)
    scores = rng.standard_normal(n).astype(np.float32)
    hits = Hits.from_rows([(ordinals[:0], scores[:0]), (ordinals, scores)], n + 2)
    known = dict(zip(ordinals.tolist(), scores.tolist(), strict=True))
    wanted = rng.integers(0, greatest, n_wanted)
    assert found_scores(hits, 1, wanted) == [known.get(one) for one in wanted.tolist()]
    assert found_scores(hits, 0, wanted) == [None] * n_wanted
