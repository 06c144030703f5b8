"""What would an adapter say of queries that it has never seen? Every query is held out once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import CalibrationError
from lexmax.relevance.adapter import Adapter
from lexmax.relevance.adapter_training import train_adapter
from lexmax.relevance.designs import AdapterDesign, TrainingRules
from lexmax.relevance.judged import JudgedList


@dataclass(frozen=True, slots=True)
class CrossFitted:
    """An adapter trained on all queries, and what others, trained without it, say of each.

    Attributes:
        design: of the adapter.
        adapter: trained on all queries, as many steps as was best without those held out.
        held_out: probabilities of each list by the adapter that has not seen it.
        loss: cross-entropy of these, a pair.
    """

    design: AdapterDesign
    adapter: Adapter
    held_out: list[NDArray[np.float32]]
    loss: float


def folds(n: int, share: float, *, seed: int) -> list[NDArray[np.int64]]:
    """Places of 0 to n in parts of about `share` of them, at least two parts; each place once."""
    n_parts = min(max(round(1 / share), 2), n)
    order = np.random.default_rng(seed).permutation(n)
    return [np.sort(order[i::n_parts]) for i in range(n_parts)]


def cross_fit(
    lists: Sequence[JudgedList],
    designs: Sequence[AdapterDesign],
    *,
    share: float,
    rules: TrainingRules,
    advance: Callable[[int, int], None],
) -> CrossFitted:
    """The design whose held-out queries have the lowest cross-entropy, trained on all queries.

    `advance` is told (adapters trained, adapters to train).

    Raises:
        CalibrationError: if no design is given, or all pairs of a part are relevant, or none is.
    """
    if not designs:
        raise CalibrationError("no design is given; expected one or more; name one")
    parts = folds(len(lists), share, seed=rules.seed)
    total = len(designs) * len(parts) + 1
    tried: list[_Tried] = []
    for design in designs:
        tried.append(_tried(lists, design, parts, rules))
        advance(len(tried) * len(parts), total)
    # Of equal ones the first: the simplest.
    best = min(tried, key=lambda one: one.loss)
    steps = replace(rules, steps=int(np.median(best.steps)))
    final = train_adapter(lists, [], design=best.design, rules=steps)
    advance(total, total)
    return CrossFitted(best.design, final.adapter, best.held_out, best.loss)


@dataclass(frozen=True, slots=True)
class _Tried:
    """A design: what is said of held-out lists, its cross-entropy, and the best step a part."""

    design: AdapterDesign
    held_out: list[NDArray[np.float32]]
    loss: float
    steps: list[int]


def _tried(
    lists: Sequence[JudgedList],
    design: AdapterDesign,
    parts: Sequence[NDArray[np.int64]],
    rules: TrainingRules,
) -> _Tried:
    held_out: list[NDArray[np.float32]] = [np.zeros(0, np.float32)] * len(lists)
    steps: list[int] = []
    for part in parts:
        places: list[int] = part.tolist()
        unseen = [lists[place] for place in places]
        chosen = set(places)
        seen = [one for place, one in enumerate(lists) if place not in chosen]
        trained = train_adapter(seen, unseen, design=design, rules=rules)
        for place, one in zip(places, unseen, strict=True):
            held_out[place] = trained.adapter.probabilities(one.scores, one.query)
        steps.append(trained.step)
    return _Tried(design, held_out, _loss(lists, held_out), steps)


def _loss(lists: Sequence[JudgedList], probabilities: Sequence[NDArray[np.float32]]) -> float:
    """Cross-entropy a pair; a float32 that rounds to 0 or 1 costs much, but not all."""
    labels = np.concatenate([one.labels for one in lists]).astype(np.float64)
    p = np.clip(np.concatenate(probabilities).astype(np.float64), 1e-12, 1 - 1e-7)
    return float(-np.mean(labels * np.log(p) + (1 - labels) * np.log1p(-p)))
