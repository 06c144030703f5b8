"""Pruned rows against a definition that sorts."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lexmax.encoders.term_pruning import TermPruning

ROWS = hnp.arrays(
    np.float32,
    st.integers(0, 30),
    elements=st.one_of(
        st.sampled_from([-1.0, 0.0, 0.5, 1.0]), st.floats(-2, 2, width=32, allow_subnormal=False)
    ),
)


@given(ROWS, st.one_of(st.none(), st.integers(1, 12)), st.floats(0, 1))
def test_the_heaviest_are_kept(weights: np.ndarray, top_k: int | None, ratio: float) -> None:
    above = [(-float(w), i) for i, w in enumerate(weights) if w > 0]
    floor = np.float32(ratio) * weights.max(initial=0)
    heavy = sorted((w, i) for w, i in above if np.float32(-w) >= floor)[:top_k]
    term_ids, kept = TermPruning(top_k, float(np.float32(ratio))).row(weights)
    assert term_ids.tolist() == sorted(i for _, i in heavy)
    assert kept.tolist() == [float(weights[i]) for i in term_ids]
