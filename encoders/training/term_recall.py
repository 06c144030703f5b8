"""Which share of the queries that a document answers has each of its tokens?"""

from dataclasses import dataclass

import numpy as np
import torch

from lexmax.encoders.heads.scatter import scatter
from lexmax.encoders.training.states import TextStates


@dataclass(frozen=True, slots=True)
class TermRecallLabels:
    """What DeepCT learns (Dai & Callan 2019), of the P documents that are a query's positive.

    Attributes:
        rows: Which documents of the batch these are, int64 (P,).
        labels: Shares of their queries, 0 to 1, for each position, float32 (P, width).
        weights: How much they count: the mean of their queries' samples, float32 (P,).
    """

    rows: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor


def distinct(ids: torch.Tensor) -> torch.Tensor:
    """Different ones of these ids, ascending, on the same device."""
    return torch.as_tensor(np.unique(ids.cpu().numpy())).to(ids.device)


def term_recall_labels(
    queries: TextStates,
    documents: TextStates,
    positives: torch.Tensor,
    weights: torch.Tensor,
    *,
    n_terms: int,
) -> TermRecallLabels:
    """Labels from the tokens of a batch.

    A query that comes in another batch counts there: squared error draws a weight to the mean of
    its labels, which is the share over all queries.

    Args:
        queries: Tokens of B queries.
        documents: Tokens of D documents.
        positives: The document that answers each query, int64 (B,).
        weights: How much each sample counts, (B,).
        n_terms: Terms of the vocabulary.
    """
    present = torch.ones_like(queries.ids, dtype=torch.float32)
    has = scatter(queries.ids, present, queries.content, n_terms=n_terms, how="max")
    rows = distinct(positives)
    answers = (positives[None, :] == rows[:, None]).float()
    answers = answers / answers.sum(dim=1, keepdim=True)
    shares = (answers @ has).gather(1, documents.ids[rows])
    return TermRecallLabels(rows, shares, answers @ weights.float())
