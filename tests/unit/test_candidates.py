import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lexmax.errors import CorruptionError, ShapeError
from lexmax.index import candidate_build
from lexmax.index.candidates import CandidateIndex
from lexmax.index.fde import FdeParameters
from lexmax.index.stores.spec import parse_store
from lexmax.index.tokens import TokenStore
from lexmax.types import TokenBatch

DIM = 16
FDE = FdeParameters(dim=DIM, repetitions=4, k_sim=2, d_proj=8)
SPECS = ["flat", "sq8", "bits?refine=3", "pq4", "pq8?refine=2", "opq4", "ivf-pq4?lists=6", "hnsw"]


def _tokens(n_docs: int, *, empty: bool = False) -> TokenBatch:
    rng = np.random.default_rng(n_docs)
    rows = []
    for i in range(n_docs):
        centre = rng.standard_normal(DIM)
        n_tokens = 0 if empty and i % 3 == 0 else int(rng.integers(2, 7))
        rows.append((centre + 0.5 * rng.standard_normal((n_tokens, DIM))).astype(np.float32))
    return TokenBatch.from_rows(rows, DIM)


def _store(n_docs: int, *, empty: bool = False) -> TokenStore:
    return TokenStore.from_batch(_tokens(n_docs, empty=empty))


def _built(store: TokenStore, text: str | None = None, **options: Any) -> CandidateIndex:
    spec = None if text is None else parse_store(text)
    defaults: dict[str, Any] = {"parameters": FDE, "seed": 3, "projection_dim": 32}
    return CandidateIndex.build(store, store_spec=spec, **(defaults | options))


def _bytes(index: CandidateIndex, folder: Path) -> dict[str, bytes]:
    folder.mkdir()
    index.save(folder)
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def store() -> TokenStore:
    return _store(700)


@pytest.mark.parametrize("text", SPECS)
def test_every_store_finds_the_document_that_is_the_query(store: TokenStore, text: str) -> None:
    index = _built(store, text)
    asked = np.arange(0, 700, 50)
    hits = index.search(store.decode(asked), 30)
    found = [asked[i] in hits.ordinals[i] for i in range(len(asked))]
    assert np.mean(found) >= 0.9
    assert index.store_spec.text == text


@pytest.mark.parametrize("text", SPECS)
def test_an_opened_index_is_the_built_one(store: TokenStore, text: str, tmp_path: Path) -> None:
    index = _built(store, text)
    before = _bytes(index, tmp_path / "built")
    opened = CandidateIndex.open(tmp_path / "built", index.parameters())
    assert opened.parameters() == index.parameters()
    assert opened.n_bytes == index.n_bytes
    queries, alive = store.decode(np.arange(5)), np.arange(700) % 2 == 0
    for mask in (None, alive):
        found, expected = (one.search(queries, 9, alive=mask) for one in (opened, index))
        np.testing.assert_array_equal(found.ordinals, expected.ordinals)
        np.testing.assert_array_equal(found.scores, expected.scores)
    assert _bytes(opened, tmp_path / "opened") == before


@pytest.mark.parametrize("text", ["pq8?refine=2", "hnsw", "ivf-pq4?lists=6"])
def test_threads_and_samples_change_no_byte(
    store: TokenStore, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidate_build, "MAX_SAMPLE", 300)
    built = [
        _bytes(_built(store, text, threads=threads), tmp_path / str(threads))
        for threads in (1, 2, 5)
    ]
    assert built[0] == built[1] == built[2]


def test_progress_counts_each_document_once_on_threads(
    store: TokenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidate_build, "MAX_SAMPLE", 300)
    told: list[int] = []
    _built(store, threads=3, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 700


@pytest.mark.parametrize(("dim", "expected"), [(None, 128), (30, 28), (3, 3), (512, 128)])
def test_the_projection_has_no_more_coordinates_than_are_wanted(
    store: TokenStore, dim: int | None, expected: int
) -> None:
    # 4 repetitions of 4 buckets of 8 coordinates, and the pooled vector's 16.
    parameters = FdeParameters(dim=DIM, repetitions=4, k_sim=2, d_proj=8, pooled_weight=0)
    index = _built(store, "pq4", projection_dim=dim, parameters=parameters)
    assert index.parameters()["dim"] == expected
    assert index.store_spec.name == ("flat" if expected == 3 else "pq4")


@pytest.mark.parametrize("asked", [{"projection_dim": 0}, {"threads": 0}])
def test_nothing_is_projected_to_no_coordinates(store: TokenStore, asked: dict[str, Any]) -> None:
    with pytest.raises(ShapeError, match="expected 1 or more"):
        _built(store, **asked)


def test_what_cannot_be_as_asked_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        few = _built(_store(9), "pq8")
        flat = _built(_store(3), "pq4")
    assert (few.store_spec.text, flat.store_spec.text) == ("pq8", "flat")
    assert "found 9 documents for codebooks of 256" in caplog.text
    assert "found 3 coordinates, expected 4 or more; keeping flat" in caplog.text


@pytest.mark.parametrize("text", SPECS)
@pytest.mark.parametrize("n_docs", [1, 2, 19])
def test_few_documents(text: str, n_docs: int) -> None:
    store = _store(n_docs)
    hits = _built(store, text).search(store.decode(np.arange(n_docs)), 50)
    assert hits.ordinals.shape == (n_docs, n_docs)
    np.testing.assert_array_equal(np.sort(hits.ordinals[0]), np.arange(n_docs))


@pytest.mark.parametrize("text", SPECS)
def test_documents_without_tokens_are_kept(text: str) -> None:
    index = _built(_store(90, empty=True), text)
    query = index.project(_tokens(1))[0]
    assert len(index.nearest(query, 90)[0]) == 90


@pytest.mark.parametrize("cells", ["simhash", "kmeans"])
def test_a_store_without_any_token(cells: Any, tmp_path: Path) -> None:
    nothing = np.zeros((0, DIM), np.float32)
    store = TokenStore.from_batch(TokenBatch.from_rows([nothing] * 5, DIM))
    index = _built(store, parameters=FdeParameters(dim=DIM, cells=cells))
    index.save(tmp_path)
    assert CandidateIndex.open(tmp_path, index.parameters()).n_docs == 5


def test_trained_cells_are_stored(store: TokenStore, tmp_path: Path) -> None:
    parameters = FdeParameters(dim=DIM, repetitions=4, k_sim=2, d_proj=8, cells="kmeans")
    index = _built(store, parameters=parameters)
    assert "fde.cells.npy" in _bytes(index, tmp_path / "built")
    opened = CandidateIndex.open(tmp_path / "built", index.parameters())
    queries = store.decode(np.arange(4))
    np.testing.assert_array_equal(opened.project(queries), index.project(queries))
    cells = np.load(tmp_path / "built" / "fde.cells.npy")
    cells[0, 0, 0] = np.nan
    np.save(tmp_path / "built" / "fde.cells.npy", cells)
    with pytest.raises(CorruptionError, match=r"fde\.cells\.npy"):
        CandidateIndex.open(tmp_path / "built", index.parameters())


def test_sample_queries_have_a_projection_of_their_own(store: TokenStore, tmp_path: Path) -> None:
    index = _built(store, queries=store.decode(np.arange(0, 700, 9)))
    assert "fde.query_projection.npy" in _bytes(index, tmp_path / "built")
    opened = CandidateIndex.open(tmp_path / "built", index.parameters())
    queries = store.decode(np.arange(4))
    np.testing.assert_array_equal(opened.project(queries), index.project(queries))
    assert (index.search(queries, 40).ordinals == np.arange(4)[:, None]).any(axis=1).all()


@pytest.mark.parametrize(
    "alive", [np.ones(699, bool), np.ones(700, np.int8), np.ones((700, 1), bool)]
)
def test_masks_that_do_not_fit(store: TokenStore, alive: NDArray[Any]) -> None:
    with pytest.raises(ShapeError, match="expected bool"):
        _built(store, "sq8").nearest(np.ones(32, np.float32), 3, alive)


def test_masks_need_not_be_contiguous(store: TokenStore) -> None:
    index = _built(store, "sq8")
    alive = np.random.default_rng(1).random((700, 2))[:, 0] < 0.5
    wide = np.stack([alive, alive], axis=1)[:, 0]
    found = index.nearest(np.ones(32, np.float32), 20, wide)
    expected = index.nearest(np.ones(32, np.float32), 20, alive)
    np.testing.assert_array_equal(found[0], expected[0])


@pytest.mark.parametrize(
    "damage",
    [
        {"codes": "pq5"},
        {"codes": "pq4"},
        {"codes": "ivf-pq4"},
        {"codes": "hnsw?m=4"},
        {"codes": 4},
        {"dim": 31},
        {"dim": 0},
        {"seed": "3"},
        {"fde": None},
        {"fde": {"dim": DIM}},
        {"more": 1},
    ],
)
def test_parameters_that_are_not_of_these_files(
    store: TokenStore, damage: dict[str, Any], tmp_path: Path
) -> None:
    index = _built(store, "hnsw")
    index.save(tmp_path)
    with pytest.raises(CorruptionError, match=str(tmp_path)):
        CandidateIndex.open(tmp_path, index.parameters() | damage)


@pytest.mark.parametrize(
    ("text", "name"),
    [("pq4", "codebooks"), ("opq4", "rotation"), ("ivf-pq4?lists=6", "list_centroids")],
)
def test_trained_arrays_with_nan_are_refused(
    store: TokenStore, text: str, name: str, tmp_path: Path
) -> None:
    index = _built(store, text)
    index.save(tmp_path)
    array = np.load(tmp_path / f"fde.{name}.npy")
    array.reshape(-1)[7] = np.nan
    np.save(tmp_path / f"fde.{name}.npy", array)
    with pytest.raises(CorruptionError, match=f"{name}.npy: found NaN"):
        CandidateIndex.open(tmp_path, index.parameters())
