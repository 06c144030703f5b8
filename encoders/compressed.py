"""What is a dense encoder whose documents are kept in a few bytes?"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lexmax.encoders.dense_sides import DenseSide
from lexmax.encoders.training.product_quantization import ProductQuantizer
from lexmax.errors import EncoderError

_TEXTS = 512


@dataclass(frozen=True, slots=True)
class CompressedParts:
    """Both sides of a dense encoder, and the quantiser of its documents.

    Attributes:
        queries: Vectors of queries.
        documents: Vectors of documents, before they are coded.
        quantizer: From vectors to codes, and what those stand for.

    Raises:
        EncoderError: if the coordinates differ.
    """

    queries: DenseSide
    documents: DenseSide
    quantizer: ProductQuantizer

    def __post_init__(self) -> None:
        dims = self.queries.dim, self.documents.dim, self.quantizer.dim
        if len(set(dims)) > 1:
            raise EncoderError(
                f"queries have {dims[0]} coordinates, documents {dims[1]} and the quantiser "
                f"{dims[2]}; expected one number"
            )

    @property
    def module(self) -> nn.ModuleDict:
        """All that has weights."""
        return nn.ModuleDict(
            {
                "queries": self.queries.module,
                "documents": self.documents.module,
                "quantizer": self.quantizer,
            }
        )


class CompressedEncoder:
    """A dense encoder whose documents are what their codes stand for.

    The dot product of a query with such a document is its ADC score, so that whatever searches
    dense vectors ranks as a search over the codes does. Documents without words are zeros.

    Attributes:
        parts: The model.
    """

    def __init__(self, parts: CompressedParts, *, spec: str, fingerprint: str) -> None:
        """Loads nothing."""
        self.parts = parts
        self._module = parts.module
        self._spec = spec
        self._fingerprint = fingerprint

    @property
    def spec(self) -> str:
        """What `Encoders.dense` makes this very encoder from."""
        return self._spec

    @property
    def fingerprint(self) -> str:
        """Weights, centroids and parameters of everything that vectors depend on."""
        return self._fingerprint

    @property
    def dim(self) -> int:
        """Coordinates of a vector."""
        return self.parts.quantizer.dim

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One row a text, float32 (n_texts, dim), not quantised."""
        return self._encoded(self.parts.queries, texts).numpy()

    def encode_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One row a text, float32 (n_texts, dim): what its code stands for."""
        vectors = self._encoded(self.parts.documents, texts)
        filled = vectors.any(dim=1, keepdim=True)
        return (self._restored(self._coded(vectors)) * filled).numpy()

    def codes(self, texts: Sequence[str]) -> NDArray[np.uint8]:
        """Codes of documents, by the weights as they are now, uint8 (n_texts, subspaces)."""
        return self._coded(self._encoded(self.parts.documents, texts)).numpy()

    def _encoded(self, side: DenseSide, texts: Sequence[str]) -> Tensor:
        with in_use(self._module):
            return side_vectors(side, texts).cpu()

    def _coded(self, vectors: Tensor) -> Tensor:
        quantizer = self.parts.quantizer
        return quantizer.codes(vectors.to(quantizer.rotation.device)).cpu()

    @torch.no_grad()
    def _restored(self, codes: Tensor) -> Tensor:
        quantizer = self.parts.quantizer
        return quantizer.restored(codes.to(quantizer.rotation.device)).cpu()


@torch.no_grad()
def side_vectors(side: DenseSide, texts: Sequence[str]) -> Tensor:
    """Vectors of any number of texts, float32 (n_texts, dim), without gradient."""
    parts = [side.vectors(texts[start : start + _TEXTS]) for start in range(0, len(texts), _TEXTS)]
    return torch.cat(parts) if parts else torch.zeros(0, side.dim)


@contextmanager
def in_use(module: nn.Module) -> Generator[None, None, None]:
    """Without dropout, while the block runs; every part is in the mode of before afterwards."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training
