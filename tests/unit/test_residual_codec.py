from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from lexmax.errors import CorruptionError, ShapeError
from lexmax.index.npy import write_npy
from lexmax.index.residual_codec import ResidualCodec
from lexmax.index.tokens import TokenStore, TokenStoreWriter
from lexmax.types import TokenBatch

Residual = Literal["residual4", "residual2"]
_RESIDUALS: list[Residual] = ["residual4", "residual2"]


def _store(
    folder: Path, codec: Residual = "residual4", *, dim: int = 5, seed: int = 1
) -> TokenStore:
    rng = np.random.default_rng(seed)
    rows = [rng.standard_normal((n, dim)).astype(np.float32) for n in (3, 0, 2, 7)]
    centroids = rng.standard_normal((4, dim)).astype(np.float16)
    assigned = rng.integers(0, 4, 12).astype(np.uint16)
    folder.mkdir(exist_ok=True)
    write_npy(folder / "centroids.vectors.npy", centroids)
    write_npy(folder / "centroids.codes.npy", assigned)
    return TokenStore.recoded(
        folder,
        TokenStore.from_batch(TokenBatch.from_rows(rows, dim)),
        codec=codec,
        centroids=centroids.astype(np.float32),
        assigned=assigned,
    )


def _codec(n_levels: int, dim: int) -> ResidualCodec:
    levels = np.arange(n_levels, dtype=np.int8)
    return ResidualCodec(np.zeros((1, dim), np.float32), levels, np.ones(dim, np.float32))


@pytest.mark.parametrize(
    ("n_levels", "codes"),
    [
        # 4 bits: coordinates 0, 1, 2 low and 3, 4 high. 2 bits: 0, 1 then 2, 3 then 4.
        (16, [3 | 1 << 4, 0 | 2 << 4, 2]),
        (4, [3 | 2 << 2 | 2 << 4, 0 | 1 << 2]),
    ],
)
def test_bytes_by_hand(n_levels: int, codes: list[int]) -> None:
    codec, assigned = _codec(n_levels, 5), np.zeros(1, np.uint16)
    vector = np.array([[3, 0, 2, 1, 2]], np.float32)
    found, scales = codec.encode(vector, assigned)
    np.testing.assert_array_equal(found, [codes])
    np.testing.assert_array_equal(scales, np.array([1], np.float16))
    np.testing.assert_array_equal(codec.decode(found, scales, assigned), vector)


def test_the_scale_is_the_nearest_multiple() -> None:
    codec, assigned = _codec(4, 2), np.zeros(1, np.uint16)
    codes, scales = codec.encode(np.array([[4.5, 0]], np.float32), assigned)
    np.testing.assert_array_equal(codes, [[3]])
    np.testing.assert_array_equal(scales, np.array([1.5], np.float16))


@pytest.mark.parametrize("codec", _RESIDUALS)
@pytest.mark.parametrize("dim", [1, 5, 16, 130])
def test_a_recoded_store_is_opened_as_it_was_written(
    tmp_path: Path, codec: Residual, dim: int
) -> None:
    written = _store(tmp_path, codec, dim=dim)
    opened = TokenStore.open(tmp_path)
    assert (opened.codec, opened.dim, opened.n_docs, opened.n_tokens) == (codec, dim, 4, 12)
    query = np.random.default_rng(3).standard_normal((6, dim)).astype(np.float32)
    np.testing.assert_array_equal(opened.maxsim(query, None), written.maxsim(query, None))
    every = np.arange(4)
    np.testing.assert_array_equal(opened.decode(every).vectors, written.decode(every).vectors)


def test_bytes_of_128_coordinates(tmp_path: Path) -> None:
    for codec, expected in (("residual4", 66), ("residual2", 34)):
        folder = tmp_path / codec
        _store(folder, "residual4" if codec == "residual4" else "residual2", dim=128)
        files = [folder / "tokens.codes.npy", folder / "tokens.scales.npy"]
        assert sum(path.stat().st_size - 128 for path in files) == 12 * expected


def test_stored_rows_are_copied_where_the_codec_is_the_same(tmp_path: Path) -> None:
    store = _store(tmp_path / "first")
    other = _store(tmp_path / "second", seed=2)
    assert store.residuals is not None
    (tmp_path / "copied").mkdir()
    writer = TokenStoreWriter(
        tmp_path / "copied", 5, codec="residual4", residual_codec=store.residuals.codec
    )
    with pytest.raises(ShapeError, match="of other centroids, levels or widths"):
        writer.append_stored(other)
    writer.append_stored(store.rows(np.array([0, 1])))
    writer = TokenStoreWriter.resume(
        tmp_path / "copied", writer.checkpoint(), residual_codec=store.residuals.codec
    )
    writer.append_stored(store.rows(np.array([2, 3])))
    writer.close()
    for name in ("codes", "scales", "offsets", "levels", "widths"):
        first, copied = (tmp_path / f / f"tokens.{name}.npy" for f in ("first", "copied"))
        assert first.read_bytes() == copied.read_bytes()


def test_what_needs_centroids_says_so(tmp_path: Path) -> None:
    batch = TokenBatch.from_rows([np.ones((1, 5), np.float32)], 5)
    with pytest.raises(ShapeError, match="residual4 needs centroids"):
        TokenStore.from_batch(batch, codec="residual4")
    with pytest.raises(ShapeError, match="codec int8 has none"):
        TokenStoreWriter(tmp_path, 5).append_assigned(batch, np.zeros(1, np.uint16))


@pytest.mark.parametrize(
    ("centroids", "assigned", "message"),
    [
        (np.zeros((2, 4), np.float32), np.zeros(1, np.uint16), r"expected \(n, 5\)"),
        (np.zeros((2, 5), np.float32), np.zeros(2, np.uint16), "2 assigned"),
        (np.zeros((2, 5), np.float32), np.full(1, 2, np.uint16), "expected those below 2"),
        (np.full((2, 5), np.nan, np.float32), np.zeros(1, np.uint16), "NaN"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    tmp_path: Path, centroids: NDArray[np.float32], assigned: NDArray[np.uint16], message: str
) -> None:
    store = TokenStore.from_batch(TokenBatch.from_rows([np.ones((1, 5), np.float32)], 5))
    with pytest.raises(ShapeError, match=message):
        TokenStore.recoded(
            tmp_path, store, codec="residual4", centroids=centroids, assigned=assigned
        )


def test_a_store_is_not_recoded_over_itself(tmp_path: Path) -> None:
    TokenStore.from_batch(TokenBatch.from_rows([np.ones((1, 5), np.float32)], 5)).save(tmp_path)
    store = TokenStore.open(tmp_path)
    with pytest.raises(ShapeError, match="expected another folder"):
        TokenStore.recoded(
            tmp_path,
            store,
            codec="residual4",
            centroids=np.zeros((1, 5), np.float32),
            assigned=np.zeros(1, np.uint16),
        )


def test_progress_counts_documents(tmp_path: Path) -> None:
    rows = [np.ones((1, 3), np.float32)] * 100
    told = list[int]()
    TokenStore.recoded(
        tmp_path,
        TokenStore.from_batch(TokenBatch.from_rows(rows, 3)),
        codec="residual2",
        centroids=np.ones((1, 3), np.float32),
        assigned=np.zeros(100, np.uint16),
        progress=told.append,
    )
    assert told[-1] == 100
    assert told == sorted(told)


def test_tokens_that_are_their_centroids_stay_what_they_are(tmp_path: Path) -> None:
    rows = [np.array([[1, 0, 0.5]], np.float32)]
    store = TokenStore.recoded(
        tmp_path,
        TokenStore.from_batch(TokenBatch.from_rows(rows, 3), codec="fp16"),
        codec="residual2",
        centroids=rows[0],
        assigned=np.zeros(1, np.uint16),
    )
    np.testing.assert_array_equal(store.decode(np.array([0])).vectors, rows[0])


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("tokens.levels.npy", np.zeros(5, np.int8), "4 or 16"),
        ("tokens.levels.npy", np.zeros(4, np.int8), "tokens of 3 bytes; expected 12"),
        ("tokens.widths.npy", np.zeros(4, np.float32), "a width for each coordinate"),
        ("tokens.widths.npy", np.full(5, np.inf, np.float32), "NaN or infinity"),
        ("centroids.codes.npy", np.zeros(3, np.uint16), "3 centroid codes"),
        ("centroids.vectors.npy", np.zeros((0, 5), np.float16), "found centroids"),
        ("tokens.scales.npy", np.zeros(12, np.float32), "expected <f2"),
    ],
)
def test_files_that_do_not_fit_together(
    tmp_path: Path,
    name: str,
    array: NDArray[np.generic],
    message: str,
) -> None:
    _store(tmp_path)
    write_npy(tmp_path / name, array)
    with pytest.raises(CorruptionError, match=message):
        TokenStore.open(tmp_path)


def test_a_damaged_centroid_code_is_told_and_reads_nothing_else(tmp_path: Path) -> None:
    _store(tmp_path)
    write_npy(tmp_path / "centroids.codes.npy", np.full(12, 65535, np.uint16))
    store = TokenStore.open(tmp_path)
    assert len(store.maxsim(np.ones((1, 5), np.float32), None)) == 4
    with pytest.raises(CorruptionError, match="unknown centroids"):
        store.decode(np.array([0]))


def test_a_damaged_scale_is_told(tmp_path: Path) -> None:
    _store(tmp_path)
    write_npy(tmp_path / "tokens.scales.npy", np.full(12, np.nan, np.float16))
    store = TokenStore.open(tmp_path)
    for ask in (store.maxsim, lambda query, some: store.best(query, some, 3)):
        with pytest.raises(CorruptionError, match="NaN"):
            ask(np.ones((1, 5), np.float32), None)
