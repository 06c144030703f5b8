import pytest

from lexmax.errors import CorruptionError
from lexmax.index.manifest import Manifest
from lexmax.index.spec_ranges import SpecRange, described, joined, spec_ranges
from lexmax.types import Json


def manifest(**parameters: Json) -> Manifest:
    encoders = {"sparse": {"spec": "c", "fingerprint": "f"}}
    return Manifest("1-9", 5, 1, 9, encoders, parameters, {})


def test_a_built_segment_has_one_encoder() -> None:
    assert spec_ranges(manifest(), "sparse") == [SpecRange(1, 9, "c")]


def test_neighbours_of_one_spec_are_one_range() -> None:
    parts = [SpecRange(1, 2, "a"), SpecRange(4, 5, "a"), SpecRange(6, 6, "b"), SpecRange(7, 9, "a")]
    found = joined(parts)
    assert found == [SpecRange(1, 5, "a"), SpecRange(6, 6, "b"), SpecRange(7, 9, "a")]
    written = described({"sparse": found, "multivector": found[:1]})
    assert written == {"specs": {"sparse": [[1, 5, "a"], [6, 6, "b"], [7, 9, "a"]]}}
    assert spec_ranges(manifest(**written), "sparse") == found
    assert described({"sparse": found[:1]}) == {}


@pytest.mark.parametrize("written", [5, [5], [["a", 1, "b"]], [[1, 2]]])
def test_an_account_that_cannot_be_read_is_corruption(written: Json) -> None:
    with pytest.raises(CorruptionError, match="expected rows of first serial"):
        spec_ranges(manifest(specs={"sparse": written}), "sparse")
