"""Whatever stands in a calibration's files, reading ends in one of our errors or in the same."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lexmax.errors import StorageError
from lexmax.relevance import (
    Adapter,
    Calibration,
    IndexVersion,
    Target,
    load_calibration,
    save_calibration,
)
from lexmax.relevance.adapter import Scaling
from lexmax.relevance.maps import neutral


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fuzzed")
    adapter = Adapter("power", "none", Scaling("list"), 100, neutral("power", logit=-1.0))
    version = IndexVersion("p", "sparse", {"sparse": "bm25"}, "i", 10)
    save_calibration(
        path, Calibration("x", adapter, 0.5, Target("recall", 0.9), version, 100, 20, {})
    )
    return path


@given(
    which=st.sampled_from([".json", ".safetensors"]),
    at=st.integers(0, 5000),
    byte=st.integers(1, 255),
    cut=st.booleans(),
)
def test_damaged_bytes_never_pass(folder: Path, which: str, at: int, byte: int, cut: bool) -> None:
    (path,) = (folder / "relevance" / "x").glob(f"*{which}")
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[at % len(whole)] ^= byte
    try:
        path.write_bytes(whole[: at % len(whole)] if cut else bytes(damaged))
        try:
            found = load_calibration(folder, "x")
        except StorageError:
            return
        # White space and the order of names carry nothing.
        assert which == ".json"
        assert found.threshold == 0.5
        np.testing.assert_array_equal(found.adapter.shared, neutral("power", logit=-1.0))
    finally:
        path.write_bytes(whole)
