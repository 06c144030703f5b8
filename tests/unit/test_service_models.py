from pathlib import Path

import pytest

from lexmax.errors import EncoderError
from lexmax.service.models import asked_model, served_models
from lexmax.service.problems import Refusal
from lexmax.service.settings import Settings


def settings(**given: tuple[str, ...]) -> Settings:
    return Settings(data=Path("data"), **{"warm": (), **given})  # type: ignore[arg-type]


def test_own_models_have_names_without_being_asked_for() -> None:
    kinds = {name: model.kind for name, model in served_models(settings()).items()}
    assert kinds == {
        "lexmax-sparse": "sparse",
        "bm25": "sparse",
        "minilm": "multivector",
        "lexmax-colbert": "multivector",
        "minilm-pooled": "pooled",
    }


def test_models_of_the_operator_are_called_as_their_folders_and_come_first() -> None:
    given = settings(
        models=("splade:/models/mine", "dense:/models/vectors"),
        rerankers=("cross-encoder:/models/judge?max_tokens=128",),
        warm=("minilm?max_tokens=64",),
    )
    assert asked_model(None, ["sparse"], given).spec == "splade:/models/mine"
    assert asked_model("vectors", ["pooled"], given).spec == "dense:/models/vectors"
    judge = asked_model(None, ["pairs", "multivector"], given)
    assert (judge.name, judge.kind) == ("judge", "pairs")
    assert asked_model("minilm", ["multivector"], given).spec == "minilm?max_tokens=64"


def test_without_a_scorer_of_pairs_tokens_give_the_order() -> None:
    assert asked_model(None, ["pairs", "multivector"], settings()).name == "minilm"
    assert asked_model("", ["sparse"], settings()).name == "lexmax-sparse"


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "/models/mine",
        "splade:/models/mine",
        "cross-encoder",
        "impacts",
        "colbert",
        "MiniLM",
    ],
)
def test_nothing_else_has_a_name(name: str) -> None:
    given = settings(models=("splade:/models/mine",))
    with pytest.raises(Refusal) as raised:
        asked_model(name, ["sparse", "multivector", "pooled", "pairs"], given)
    assert raised.value.problem.status == 404
    assert f" {name}," not in raised.value.detail
    assert "expected one of mine, " in raised.value.detail
    assert "/models" not in raised.value.detail.replace("/v1/models", "")


def test_a_model_of_another_kind_is_refused() -> None:
    with pytest.raises(Refusal, match="another kind; expected one of minilm-pooled"):
        asked_model("minilm", ["pooled"], settings())
    with pytest.raises(Refusal, match="expected one of none of this kind"):
        asked_model("minilm", ["pairs"], settings())


def test_an_unknown_recipe_is_said() -> None:
    with pytest.raises(EncoderError, match="LEXMAX_MODELS"):
        served_models(settings(models=("nothing:/models/x",)))
