"""What is a document worth when only the best tokens of the whole batch are seen?

XTR (arXiv 2304.01982, section 3): a first stage retrieves tokens, not documents, and what it does
not retrieve it cannot score. Training under the same truncation makes the tokens that matter come
up first, so that missing scores may be imputed. On models that were not trained so, imputation is
unsound (27.7 against 37.4 MRR@10 in the paper), which is why the fingerprint of an encoder says it.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from lexmax.encoders.training.token_maxima import PaddedTokens, token_maxima
from lexmax.errors import EncoderError


@dataclass(frozen=True, slots=True)
class Xtr:
    """XTR's in-batch objective: f = (1/Z) sum over i of max over j of A_ij <q_i, d_j>.

    A_ij is 1 where document token j is among the `retrieved` best ones of query token i over ALL
    documents of the batch, and Z the number of query tokens that retrieved any token of the
    document; f is 0 where that is none. What is not retrieved is left out before the maximum, not
    multiplied by 0, which would win against negative products. Tokens that tie with the last one
    retrieved are retrieved too, so that the order of documents does not matter.

    Attributes:
        retrieved: k_train of the paper, which tried 32 to 320: few when few tokens will be
            retrieved in search, many when many. Padding never counts.

    Raises:
        EncoderError: if it is below 1.
    """

    retrieved: int = 256

    def __post_init__(self) -> None:
        if self.retrieved < 1:
            raise EncoderError(f"xtr: retrieved is {self.retrieved}; expected 1 or more")

    @property
    def objective(self) -> Literal["maxsim", "xtr"]:
        """What the fingerprint of an encoder trained so says."""
        return "xtr"

    @property
    def mean(self) -> bool:
        """A score is divided by the tokens that count."""
        return True

    def scores(self, queries: PaddedTokens, documents: PaddedTokens) -> Tensor:
        """Scores f of all pairs, (n_queries, n_documents), -1 to 1 for vectors of length one."""
        found = token_maxima(queries, documents, n=self.retrieved)
        last = torch.zeros_like(found.best[..., 0]) if found.nth is None else found.nth
        # A document without tokens has -inf, which no `last` but -inf itself lets in.
        retrieved = (found.best >= last[..., None]) & (found.best > -torch.inf)
        retrieved = retrieved & queries.mask[..., None]
        sums = torch.where(retrieved, found.best, 0).sum(dim=1)
        return sums / retrieved.sum(dim=1).clamp(min=1)
