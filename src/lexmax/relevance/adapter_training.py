"""How is an adapter trained? By cross-entropy over pairs; the encoders stay as they are.

Negatives are sampled, and the logit is corrected by the logarithm of their share (methods of
rare-event sampling: King & Zeng 2001), so that probabilities are those of all candidates.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from lexmax.errors import CalibrationError
from lexmax.relevance import maps
from lexmax.relevance.adapter import (
    Adapter,
    Network,
    QueryInput,
    Scale,
    Scaling,
    network_inputs,
)
from lexmax.relevance.designs import AdapterDesign, TrainingRules
from lexmax.relevance.judged import JudgedList

_OUTPUT_STD = 1e-3
_SMALLEST_WIDTH = 1e-6
_MEASURED_EVERY = 10
_DRAWN_EVERY = 50
_POSITIVE = 0.5
# Learning rate and weight decay of the network: a vector has hundreds of coordinates, by which a
# few queries are soon learnt by heart.
_NETWORK_RATES = {"features": (3e-3, 0.1), "vector": (1e-3, 1.0)}

Parts: TypeAlias = "dict[str, torch.Tensor]"


@dataclass(frozen=True, slots=True)
class TrainedAdapter:
    """An adapter, the step it was best at, and its cross-entropy a held-out pair then."""

    adapter: Adapter
    step: int
    loss: float


def train_adapter(
    lists: Sequence[JudgedList],
    held_out: Sequence[JudgedList],
    *,
    design: AdapterDesign,
    rules: TrainingRules | None = None,
) -> TrainedAdapter:
    """Train on lists; of all steps, the one best on held-out lists is kept.

    Without held-out lists it is the last step.

    Raises:
        CalibrationError: if all pairs are relevant, or none is.
        QueryError: if the design needs what the queries do not have.
    """
    rules = rules or TrainingRules()
    scaling = _fitted_scaling(lists, design.scale)
    if design.form == "raw":
        shared = np.zeros(0, dtype=np.float64)
        return TrainedAdapter(Adapter("raw", "none", scaling, design.depth, shared), 0, np.nan)
    torch_rng = torch.Generator().manual_seed(rules.seed)
    known = [] if design.inputs == "none" else _inputs(design.inputs, lists)
    model = _Model.initial(design, known, lists, rules.hidden, torch_rng)
    pairs = _Pairs.of(lists, scaling, design.inputs, model)
    measured = _Pairs.of(held_out, scaling, design.inputs, model) if held_out else None
    step, loss = _fit(model, pairs, measured, rules=rules, generator=torch_rng)
    adapter = Adapter(
        design.form, design.inputs, scaling, design.depth, model.shared_array(), model.network()
    )
    return TrainedAdapter(adapter, step, loss)


def _fitted_scaling(lists: Sequence[JudgedList], scale: Scale) -> Scaling:
    """Constants by which scores of documents that are not relevant have mean 0 and deviation 1."""
    plain = Scaling(scale)
    rows = [plain.scaled(one.scores, one.query)[one.labels < _POSITIVE] for one in lists]
    x = np.concatenate([np.zeros(0), *rows])
    n_pairs = sum(len(one) for one in lists)
    if not 0 < len(x) < n_pairs:
        found = "no pair is relevant" if len(x) else "every pair is relevant"
        raise CalibrationError(
            f"of {n_pairs:,} pairs of query and document, {found}; expected some of each; check "
            "that the judgements belong to this collection, and from which grade on one counts"
        )
    x = x[np.isfinite(x)]
    width = float(x.std()) if len(x) else 0.0
    return Scaling(scale, float(x.mean()) if len(x) else 0.0, width if width > 0 else 1.0)


def _inputs(inputs: QueryInput, lists: Sequence[JudgedList]) -> list[NDArray[np.float64]]:
    return [network_inputs(inputs, one.query) for one in lists]


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Lists padded to one length: x, labels, present (n, m); inputs (n, D) or none."""

    x: torch.Tensor
    labels: torch.Tensor
    present: torch.Tensor
    inputs: torch.Tensor | None

    @staticmethod
    def of(
        lists: Sequence[JudgedList], scaling: Scaling, inputs: QueryInput, model: "_Model"
    ) -> "_Pairs":
        longest = max(len(one) for one in lists)
        x = np.zeros((len(lists), longest), dtype=np.float32)
        labels, present = np.zeros_like(x), np.zeros_like(x, dtype=bool)
        for i, one in enumerate(lists):
            scaled = scaling.scaled(one.scores, one.query)
            usable = np.isfinite(scaled)
            x[i, : len(one)] = np.where(usable, scaled, 0.0)
            labels[i, : len(one)], present[i, : len(one)] = one.labels, usable
        known = None if inputs == "none" else model.scaled_inputs(_inputs(inputs, lists))
        return _Pairs(torch.tensor(x), torch.tensor(labels), torch.tensor(present), known)

    def sampled(self, negatives: int, generator: torch.Generator) -> "tuple[_Pairs, torch.Tensor]":
        """All relevant pairs and about so many others a query; log of the share of these, (n, 1).

        Soft labels are all kept: the correction holds where a label is 0 or 1.
        """
        hard = bool(torch.all((self.labels == 0) | (self.labels == 1)))
        others = self.present & (self.labels == 0)
        counts = others.sum(1, keepdim=True).clamp(min=1)
        if not hard or int(counts.max()) <= negatives:
            return self, torch.zeros(len(self.x), 1)
        # Negatives are drawn by the smallest of random numbers; relevant ones come before all.
        draws = torch.rand(self.x.shape, generator=generator)
        draws[self.present & ~others] = -1.0
        draws[~self.present] = 2.0
        n_relevant = int((self.present & ~others).sum(1).max())
        width = min(negatives + n_relevant, self.x.shape[1])
        order = draws.topk(width, dim=1, largest=False).indices
        ranks = (draws.gather(1, order) >= 0).cumsum(1)
        kept = self.present.gather(1, order) & (ranks <= negatives)
        share = (negatives / counts).clamp(max=1.0)
        drawn = _Pairs(self.x.gather(1, order), self.labels.gather(1, order), kept, self.inputs)
        return drawn, torch.log(share)


class _Model:
    """The adapter while it learns; the same formulas as `maps` and `Adapter`, in torch."""

    def __init__(self, design: AdapterDesign, scales: Parts, parts: Parts) -> None:
        self.design, self._scales, self.parts = design, scales, parts

    @staticmethod
    def initial(
        design: AdapterDesign,
        known: Sequence[NDArray[np.float64]],
        lists: Sequence[JudgedList],
        hidden: int,
        generator: torch.Generator,
    ) -> "_Model":
        """Begins with one map for all queries: slope 1, and the base rate where x is 0."""
        labels = np.concatenate([one.labels for one in lists])
        rate = float(np.clip(labels.mean(), 1e-6, 1 - 1e-6))
        shared = maps.neutral(design.form, logit=float(np.log(rate / (1 - rate))))
        parts = {"shared": torch.tensor(shared, dtype=torch.float32)}
        scales: Parts = {}
        if design.inputs != "none":
            rows = np.stack(known)
            dim, bound = rows.shape[1], rows.shape[1] ** -0.5
            centers, widths = np.zeros(dim), np.ones(dim)
            if design.inputs == "features":
                centers, widths = rows.mean(0), rows.std(0)
                widths = np.where(widths > _SMALLEST_WIDTH, widths, 1.0)
            scales = {"centers": torch.tensor(centers), "widths": torch.tensor(widths)}
            parts["hidden"] = (torch.rand(hidden, dim, generator=generator) * 2 - 1) * bound
            parts["biases"] = (torch.rand(hidden, generator=generator) * 2 - 1) * bound
            parts["outputs"] = torch.randn(len(shared), hidden, generator=generator) * _OUTPUT_STD
        for part in parts.values():
            part.requires_grad_(True)
        return _Model(design, scales, parts)

    def scaled_inputs(self, known: Sequence[NDArray[np.float64]]) -> torch.Tensor:
        """Inputs of a network, (n, D)."""
        rows = torch.tensor(np.stack(known))
        scaled: torch.Tensor = (rows - self._scales["centers"]) / self._scales["widths"]
        return scaled.float()

    def logits(self, pairs: _Pairs) -> torch.Tensor:
        """F of every pair, (n, m)."""
        free = self.parts["shared"].expand(len(pairs.x), -1)
        if pairs.inputs is not None:
            inner = functional.linear(pairs.inputs, self.parts["hidden"], self.parts["biases"])
            units = functional.gelu(inner, approximate="tanh")
            free = free + functional.linear(units, self.parts["outputs"])
        slope = functional.softplus(free[:, 0:1]) + maps.SMALLEST_SLOPE
        exponent = maps.fixed_exponent(self.design.form)
        if exponent == 1.0:
            return slope * pairs.x + free[:, 1:2]
        size = pairs.x.abs().clamp(min=maps.SMALLEST_X)
        if exponent is None:
            size = size ** (1.0 + torch.tanh(free[:, 2:3] / 2)).clamp(*maps.EXPONENTS)
        else:
            size = size**exponent
        return torch.sign(pairs.x) * slope * size + free[:, 1:2]

    def shared_array(self) -> NDArray[np.float64]:
        return _array(self.parts["shared"])

    def network(self) -> Network | None:
        if self.design.inputs == "none":
            return None
        found = {name: _array(part) for name, part in (self._scales | self.parts).items()}
        found.pop("shared")
        return Network(**found)


def _array(values: torch.Tensor) -> NDArray[np.float64]:
    array: NDArray[np.float64] = values.detach().double().numpy().copy()
    return array


def _fit(
    model: _Model,
    pairs: _Pairs,
    measured: _Pairs | None,
    *,
    rules: TrainingRules,
    generator: torch.Generator,
) -> tuple[int, float]:
    """Steps until held-out pairs get no better; leaves the best parameters in the model."""
    optimiser = _optimiser(model, rules)
    best = _Best(model.parts)
    drawn, shift = pairs, torch.zeros(1)
    for step in range(rules.steps + 1):
        due = measured if step % _MEASURED_EVERY == 0 else None
        if due is not None and best.is_over(model, due, step, rules.patience):
            break
        if step % _DRAWN_EVERY == 0:
            drawn, shift = pairs.sampled(rules.negatives, generator)
        if step == rules.steps:
            break
        optimiser.zero_grad()
        torch.autograd.backward(_loss(model.logits(drawn) - shift, drawn))
        optimiser.step()
    return best.restored(model) if measured is not None else (rules.steps, float("nan"))


def _optimiser(model: _Model, rules: TrainingRules) -> torch.optim.Optimizer:
    network = [part for name, part in model.parts.items() if name != "shared"]
    groups = [{"params": [model.parts["shared"]], "lr": rules.rate, "weight_decay": 0.0}]
    if network:
        rate, decay = _NETWORK_RATES[model.design.inputs]
        groups.append({"params": network, "lr": rate, "weight_decay": decay})
    return torch.optim.AdamW(groups)


def _loss(logits: torch.Tensor, pairs: _Pairs) -> torch.Tensor:
    each = functional.binary_cross_entropy_with_logits(logits, pairs.labels, reduction="none")
    return torch.where(pairs.present, each, 0.0).sum() / pairs.present.sum().clamp(min=1)


class _Best:
    """The parameters that were best on held-out pairs."""

    def __init__(self, parts: Parts) -> None:
        self._parts = {name: part.detach().clone() for name, part in parts.items()}
        self._loss, self._step, self._worse = float("inf"), 0, 0

    def is_over(self, model: _Model, measured: _Pairs, step: int, patience: int) -> bool:
        """Measure once more; whether it was not better for too long."""
        with torch.no_grad():
            loss = float(_loss(model.logits(measured), measured))
        if loss < self._loss:
            self._parts = {name: part.detach().clone() for name, part in model.parts.items()}
            self._loss, self._step, self._worse = loss, step, 0
        else:
            self._worse += 1
        return self._worse >= patience

    def restored(self, model: _Model) -> tuple[int, float]:
        with torch.no_grad():
            for name, part in model.parts.items():
                part.copy_(self._parts[name])
        return self._step, self._loss
