"""How fast is each parameter of a compressed encoder trained?"""

from typing import Any

from torch import nn


def compressed_groups(
    module: nn.Module, *, lr: float, weight_decay: float, centroid_lr: float
) -> list[dict[str, Any]]:
    """Matrices, which decay, vectors, which do not, and centroids, which have a rate of their own.

    Args:
        module: Has its quantiser as `quantizer`.
        lr: Learning rate of all but centroids.
        weight_decay: Of matrices.
        centroid_lr: Learning rate of centroids.
    """
    groups: dict[str, list[nn.Parameter]] = {"matrices": [], "vectors": [], "centroids": []}
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            if name == "quantizer.centroids":
                groups["centroids"].append(parameter)
            else:
                groups["matrices" if parameter.ndim > 1 else "vectors"].append(parameter)
    rates = {"matrices": (lr, weight_decay), "vectors": (lr, 0.0), "centroids": (centroid_lr, 0.0)}
    return [
        {"params": parameters, "lr": rates[name][0], "weight_decay": rates[name][1]}
        for name, parameters in groups.items()
        if parameters
    ]
