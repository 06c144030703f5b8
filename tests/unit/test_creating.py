"""What a new collection keeps, as its catalog says it again."""

from dataclasses import fields
from pathlib import Path

import pytest

from lexmax.collection import Collection
from lexmax.creating import IndexChoice
from lexmax.encoders import Encoders
from lexmax.errors import InputError
from lexmax.index.multivector_build import MultiVectorPlan
from lexmax.passages import PassagePlan

WHOLE = IndexChoice(
    "bm25?k1=1.2&b=0.4&stop_words=english",
    "minilm",
    MultiVectorPlan(codec="fp16", fde=False),
    "minilm-pooled",
    PassagePlan(9, 3),
    4,
    {"year": "integer"},
    "fp16",
)


def test_no_option_is_forgotten() -> None:
    """Each option differs from its default, so that what is read back was written."""
    default = IndexChoice()
    same = {one.name for one in fields(IndexChoice) if one.name != "multivector"}
    assert all(getattr(WHOLE, name) != getattr(default, name) for name in same)


def test_a_catalog_keeps_what_was_chosen(tmp_path: Path, cheap_encoders: Encoders) -> None:
    with Collection.chosen(tmp_path / "c", WHOLE, encoders=cheap_encoders) as made:
        assert made.choice == WHOLE
        WHOLE.require_same(made.choice, tmp_path, cheap_encoders)
    by_names = Collection.create(
        tmp_path / "d",
        sparse=WHOLE.sparse,
        multivector=WHOLE.multivector,
        plan=WHOLE.plan,
        pooled=WHOLE.pooled,
        passages=WHOLE.passages,
        neighbours=WHOLE.neighbours,
        fields=WHOLE.fields,
        pooled_codec="fp16",
        encoders=cheap_encoders,
    )
    with by_names:
        assert by_names.choice == WHOLE


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (IndexChoice(pooled="minilm-pooled"), "its pooled encoder is None, but minilm-pooled was"),
        (IndexChoice(sparse=None), "its sparse encoder is bm25.*, but None was asked for"),
        (IndexChoice(passages=PassagePlan(9, 3)), "split by None, but PassagePlan"),
        (
            IndexChoice(neighbours=3),
            "has 0 neighbours .* 3 were asked for; .* --neighbours 3",
        ),
        (IndexChoice(plan=MultiVectorPlan(codec="fp16")), "token vectors it builds .*int8"),
    ],
)
def test_another_choice_is_refused(
    tmp_path: Path, cheap_encoders: Encoders, asked: IndexChoice, message: str
) -> None:
    with Collection.create(tmp_path / "c", encoders=cheap_encoders) as made:
        with pytest.raises(InputError, match=message):
            asked.require_same(made.choice, tmp_path / "c", cheap_encoders)
        IndexChoice().require_same(made.choice, tmp_path / "c", cheap_encoders)
