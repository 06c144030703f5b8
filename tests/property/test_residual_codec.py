import tempfile
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lexmax.index import _native, oracle_residual
from lexmax.index.residual_codec import ResidualCodec
from lexmax.index.tokens import TokenStore
from lexmax.types import TokenBatch

PATHS = _native.available_paths()
_DIMS = st.one_of(st.integers(1, 140), st.sampled_from([255, 256, 257, 384, 768]))
_SEEDS = st.integers(0, 2**32 - 1)
_CODECS: st.SearchStrategy[Literal["residual4", "residual2"]] = st.sampled_from(
    ["residual4", "residual2"]
)


def _bits(scores: NDArray[np.float32]) -> NDArray[np.uint32]:
    # Adding 0.0 makes both zeros one.
    return (np.asarray(scores, np.float32) + np.float32(0)).view(np.uint32)


def _store(
    rng: np.random.Generator, dim: int, codec: Literal["residual4", "residual2"]
) -> tuple[TokenBatch, TokenStore]:
    rows = [rng.standard_normal((int(rng.integers(0, 28)), dim)) for _ in range(4)]
    batch = TokenBatch.from_rows([row.astype(np.float32) for row in rows], dim)
    centroids = rng.standard_normal((int(rng.integers(1, 40)), dim)).astype(np.float32)
    assigned = rng.integers(0, len(centroids), len(batch.vectors)).astype(np.uint16)
    plain = TokenStore.from_batch(batch, codec="fp16")
    with tempfile.TemporaryDirectory() as folder:
        mapped = TokenStore.recoded(
            Path(folder), plain, codec=codec, centroids=centroids, assigned=assigned
        )
        return batch, mapped.rows(np.arange(4))


def _expected(store: TokenStore, query: NDArray[np.float32], ordinal: int) -> np.float32:
    one = store.rows(np.array([ordinal]))
    assert one.residuals is not None
    assert one.scales is not None
    codec = one.residuals.codec
    levels = [
        [codec.levels[code] for code in oracle_residual.codes_of(row, codec.bits, codec.dim)]
        for row in one.codes
    ]
    return oracle_residual.maxsim(
        query,
        np.array(levels, np.int8).reshape(-1, codec.dim),
        one.scales,
        one.residuals.assigned,
        centroids=codec.centroids,
        widths=codec.widths,
    )


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=40, deadline=None)
@given(
    dim=_DIMS,
    n_query=st.one_of(st.integers(0, 70), st.just(200)),
    codec=_CODECS,
    threads=st.sampled_from([1, 3]),
    seed=_SEEDS,
)
def test_scores_are_the_oracles_bits(
    path: str,
    dim: int,
    n_query: int,
    codec: Literal["residual4", "residual2"],
    threads: int,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    store = _store(rng, dim, codec)[1]
    query = rng.standard_normal((n_query, dim)).astype(np.float32)
    query[rng.random(n_query) < 0.1] = 0
    found = store.maxsim(query, None, path=path, threads=threads)
    expected = [_expected(store, query, i) for i in range(4)]
    np.testing.assert_array_equal(_bits(found), _bits(np.array(expected)))


@settings(max_examples=60, deadline=None)
@given(dim=_DIMS, codec=_CODECS, seed=_SEEDS)
def test_codes_name_the_nearest_levels(
    dim: int, codec: Literal["residual4", "residual2"], seed: int
) -> None:
    batch, store = _store(np.random.default_rng(seed), dim, codec)
    assert store.residuals is not None
    form, assigned = store.residuals.codec, store.residuals.assigned
    halves = batch.vectors.astype(np.float16).astype(np.float64)
    residuals = halves - form.centroids[assigned]
    levels = form.levels.astype(np.float64)
    for i, row in enumerate(store.codes):
        chosen = levels[oracle_residual.codes_of(row, form.bits, dim)]
        errors = np.abs(residuals[i][:, None] - levels * form.widths[:, None].astype(np.float64))
        error = np.abs(residuals[i] - chosen * form.widths)
        np.testing.assert_allclose(error, errors.min(axis=1), atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(dim=_DIMS, codec=_CODECS, seed=_SEEDS)
def test_no_other_scale_decodes_a_token_better(
    dim: int, codec: Literal["residual4", "residual2"], seed: int
) -> None:
    batch, store = _store(np.random.default_rng(seed), dim, codec)
    vectors = batch.vectors.astype(np.float16).astype(np.float32)
    decoded = store.decode(np.arange(4)).vectors
    found = ((vectors - decoded.astype(np.float64)) ** 2).sum(axis=1)
    np.testing.assert_array_less(found, _error(vectors, decoded))


def _error(vectors: NDArray[np.float32], decoded: NDArray[np.float32]) -> NDArray[np.float64]:
    # The scale is rounded to a half, so the neighbours are taken a little further off.
    errors = [
        ((vectors - decoded.astype(np.float64) * factor) ** 2).sum(axis=1) + 1e-9
        for factor in (0.998, 1.002)
    ]
    return np.min(errors, axis=0)


@settings(max_examples=40, deadline=None)
@given(dim=st.integers(1, 20), bits=st.sampled_from([2, 4]), seed=_SEEDS)
def test_levels_and_widths_follow_the_residuals(dim: int, bits: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    widths = rng.uniform(0.1, 10, dim)
    vectors = (rng.standard_normal((4000, dim)) * widths).astype(np.float32)
    assigned = np.zeros(4000, np.uint16)
    codec = ResidualCodec.fit(bits, np.zeros((1, dim), np.float32), vectors, assigned)
    assert (np.diff(codec.levels.astype(int)) > 0).all()
    codes, _ = codec.encode(vectors, assigned)
    decoded = codec.decode(codes, np.ones(4000, np.float16), assigned)
    lost = ((vectors - decoded) ** 2).sum(axis=0) / (vectors**2).sum(axis=0)
    # Lloyd-Max levels of a normal variable lose .0095 with 4 bits, .1175 with 2 (Max 1960).
    assert (lost < (0.02 if bits == 4 else 0.2)).all()
