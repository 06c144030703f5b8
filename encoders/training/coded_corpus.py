"""Which code does each document of a corpus have, while only queries and centroids are trained?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lexmax.encoders.compressed import CompressedParts, side_vectors
from lexmax.encoders.dense_sides import DenseSide
from lexmax.encoders.training.opq import Fit, fitted
from lexmax.errors import TrainingError


@dataclass(frozen=True, slots=True)
class CodedCorpus:
    """Documents, and their codes.

    Attributes:
        rows: Where each text stands.
        codes: uint8 (n_documents, subspaces).
    """

    rows: Mapping[str, int]
    codes: Tensor

    @staticmethod
    def of(texts: Sequence[str], parts: CompressedParts) -> "CodedCorpus":
        """Codes of texts by the weights as they are now; a text that comes twice counts once.

        Raises:
            TrainingError: if there are no texts.
        """
        rows = {text: row for row, text in enumerate(dict.fromkeys(texts))}
        if not rows:
            raise TrainingError("found no documents to code; expected at least one; name a corpus")
        vectors = side_vectors(parts.documents, list(rows))
        return CodedCorpus(rows, parts.quantizer.codes(vectors))

    def rows_of(self, texts: Sequence[str]) -> Tensor:
        """Rows of texts, int64 (n_texts,).

        Raises:
            TrainingError: if a text is none of the corpus.
        """
        try:
            found = [self.rows[text] for text in texts]
        except KeyError as error:
            raise TrainingError(
                f"the document {str(error.args[0])[:60]!r} of a training batch is not among the "
                f"{len(self.rows):,} that were coded; expected all of them; add the documents of "
                "the examples to the corpus"
            ) from error
        return torch.tensor(found, dtype=torch.long)


def warm_start(
    queries: DenseSide, documents: DenseSide, texts: Sequence[str], fit: Fit
) -> tuple[CompressedParts, CodedCorpus]:
    """OPQ over the documents of a corpus, from which both JPQ and RepCONC start.

    Args:
        queries: Vectors of queries.
        documents: Vectors of documents.
        texts: Of the corpus.
        fit: How the quantiser is fitted.

    Raises:
        EncoderError: if there are fewer texts than centroids, or coordinates do not fit.
        TrainingError: if there are no texts.
    """
    vectors = side_vectors(documents, list(dict.fromkeys(texts)))
    parts = CompressedParts(queries, documents, fitted(vectors, fit))
    return parts, CodedCorpus.of(texts, parts)
