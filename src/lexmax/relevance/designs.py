"""What adapter is to be trained, and how?"""

from dataclasses import dataclass

from lexmax.relevance.adapter import QueryInput, Scale
from lexmax.relevance.maps import MapForm


@dataclass(frozen=True, slots=True)
class AdapterDesign:
    """What is trained.

    Attributes:
        form: of the map.
        inputs: what of a query the map depends on.
        scale: of scores, before the map.
        depth: how many of a query's best scores its numbers were taken from.
    """

    form: MapForm = "power"
    inputs: QueryInput = "features"
    scale: Scale = "query"
    depth: int = 100


@dataclass(frozen=True, slots=True)
class TrainingRules:
    """How it is trained.

    Attributes:
        steps: of AdamW, at most.
        rate: learning rate of the numbers that all queries share.
        negatives: a query, drawn anew every fifty steps.
        patience: measurements without a better one before it ends, ten steps each.
        hidden: units of the network.
        seed: of first weights and of what is drawn.
    """

    steps: int = 600
    rate: float = 0.03
    negatives: int = 100
    patience: int = 15
    hidden: int = 64
    seed: int = 42
