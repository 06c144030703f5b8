"""Which values did the authors of a published model train it with?

The four values of each model, and the numbers of its training, from the configurations of the
unified framework (Nguyen, MacAvaney & Yates, ECIR 2023, and its repository) unless `sources` says
otherwise. What no source gives is called "ours": tune it.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from lexmax.encoders.heads.weighting import PLAIN, SOFTPLUS, SPLADE, Weighting
from lexmax.encoders.sparse_description import described
from lexmax.encoders.sparse_model import (
    Binary,
    ClsMlm,
    Epic,
    ExpMlp,
    Mlm,
    Mlp,
    Regularization,
    SparseModel,
    Table,
)
from lexmax.encoders.sparse_parts import Limits
from lexmax.encoders.training.regularizers import L1, Flops, ThresholdedFlops, TopK
from lexmax.encoders.training.supervision import (
    Contrastive,
    Kl,
    MarginMse,
    OneMinusSoftmax,
    Supervision,
    TermRecall,
)
from lexmax.errors import EncoderError

_FRAMEWORK = "framework configurations"
_DEFAULTS = "framework defaults"
_OURS = "ours"

# What the framework gives to models for which it names nothing else.
_USUAL: Mapping[str, str] = MappingProxyType(
    {
        "model": _FRAMEWORK,
        "limits": _DEFAULTS,
        "batch_size": _DEFAULTS,
        "steps": _DEFAULTS,
        "warm_up": _DEFAULTS,
        "lr": _OURS,
        "negatives": _OURS,
    }
)
_LIMITS = Limits(query=250, document=250)


@dataclass(frozen=True, slots=True)
class Preset:
    """A published model and how it was trained.

    Attributes:
        name: What `named` finds it by.
        paper: Authors and year, title.
        model: The four values.
        limits: Tokens of a text that are read.
        lr: Highest learning rate.
        batch_size: Queries of a step.
        steps: Optimiser steps; None where `epochs` counts.
        epochs: Times through the examples, where `steps` is None.
        warm_up: Optimiser steps in which the learning rate rises.
        negatives: Hard negatives of a query.
        differs: Where values come from that are not from the usual place: see `sources`.
    """

    name: str
    paper: str
    model: SparseModel
    limits: Limits = _LIMITS
    lr: float = 2e-5
    batch_size: int = 128
    steps: int | None = 150_000
    epochs: float = 1.0
    warm_up: int = 6000
    negatives: int = 1
    differs: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def sources(self) -> Mapping[str, str]:
        """Where each value comes from; what is "ours" no source gave."""
        usual = {**_USUAL, **self.differs}
        unused = "epochs" if self.steps is not None else "steps"
        return {value: source for value, source in usual.items() if value != unused}

    def task(self) -> dict[str, Any]:
        """What a training configuration says of the task, but for the transformer."""
        return {"model": described(self.model), "limits": described(self.limits)}

    def beside(self) -> dict[str, Any]:
        """What the other sections of a training configuration say."""
        length = {"epochs": self.epochs} if self.steps is None else {"steps": self.steps}
        return {
            "negatives": {"per_query": self.negatives},
            "optimiser": {
                "lr": self.lr,
                "batch_size": self.batch_size,
                "warm_up": self.warm_up,
                **length,
            },
        }

    def config(self) -> dict[str, Any]:
        """Sections of a training configuration as names and numbers, without data and output."""
        return {"task": {"kind": "sparse", **self.task()}, **self.beside()}

    def __str__(self) -> str:
        """`config` as YAML, and in comments the paper and where the values come from."""
        yaml: Any = importlib.import_module("yaml")
        head = [f"# {self.name}: {self.paper}"]
        sources = [f"#   {value}: {source}" for value, source in self.sources.items()]
        written: str = yaml.safe_dump(self.config(), sort_keys=False)
        return "\n".join([*head, "# Sources:", *sources, written])


def named(name: str) -> Preset:
    """The preset of this name.

    Raises:
        EncoderError: if there is none.
    """
    if name not in PRESETS:
        raise EncoderError(f"no preset is called {name!r}; expected one of {', '.join(PRESETS)}")
    return PRESETS[name]


_CONTRASTIVE = Supervision((Contrastive(),))
_MARGIN_MSE = Supervision((MarginMse(),))
_DISTILLED = {"supervision": "the teacher is a cross-encoder, as in SPLADE v2"}
_RISES = 50_000
"""Steps until λ is reached, of SPLADE-max; the framework's default length is three times that."""

_CONSTANT = Binary(weight=0.3, learned=True)

_ALL = (
    Preset(
        "deepct",
        "Dai & Callan 2019, Context-Aware Sentence/Passage Term Importance Estimation",
        SparseModel(
            query=Mlp(Weighting("identity", "identity")),
            document=Mlp(Weighting("identity", "identity")),
            supervision=Supervision((TermRecall(),)),
        ),
        lr=5e-6,
        batch_size=32,
        steps=None,
        epochs=5,
        warm_up=0,
        negatives=0,
        differs={
            "lr": _FRAMEWORK,
            "batch_size": _FRAMEWORK,
            "epochs": _FRAMEWORK,
            "warm_up": _OURS,
        },
    ),
    Preset(
        "unicoil",
        "Lin & Ma 2021, A Few Brief Notes on DeepImpact, COIL, and a Conceptual Framework",
        SparseModel(query=Mlp(PLAIN), document=Mlp(PLAIN), supervision=_CONTRASTIVE),
    ),
    Preset(
        "unicoil-dt5q",
        "Lin & Ma 2021; documents expanded by docT5query (Nogueira & Lin 2019)",
        SparseModel(query=Mlp(PLAIN), document=ExpMlp(PLAIN), supervision=_CONTRASTIVE),
    ),
    Preset(
        "unicoil-tilde",
        "Lin & Ma 2021; documents expanded by TILDE (Zhuang & Zuccon 2021)",
        SparseModel(query=Mlp(PLAIN), document=ExpMlp(PLAIN), supervision=_CONTRASTIVE),
    ),
    Preset(
        "deepimpact",
        "Mallia et al. 2021, Learning Passage Impacts for Inverted Indexes",
        SparseModel(query=_CONSTANT, document=ExpMlp(PLAIN), supervision=_CONTRASTIVE),
    ),
    Preset(
        "tilde",
        "Zhuang & Zuccon 2021, TILDE: Term Independent Likelihood moDEl for Passage Re-ranking",
        SparseModel(query=_CONSTANT, document=ClsMlm(SPLADE), supervision=_CONTRASTIVE),
        differs={"document.weighting": _OURS},
    ),
    Preset(
        "tildev2",
        "Zhuang & Zuccon 2021, Fast Passage Re-ranking with Contextualized Exact Term Matching",
        SparseModel(query=_CONSTANT, document=ExpMlp(PLAIN), supervision=_CONTRASTIVE),
    ),
    Preset(
        "sparta",
        "Zhao et al. 2021, SPARTA: Efficient Open-Domain Question Answering via Sparse Matching",
        SparseModel(query=_CONSTANT, document=Mlm(SPLADE), supervision=_CONTRASTIVE),
    ),
    Preset(
        "epic",
        "MacAvaney et al. 2020, Expansion via Prediction of Importance with Contextualization",
        SparseModel(
            query=Mlp(SOFTPLUS),
            document=Epic(SOFTPLUS),
            regularization=Regularization(document=TopK(400)),
            supervision=Supervision((OneMinusSoftmax(),)),
        ),
        batch_size=16,
        steps=2432,
        warm_up=0,
        differs={"lr": _FRAMEWORK, "batch_size": _FRAMEWORK, "steps": _FRAMEWORK, "warm_up": _OURS},
    ),
    Preset(
        "splade-max",
        "Formal et al. 2021, SPLADE v2",
        SparseModel(
            query=Mlm(SPLADE),
            document=Mlm(SPLADE),
            regularization=Regularization(Flops(0.01, _RISES), Flops(0.05, _RISES)),
            supervision=_CONTRASTIVE,
        ),
        lr=5e-6,
        batch_size=8,
        steps=None,
        epochs=5,
        negatives=7,
        differs={
            "lr": _FRAMEWORK,
            "batch_size": _FRAMEWORK,
            "epochs": _FRAMEWORK,
            "negatives": "framework configurations: groups of 8 with negatives of BM25",
        },
    ),
    Preset(
        "distilsplade-max",
        "Formal et al. 2021, SPLADE v2",
        SparseModel(
            query=Mlm(SPLADE),
            document=Mlm(SPLADE),
            regularization=Regularization(Flops(0.1, _RISES), Flops(0.08, _RISES)),
            supervision=_MARGIN_MSE,
        ),
        differs={**_DISTILLED, "regularization.steps": _OURS},
    ),
    Preset(
        "distilsplade-sep",
        "Nguyen et al. 2023, A Unified Framework for Learned Sparse Retrieval",
        SparseModel(
            query=Mlm(SPLADE),
            document=Mlm(SPLADE),
            regularization=Regularization(Flops(0.1, _RISES), Flops(0.08, _RISES)),
            supervision=_MARGIN_MSE,
            shared=False,
        ),
        differs={**_DISTILLED, "regularization.steps": _OURS},
    ),
    Preset(
        "no-query-expansion",
        "Nguyen et al. 2023, A Unified Framework for Learned Sparse Retrieval",
        SparseModel(
            query=Mlp(SPLADE),
            document=Mlm(SPLADE),
            regularization=Regularization(document=Flops(0.08, _RISES)),
            supervision=_MARGIN_MSE,
            shared=False,
        ),
        differs={**_DISTILLED, "regularization.steps": _OURS},
    ),
    Preset(
        "tripclick",
        "Nguyen et al. 2023, A Unified Framework for Learned Sparse Retrieval",
        SparseModel(
            query=Mlp(SPLADE),
            document=Mlm(SPLADE),
            regularization=Regularization(document=L1(1e-5, 150_000)),
            supervision=_CONTRASTIVE,
            shared=False,
        ),
        limits=Limits(query=250, document=512),
        batch_size=16,
        differs={"limits": _FRAMEWORK, "batch_size": _FRAMEWORK, "supervision": _OURS},
    ),
    Preset(
        "splade-doc",
        "Formal et al. 2021, SPLADE v2",
        SparseModel(
            query=Binary(repeats="set"),
            document=Mlm(SPLADE),
            regularization=Regularization(document=Flops(0.05, _RISES)),
            supervision=_CONTRASTIVE,
        ),
        differs={"regularization": _OURS, "supervision": _OURS},
    ),
    Preset(
        "efficient-splade",
        "Lassance & Clinchant 2022, An Efficiency Study for SPLADE Models",
        SparseModel(
            query=Mlm(SPLADE),
            document=Mlm(SPLADE),
            regularization=Regularization(L1(5e-4, _RISES), Flops(5e-4, _RISES)),
            supervision=_MARGIN_MSE,
            shared=False,
        ),
        limits=Limits(query=256, document=256),
        steps=250_000,
        differs={
            "lr": "naver/splade configuration",
            "batch_size": "naver/splade configuration",
            "steps": "naver/splade configuration",
            "limits": "naver/splade configuration",
            "regularization.strength": _OURS,
            "regularization.steps": _OURS,
            "supervision": "the paper distils; which loss is ours",
        },
    ),
    Preset(
        "li-lsr",
        "Nardini et al. 2025, Effective Inference-Free Retrieval (Li-LSR, SIGIR 2025)",
        SparseModel(
            query=Table("linear"),
            document=Mlm(SPLADE),
            regularization=Regularization(document=L1(1e-3, _RISES)),
            supervision=Supervision((Kl(),)),
        ),
        differs={
            "steps": "the paper",
            "negatives": "the paper",
            "regularization.strength": _OURS,
            "regularization.steps": _OURS,
        },
    ),
    Preset(
        "opensearch-doc",
        "Geng et al. 2024 and Shen et al. 2025 (arXiv 2411.04403, 2504.14839)",
        SparseModel(
            query=Table("idf"),
            document=Mlm(Weighting("relu", "log1p", log1p_twice=True), markers=True),
            regularization=Regularization(document=ThresholdedFlops(0.08, 40_000)),
            supervision=Supervision((Kl(),)),
        ),
        limits=Limits(query=256, document=256),
        batch_size=20,
        steps=100_000,
        differs=dict.fromkeys(
            ("model", "limits", "lr", "batch_size", "steps", "warm_up", "negatives"),
            "opensearch tuning sample",
        ),
    ),
)

PRESETS: Mapping[str, Preset] = MappingProxyType({preset.name: preset for preset in _ALL})
