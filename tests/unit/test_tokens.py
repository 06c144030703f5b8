from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lexmax.errors import CorruptionError, ShapeError
from lexmax.index import _native, oracle_multivector
from lexmax.index.npy import write_npy
from lexmax.index.token_codec import Codec, quantise
from lexmax.index.tokens import TokenStore, TokenStoreWriter
from lexmax.types import TokenBatch

PATHS = _native.available_paths()


def _f32(values: Any) -> NDArray[np.float32]:
    return np.array(values, dtype=np.float32)


def _batch(*rows: Any, dim: int = 2) -> TokenBatch:
    return TokenBatch.from_rows([np.array(row, np.float32).reshape(-1, dim) for row in rows], dim)


def _written(directory: Path, batch: TokenBatch, codec: Codec = "int8") -> TokenStore:
    writer = TokenStoreWriter(directory, batch.dim, codec=codec)
    writer.append(batch)
    writer.close()
    return TokenStore.open(directory)


@pytest.mark.parametrize("codec", ["int8", "fp16"])
def test_stored_rows_are_copied_bit_for_bit(tmp_path: Path, codec: Codec) -> None:
    rng = np.random.default_rng(1)
    batch = _batch(*(rng.standard_normal((n, 2)) for n in (3, 0, 2, 1)))
    for name in ("whole", "some", "copied"):
        (tmp_path / name).mkdir()
    store = _written(tmp_path / "whole", batch, codec)
    chosen = np.array([3, 0, 1])
    _written(tmp_path / "some", TokenBatch.from_rows([batch.row(i) for i in chosen], 2), codec)

    writer = TokenStoreWriter(tmp_path / "copied", 2, codec=codec)
    writer.append_stored(store.rows(chosen[:1]))
    writer.append_stored(store.rows(chosen[1:]))
    writer.close()
    for path in (tmp_path / "some").iterdir():
        assert path.read_bytes() == (tmp_path / "copied" / path.name).read_bytes()


def test_stored_rows_of_another_form_are_refused(tmp_path: Path) -> None:
    store = TokenStore.from_batch(_batch([[1, 0]]))
    with pytest.raises(ShapeError, match="int8 of dim 2; expected fp16 of dim 2"):
        TokenStoreWriter(tmp_path, 2, codec="fp16").append_stored(store)
    with pytest.raises(ShapeError, match="int8 of dim 2; expected int8 of dim 3"):
        TokenStoreWriter(tmp_path, 3).append_stored(store)
    with pytest.raises(ShapeError, match="expected 0 to 0"):
        store.rows(np.array([1]))


def test_codes_by_hand() -> None:
    codes, scales = quantise(_f32([[127, -63.5, 1], [0, 0, 0], [-0.5, 0.25, 0]]))
    np.testing.assert_array_equal(codes, [[127, -64, 1], [0, 0, 0], [-127, 64, 0]])
    np.testing.assert_array_equal(scales, _f32([1, 0, np.float32(0.5) / np.float32(127)]))


def test_the_least_numbers_keep_their_codes_in_range() -> None:
    least = np.float32(1.4e-45)
    codes, scales = quantise(_f32([[least, 0], [180 * least, -100 * least]]))
    np.testing.assert_array_equal(codes, [[0, 0], [127, -100]])
    np.testing.assert_array_equal(scales, _f32([0, least]))


def test_a_score_by_hand() -> None:
    documents = _batch([[1, 0], [0, 1]], [[-1, 0]], [])
    query = _f32([[0.5, 0], [0, 2]])
    for codec in ("int8", "fp16"):
        scores = TokenStore.from_batch(documents, codec=codec).maxsim(query, None)
        np.testing.assert_allclose(scores, [2.5, -0.5, -np.inf], rtol=1e-6)


def test_a_query_without_tokens_scores_zero_where_there_are_tokens() -> None:
    store = TokenStore.from_batch(_batch([[1, 0]], []))
    np.testing.assert_array_equal(store.maxsim(np.zeros((0, 2), np.float32), None), [0, -np.inf])


def test_documents_are_scored_in_the_order_asked_and_as_often() -> None:
    store = TokenStore.from_batch(_batch([[1, 0]], [[3, 0]], [[2, 0]]))
    scores = store.maxsim(_f32([[1, 0]]), np.array([2, 0, 2, 1]))
    np.testing.assert_allclose(scores, [2, 1, 2, 3], rtol=1e-6)


@pytest.mark.parametrize("path", PATHS)
def test_the_largest_products_do_not_overflow(path: str) -> None:
    for dim, sign in ((768, 1), (768, -1), (65536, 1), (65536, -1)):
        store = TokenStore.from_batch(
            TokenBatch.from_rows([np.full((13, dim), sign, np.float32)], dim)
        )
        query = np.ones((17, dim), dtype=np.float32)
        assert store.maxsim(query, None, path=path)[0] == pytest.approx(sign * 17 * dim, rel=1e-6)


def test_a_path_that_the_machine_lacks_is_refused() -> None:
    store = TokenStore.from_batch(_batch([[1, 0]]))
    with pytest.raises(ValueError, match=r"path 'abacus' cannot run here; expected one of auto"):
        store.maxsim(_f32([[1, 0]]), None, path="abacus")
    assert PATHS[-1] == "portable"


def test_kernels_refuse_addresses_outside_the_store() -> None:
    codes, scales = quantise(np.ones((3, 4), dtype=np.float32))
    out = np.empty(1, dtype=np.float32)
    for offsets, ordinal in (([0, 3], 1), ([0, 3], -1), ([0, 4], 0), ([2, 1], 0), ([-1, 2], 0)):
        with pytest.raises(IndexError):
            _native.maxsim_int8(
                codes, scales, codes, scales, np.array(offsets), np.array([ordinal]), out
            )


@pytest.mark.parametrize("ordinals", [[3], [-1], [0, 99]])
def test_unknown_ordinals_are_refused(ordinals: list[int]) -> None:
    store = TokenStore.from_batch(_batch([[1, 0]], [], [[1, 1]]))
    for ask in (store.decode, lambda o: store.maxsim(_f32([[1, 0]]), o)):
        with pytest.raises(ShapeError, match="expected 0 to 2"):
            ask(np.array(ordinals))


@pytest.mark.parametrize("shape", [(1, 3), (2,), (1, 1, 2)])
def test_a_query_of_another_dim_is_refused(shape: tuple[int, ...]) -> None:
    store = TokenStore.from_batch(_batch([[1, 0]]))
    with pytest.raises(ShapeError, match=r"documents have dim 2; expected \(tokens, 2\)"):
        store.maxsim(np.zeros(shape, np.float32), None)


@pytest.mark.parametrize("codec", ["int8", "fp16"])
def test_a_store_on_disk_is_the_one_in_memory(tmp_path: Path, codec: Codec) -> None:
    batch = _batch([[1, 0], [0.25, -3]], [], [[5, 5]])
    stored, memory = _written(tmp_path, batch, codec), TokenStore.from_batch(batch, codec=codec)
    assert (stored.n_docs, stored.n_tokens, stored.dim, stored.codec) == (3, 3, 2, codec)
    order = np.array([2, 0, 1])
    found, expected = stored.decode(order), memory.decode(order)
    np.testing.assert_array_equal(found.vectors, expected.vectors)
    np.testing.assert_array_equal(found.offsets, [0, 1, 3, 3])
    np.testing.assert_allclose(found.vectors[1:], batch.vectors[:2], atol=3 / 127)


def test_saving_writes_what_the_writer_writes(tmp_path: Path) -> None:
    batch = _batch([[1, 0], [0.25, -3]], [])
    for name in ("saved", "written"):
        (tmp_path / name).mkdir()
    _written(tmp_path / "written", batch)
    TokenStore.from_batch(batch).save(tmp_path / "saved")
    for path in (tmp_path / "written").iterdir():
        assert path.read_bytes() == (tmp_path / "saved" / path.name).read_bytes()


def test_a_store_without_documents(tmp_path: Path) -> None:
    store = _written(tmp_path, _batch())
    assert (store.n_docs, store.n_tokens, store.dim) == (0, 0, 2)
    assert len(store.maxsim(np.ones((1, 2), np.float32), None)) == 0


def test_numbers_too_large_for_a_half_are_refused() -> None:
    batch = _batch([[70000, 0]])
    with pytest.raises(ShapeError, match="65504"):
        TokenStore.from_batch(batch, codec="fp16")
    assert TokenStore.from_batch(batch).decode(np.array([0])).vectors[0, 0] == 70000


def test_halves_of_every_kind_are_decoded(tmp_path: Path) -> None:
    bits = np.arange(65536, dtype=np.uint16)
    halves = bits[np.isfinite(bits.view(np.float16))].view(np.float16)[:, None]
    store = TokenStore(halves, None, np.arange(len(halves) + 1))
    for path in PATHS:
        scores = store.maxsim(np.ones((1, 1), np.float32), None, path=path)
        np.testing.assert_array_equal(scores, halves[:, 0].astype(np.float32))


def test_writers_refuse_another_dim(tmp_path: Path) -> None:
    writer = TokenStoreWriter(tmp_path, 2)
    with pytest.raises(ShapeError, match="dim 3; expected 2"):
        writer.append(_batch([[1, 2, 3]], dim=3))


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("tokens.offsets.npy", np.array([0, 2, 1, 3]), "must not decrease"),
        ("tokens.offsets.npy", np.array([0, 2]), "end with 3"),
        ("tokens.offsets.npy", np.array([1, 3]), "begin with 0"),
        ("tokens.offsets.npy", np.zeros(0, np.int64), "begin with 0"),
        ("tokens.scales.npy", np.zeros(2, np.float32), "2 scales; expected 3"),
        ("tokens.codes.npy", np.zeros((3, 0), np.int8), "dim 0"),
        ("tokens.codes.npy", np.zeros((3, 2), np.int16), "'<i2' of 2 axes; expected"),
    ],
)
def test_files_that_do_not_fit_together(
    tmp_path: Path, name: str, array: NDArray[Any], message: str
) -> None:
    _written(tmp_path, _batch([[1, 0], [0, 1]], [[1, 1]]))
    write_npy(tmp_path / name, array)
    with pytest.raises(CorruptionError, match=message):
        TokenStore.open(tmp_path)


def test_damaged_scales_are_told(tmp_path: Path) -> None:
    _written(tmp_path, _batch([[1, 0]]))
    write_npy(tmp_path / "tokens.scales.npy", _f32([np.nan]))
    store = TokenStore.open(tmp_path)
    with pytest.raises(CorruptionError, match="NaN"):
        store.maxsim(_f32([[1, 0]]), None)
    with pytest.raises(CorruptionError, match="NaN"):
        store.decode(np.array([0]))


def test_the_oracle_by_hand() -> None:
    query = _f32([[1, 0], [0, 1]])
    assert oracle_multivector.maxsim(query, _f32([[0.5, 0.25], [0, 0.75]])) == 1.25
    assert oracle_multivector.quantised_maxsim(query, np.zeros((0, 2), np.float32)) == -np.inf
