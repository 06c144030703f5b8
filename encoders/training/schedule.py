"""How large is the learning rate at a step?"""

import math
from typing import Literal, TypeAlias

Fall: TypeAlias = Literal["linear", "cosine", "constant"]


def share_of_lr(step: int, *, warm_up: int, steps: int, fall: Fall) -> float:
    """The share of the highest learning rate at optimiser step `step`, from 0 on.

    It rises in equal parts through the warm-up, whose first step has 1 / (warm_up + 1), and then
    falls so that the step after the last would have 0.
    """
    if step < warm_up:
        return (step + 1) / (warm_up + 1)
    left = max(steps - step, 0) / max(steps - warm_up, 1)
    if fall == "constant":
        return 1.0
    return left if fall == "linear" else (1 - math.cos(math.pi * left)) / 2
