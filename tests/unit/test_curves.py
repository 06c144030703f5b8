from pathlib import Path
from typing import Any

import pytest

from lexmax.encoders.training.curves import draw_curves

LOSSES = [
    {"step": i, "total": 3.0 / i, "kl": 2.0 / i, "document_terms": 90.0, "lr": 1e-5}
    for i in range(1, 80)
]
DEV = [{"step": i, "dev": {"nDCG@10": 0.5 + i / 1000}} for i in range(10, 80, 10)]


@pytest.mark.parametrize(
    ("records", "said"),
    [
        (LOSSES, ["total", "kl", "document_terms"]),
        (DEV, ["nDCG@10", "0.5700 at 70"]),
        (LOSSES + DEV, ["total", "nDCG@10"]),
        (LOSSES[:1], ["total"]),
    ],
)
def test_a_picture_of_what_there_is(
    tmp_path: Path, records: list[dict[str, Any]], said: list[str]
) -> None:
    png, svg = draw_curves(records, tmp_path)
    assert png.read_bytes().startswith(b"\x89PNG")
    text = svg.read_text()
    assert all(f"<!-- {name} -->" in text for name in said)
    assert "<!-- lr -->" not in text


def test_equal_records_give_equal_pictures(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    first, again = (draw_curves(LOSSES, folder)[0] for folder in (tmp_path, tmp_path / "a"))
    assert first.read_bytes() == again.read_bytes()


def test_a_part_that_is_the_total_is_drawn_once(tmp_path: Path) -> None:
    records = [{"step": i, "total": 1.0, "contrastive": 1.0} for i in range(3)]
    assert "<!-- contrastive -->" not in draw_curves(records, tmp_path)[1].read_text()


def test_nothing_to_draw_draws_nothing(tmp_path: Path) -> None:
    assert draw_curves([], tmp_path) == []
    assert list(tmp_path.iterdir()) == []
