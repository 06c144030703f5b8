"""How does each term look to a transformer where it stands alone?"""

import numpy as np
import torch

from lexmax.encoders.backbone import States
from lexmax.encoders.trunk import Trunk


def anchors_of(trunk: Trunk) -> torch.Tensor:
    """The state of length one of every term between the markers, float32 (n_terms, dim).

    Terms that no text can have, and special tokens, have zeros.
    """
    pieces, alone = (
        trunk.pieces,
        _Alone(trunk.n_terms, trunk.backbone.dim, len(trunk.pieces.before)),
    )
    rows = [
        np.array([*pieces.before, term, *pieces.after], dtype=np.int64)
        if term in pieces.names and term not in trunk.special_ids
        else np.zeros(0, dtype=np.int64)
        for term in range(trunk.n_terms)
    ]
    trunk.backbone.run(rows, [alone])
    return alone.anchors


class _Alone:
    """Keeps the state at the place behind the opening markers."""

    def __init__(self, n_terms: int, dim: int, place: int) -> None:
        self.anchors = torch.zeros(n_terms, dim)
        self._place = place

    def take(self, states: States) -> None:
        unit = torch.nn.functional.normalize(states.hidden[:, self._place], dim=-1)
        self.anchors[torch.as_tensor(states.rows)] = unit.cpu()
