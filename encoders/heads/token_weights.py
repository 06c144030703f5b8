"""What does a token weigh, whatever stands around it?"""

import torch

from lexmax.errors import EncoderError


class BinaryHead(torch.nn.Module):
    """The same weight for every token; a learned one is kept at zero or above."""

    def __init__(self, weight: float, *, learned: bool) -> None:
        """Begins at `weight`, and stays there unless it is learned."""
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(float(weight)), requires_grad=learned)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Weights of the shape of `ids`."""
        return torch.relu(self.weight).expand(ids.shape)


class TableHead(torch.nn.Module):
    """A weight for each term: idf, or learned; never below zero."""

    def __init__(self, weights: torch.Tensor, *, learned: bool) -> None:
        """Begins at `weights`, (n_terms,).

        Raises:
            EncoderError: if they are no finite numbers from zero on, one a term.
        """
        super().__init__()
        if weights.ndim != 1 or not bool((torch.isfinite(weights) & (weights >= 0)).all()):
            raise EncoderError(
                f"a table of query weights {tuple(weights.shape)}; expected (n_terms,), finite and "
                "none below zero"
            )
        self.weights = torch.nn.Parameter(weights.float().clone(), requires_grad=learned)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Weights of the shape of `ids`."""
        return torch.relu(self.weights[ids])

    def table(self) -> torch.Tensor:
        """Weights of all terms, (n_terms,)."""
        return torch.relu(self.weights)


class LinearTableHead(torch.nn.Module):
    """log1p(relu(⟨w, e_i⟩ + b)) of each term's input embedding (Li-LSR, SIGIR 2025).

    Attributes:
        embeddings: (n_terms, dim), those of the backbone. No gradient reaches them from here.
    """

    def __init__(self, embeddings: torch.nn.Parameter) -> None:
        """Begins near weight log 2 for every term; the rest is drawn by torch's generator."""
        super().__init__()
        self.embeddings = embeddings
        self.linear = torch.nn.Linear(embeddings.shape[1], 1)
        torch.nn.init.ones_(self.linear.bias)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Weights of the shape of `ids`."""
        return self._weights(self.embeddings[ids])

    def table(self) -> torch.Tensor:
        """Weights of all terms, (n_terms,): all that is needed after training."""
        return self._weights(self.embeddings)

    def _weights(self, embeddings: torch.Tensor) -> torch.Tensor:
        return torch.log1p(torch.relu(self.linear(embeddings.detach())[..., 0]))
