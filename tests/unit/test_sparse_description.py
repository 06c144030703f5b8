"""Models are written as names and numbers, read back equal, and mistakes are named."""

import json
from typing import Any

import pytest

from lexmax.encoders.heads.weighting import Weighting
from lexmax.encoders.sparse_description import described, name_of, read_model
from lexmax.encoders.sparse_model import (
    Binary,
    ClsMlm,
    Epic,
    ExpMlp,
    Mlm,
    Mlp,
    Queries,
    Regularization,
    SparseModel,
    Table,
    Terms,
    reads_states,
    repeats_of,
)
from lexmax.encoders.training.regularizers import L1, Flops, ThresholdedFlops, TopK
from lexmax.encoders.training.supervision import (
    Contrastive,
    Focal,
    Kl,
    MarginMse,
    OneMinusSoftmax,
    Pld,
    Supervision,
    TermRecall,
)
from lexmax.errors import EncoderError

MODELS = [
    SparseModel(Mlm(), Mlm()),
    SparseModel(Binary(0.3, learned=True), ExpMlp(expansion=Queries("/t5", n=3))),
    SparseModel(Table("linear", "set"), ExpMlp(expansion=Terms("/tilde"))),
    SparseModel(
        Mlp(Weighting("softplus", "identity"), scaled=True, repeats="max"),
        Epic(quality=False),
        Regularization(L1(0.1, 7), ThresholdedFlops(0.2, 8, threshold=9)),
        Supervision((Contrastive(0.5, 2.0, in_batch=False), Kl(2, 3, 4), Pld(top=3), Focal())),
        shared=False,
    ),
    SparseModel(
        Binary(),
        ClsMlm(Weighting(log1p_twice=True)),
        Regularization(TopK(4), Flops(1.0)),
        Supervision((OneMinusSoftmax(), MarginMse(teacher_scale=0.1))),
    ),
    SparseModel(Mlp(), Mlp(), supervision=Supervision((TermRecall(3.0),))),
]


@pytest.mark.parametrize("model", MODELS)
def test_what_is_written_is_read_back_equal(model: SparseModel) -> None:
    written = described(model)
    assert read_model(json.loads(json.dumps(written))) == model
    assert read_model(described(read_model(written))) == model


def test_what_is_not_written_has_its_default() -> None:
    found = read_model({"query": "table", "document": {"name": "mlm", "markers": True}})
    assert found == SparseModel(Table(), Mlm(markers=True))
    found = read_model(
        {
            "query": "mlp",
            "document": "mlm",
            "regularization": {"document": {"name": "flops", "strength": 1}},
            "supervision": {"objectives": ["kl", {"name": "contrastive", "weight": 2}]},
        }
    )
    assert found.supervision == Supervision((Kl(), Contrastive(2.0)))
    assert found.regularization == Regularization(document=Flops(1.0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"query": "mln"}, "model.query.name is 'mln'; did you mean"),
        ({"query": {"weighting": {}}}, "model.query is .*; expected name: one of binary"),
        ({"document": "table"}, "model.document.name is 'table'"),
        (
            {"document": {"name": "mlm", "weigthing": {}}},
            "no key 'weigthing'; did you mean weighting",
        ),
        ({"document": {"name": "mlm", "weighting": {"norm": "log"}}}, "norm is 'log'"),
        ({"document": {"name": "mlm", "weighting": 3}}, "weighting is 3; expected keys"),
        ({"shared": "yes"}, "model.shared is 'yes'; expected true or false"),
        ({"regularization": {"query": {"name": "top-k", "k": 2.5}}}, "k is 2.5; expected a whole"),
        ({"regularization": {"query": {"name": "flops"}}}, "lacks strength"),
        ({"supervision": {"objectives": "kl"}}, "objectives is 'kl'; expected a list"),
        ({"supervision": {"objectives": []}}, "supervision has no losses"),
        ({"supervision": {"objectives": [{"name": "kl", "weight": True}]}}, "expected a number"),
        ({"supervision": {"objectives": ["term-recall"]}}, "'term-recall' with document encoder"),
        (
            {"document": {"name": "mlp", "weighting": {"activation": "identity"}}},
            "no value below -1",
        ),
    ],
)
def test_mistakes_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(EncoderError, match=message):
        read_model({"query": "mlp", "document": "mlm", **change})


def test_repeated_tokens_of_queries_add_up_and_those_of_documents_do_not() -> None:
    for encoder in (Binary(), Mlp(), ExpMlp()):
        assert repeats_of(encoder, of_query=True) == "sum"
        assert repeats_of(encoder, of_query=False) == "max"
    assert [repeats_of(Table(kind), of_query=True) for kind in ("idf", "learned", "linear")] == [
        "set",
        "set",
        "sum",
    ]
    assert repeats_of(Table("idf", "sum"), of_query=True) == "sum"
    assert repeats_of(Mlm(), of_query=True) == "max"


def test_parts_have_names_and_some_need_no_transformer() -> None:
    assert name_of(MarginMse()) == "margin-mse"
    assert [reads_states(one) for one in (Binary(), Table(), Mlp(), Mlm(), ClsMlm())] == [
        False,
        False,
        True,
        True,
        True,
    ]
