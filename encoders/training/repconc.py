"""Which codes do the documents of a batch get when all centroids are to be used alike?

RepCONC (arXiv 2110.05789, section 4) trains codes together with the encoder. Nearest centroids
alone would leave most of them unused, so codes are assigned by optimal transport: of all plans
that give each document the share 1/B and each centroid 1/K, the one of least cost but for an
entropy of strength epsilon (Sinkhorn; Cuturi 2013), and of that the largest entry of each
document. Only in training: searched codes are those of the nearest centroids by the final encoder.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from lexmax.errors import EncoderError

# Scalings below this, or above its inverse, are folded into the logarithms before they vanish.
_SMALLEST = 1e-100


@dataclass(frozen=True, slots=True)
class Balance:
    """How strictly centroids are used alike.

    Attributes:
        epsilon: Strength of the entropy, in units of half the range of distances; the paper's
            code has .003.
        rounds: Of Sinkhorn's algorithm.

    Raises:
        EncoderError: unless both are above 0.
    """

    epsilon: float = 0.003
    rounds: int = 100

    def __post_init__(self) -> None:
        if not self.epsilon > 0 or self.rounds < 1:
            raise EncoderError(
                f"epsilon is {self.epsilon} and rounds {self.rounds}; expected both above 0"
            )

    def codes(self, distances: Tensor) -> Tensor:
        """Balanced codes, int64 (B, subspaces).

        Args:
            distances: From the centroids, (subspaces, B, K).
        """
        return self.plan(distances).argmax(dim=2).T

    @torch.no_grad()
    def plan(self, distances: Tensor) -> Tensor:
        """Logarithms of the transport plan, float64 (subspaces, B, K).

        Rows sum to 1/B exactly, columns to 1/K as far as the rounds have come. Distances are
        centred and divided by half their range in each subspace, as in the paper's code. All is
        done in logarithms: e^(-d / epsilon) of float32 is 0 for nearly all d.
        """
        if distances.numel() == 0:
            return distances.double()
        wide = distances.double()
        low, high = wide.amin(dim=(1, 2), keepdim=True), wide.amax(dim=(1, 2), keepdim=True)
        half = (high - low) / 2
        logs = -(wide - (high + low) / 2) / torch.where(half > 0, half, 1) / self.epsilon
        return _scaled(logs, self.rounds)


def _scaled(logs: Tensor, rounds: int) -> Tensor:
    """`rounds` times columns, then rows, made to sum to their shares.

    A round in logarithms costs twenty times one by factors, so factors are kept apart from the
    logarithms while they are of a size that float64 can multiply, and folded in before.
    """
    done = 0
    while done < rounds:
        logs = _by_rows(_by_columns(logs))
        done += 1
        logs, done = _by_factors(logs, done, rounds)
    return logs


def _by_columns(logs: Tensor) -> Tensor:
    return logs - logs.logsumexp(dim=1, keepdim=True) - _log(logs.shape[2])


def _by_rows(logs: Tensor) -> Tensor:
    return logs - logs.logsumexp(dim=2, keepdim=True) - _log(logs.shape[1])


def _by_factors(logs: Tensor, done: int, rounds: int) -> tuple[Tensor, int]:
    """More rounds of the same, as long as no factor leaves what float64 can hold."""
    kernel = logs.exp()
    n_rows, n_columns = logs.shape[1:]
    of_rows = logs.new_ones(*logs.shape[:2], 1)
    of_columns = logs.new_ones(len(logs), n_columns, 1)
    while done < rounds:
        columns = 1 / (n_columns * (kernel.transpose(1, 2) @ of_rows))
        rows = 1 / (n_rows * (kernel @ columns))
        if not (_fits(columns) and _fits(rows)):
            break
        of_rows, of_columns, done = rows, columns, done + 1
    return logs + of_rows.log() + of_columns.log().transpose(1, 2), done


def _fits(factors: Tensor) -> bool:
    return bool(((factors > _SMALLEST) & (factors < 1 / _SMALLEST)).all())


def _log(n: int) -> float:
    return float(torch.tensor(n, dtype=torch.float64).log())


def straight_through(continuous: Tensor, quantised: Tensor) -> Tensor:
    """The value of `quantised`, with its gradient to both (Bengio et al. 2013)."""
    return quantised + (continuous - continuous.detach())


def squared_error(continuous: Tensor, quantised: Tensor) -> Tensor:
    """Mean over vectors (n, dim) of the squared distance, with gradients to both; 0 of none."""
    return (continuous - quantised).square().sum() / max(len(continuous), 1)
