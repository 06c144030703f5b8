"""What is the one vector of a text?

Reimers & Gurevych, "Sentence-BERT", EMNLP 2019; Karpukhin et al., "Dense Passage Retrieval", EMNLP
2020: the states of a transformer, pooled into one vector.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from lexmax.encoders.backbone import Backbone, States
from lexmax.encoders.marked_texts import NO_PROMPT, MarkedTexts
from lexmax.encoders.shared_pass import Head, TokenRows
from lexmax.encoders.state_pooling import pooled, require_modes
from lexmax.encoders.trunk import MINILM, open_trunk
from lexmax.errors import EncoderError


@dataclass(frozen=True, slots=True)
class StatePooling:
    """How states become one vector.

    Attributes:
        modes: Names out of `state_pooling.MODES`; what they give stands one behind the other.
        prompt_counts: Whether the tokens of a prompt are pooled as well.

    Raises:
        EncoderError: if a mode is unknown.
    """

    modes: tuple[str, ...] = ("mean",)
    prompt_counts: bool = True

    def __post_init__(self) -> None:
        require_modes(self.modes)


class BiEncoder:
    """A vector a text, of queries and of documents apart; scores are dot products.

    A text without words gives zeros. May be used from many threads.

    Attributes:
        backbone: Gives the states.
        pooling: How they become one.
        queries: How queries become tokens.
        documents: How documents do.
    """

    def __init__(
        self,
        backbone: Backbone,
        pooling: StatePooling,
        finish: Callable[[torch.Tensor], torch.Tensor],
        *,
        spec: str,
        fingerprint: str,
        dim: int,
        queries: MarkedTexts,
        documents: MarkedTexts,
        reading: str = "",
    ) -> None:
        """`finish` takes pooled states (n, ...) to vectors (n, dim).

        `reading` names how texts of both sides become rows, as of `Head`.
        """
        self.backbone = backbone
        self.pooling = pooling
        self.queries = queries
        self.documents = documents
        self._finish = finish
        self._spec = spec
        self._fingerprint = fingerprint
        self._dim = dim
        self._reading = reading

    @property
    def spec(self) -> str:
        """What `Encoders.dense` makes this very encoder from."""
        return self._spec

    @property
    def fingerprint(self) -> str:
        """Files and parameters that vectors depend on; not where the files are."""
        return self._fingerprint

    @property
    def dim(self) -> int:
        """Coordinates of a vector."""
        return self._dim

    def document_head(self) -> Head[NDArray[np.float32]]:
        """What can share a pass with other encoders over the same transformer."""
        return self._head(self.documents)

    def query_head(self) -> Head[NDArray[np.float32]]:
        """As `document_head`."""
        return self._head(self.queries)

    def encode_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One row a text, float32 (n_texts, dim)."""
        return self.document_head().encode(texts)

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One row a text, float32 (n_texts, dim)."""
        return self.query_head().encode(texts)

    def _head(self, side: MarkedTexts) -> Head[NDArray[np.float32]]:
        skipped = 0 if self.pooling.prompt_counts or side.prompt == NO_PROMPT else side.n_prompt

        def sink(rows: TokenRows) -> PooledVectors:
            return PooledVectors(
                len(rows.ids),
                self._dim,
                modes=self.pooling.modes,
                finish=self._finish,
                skipped=skipped,
            )

        return Head(self.backbone, lambda texts: TokenRows(side.rows(texts)), sink, self._reading)


class PooledVectors:
    """A sink that pools the states of each text and keeps one vector of each.

    Attributes:
        vectors: float32 (n_texts, dim); zeros for texts whose states did not come.
    """

    def __init__(
        self,
        n_texts: int,
        dim: int,
        *,
        modes: Sequence[str],
        finish: Callable[[torch.Tensor], torch.Tensor],
        skipped: int = 0,
    ) -> None:
        """`skipped` leading tokens of each text are not pooled."""
        self.vectors = np.zeros((n_texts, dim), dtype=np.float32)
        self._modes = modes
        self._finish = finish
        self._skipped = skipped

    def take(self, states: States) -> None:
        """Keep the vectors of these rows."""
        mask = states.mask.clone()
        mask[:, : self._skipped] = False
        with torch.inference_mode():
            vectors = self._finish(pooled(states.hidden, mask, self._modes))
        self.vectors[states.rows] = vectors.cpu().numpy()

    def batch(self) -> NDArray[np.float32]:
        """The vectors, once all states were taken."""
        return self.vectors


def minilm_pooled(*, max_tokens: int = 256) -> BiEncoder:
    """The mean of MiniLM's states, markers counted, divided by its length: 384 coordinates.

    This is what all-MiniLM-L6-v2 was trained for; its weights come with a package.

    Raises:
        EncoderError: if `max_tokens` is not 3 to 512, or the weights are not there.
    """
    trunk = open_trunk(MINILM)
    if not 2 < max_tokens <= trunk.longest:
        raise EncoderError(
            f"minilm-pooled: max_tokens is {max_tokens}; expected 3 to {trunk.longest}"
        )
    texts = MarkedTexts(trunk.pieces, max_tokens)
    spec = f"minilm-pooled?max_tokens={max_tokens}"
    return BiEncoder(
        trunk.backbone,
        StatePooling(),
        lambda pooled: torch.nn.functional.normalize(pooled, dim=-1),
        spec=spec,
        fingerprint=f"{spec}&files={trunk.backbone.fingerprint}&version=1",
        dim=trunk.backbone.dim,
        queries=texts,
        documents=texts,
        reading=f"{MINILM}:{max_tokens}",
    )
