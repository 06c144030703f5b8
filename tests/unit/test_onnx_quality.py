from pathlib import Path
from types import MappingProxyType

import pytest

from lexmax.encoders import onnx_quality
from lexmax.encoders.onnx_quality import (
    Int8Quality,
    known_quality,
    remember_quality,
    require_quality,
)
from lexmax.errors import EncoderError


def quality(lost: float) -> Int8Quality:
    return Int8Quality("toy/train", "nDCG@10", 50, 0.7, 0.7 - lost)


def test_int8_is_refused_until_somebody_has_measured_it(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"nobody has measured.*onnx_quality.py"):
        require_quality("model", cache=tmp_path)
    remember_quality("another", quality(0.0), cache=tmp_path)
    with pytest.raises(EncoderError, match="nobody has measured"):
        require_quality("model", cache=tmp_path)
    remember_quality("model", quality(0.004), cache=tmp_path)
    require_quality("model", cache=tmp_path)
    assert known_quality("model", cache=tmp_path) == quality(0.004)
    assert known_quality("another", cache=tmp_path) == quality(0.0)


def test_int8_that_loses_much_is_refused_with_the_numbers(tmp_path: Path) -> None:
    remember_quality("model", quality(0.02), cache=tmp_path)
    with pytest.raises(EncoderError, match=r"0\.0200 of nDCG@10 \(0\.7000 to 0\.6800 on toy/train"):
        require_quality("model", cache=tmp_path)


def test_what_was_measured_here_goes_before_what_was_shipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = MappingProxyType({"model": quality(0.001)})
    monkeypatch.setattr(onnx_quality, "SHIPPED", shipped)
    assert known_quality("model", cache=tmp_path) == quality(0.001)
    remember_quality("model", quality(0.002), cache=tmp_path)
    assert known_quality("model", cache=tmp_path) == quality(0.002)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"model": 3}', '{"model": {"measure": 1}}'])
def test_a_damaged_file_says_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "int8.json").write_text(text)
    assert known_quality("model", cache=tmp_path) is None
    remember_quality("model", quality(0.002), cache=tmp_path)
    assert known_quality("model", cache=tmp_path) == quality(0.002)


def test_gains_are_losses_below_zero() -> None:
    assert quality(-0.01).lost == pytest.approx(-0.01)
