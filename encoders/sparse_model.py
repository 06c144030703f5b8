"""Which learned sparse retrieval model is it?

Four values (Nguyen, MacAvaney & Yates, "A Unified Framework for Learned Sparse Retrieval", ECIR
2023): a query encoder, a document encoder, a regulariser of each side, and supervision. The score
is the dot product of what the two encoders give.
"""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from lexmax.encoders.heads.mlm import Pool
from lexmax.encoders.heads.scatter import Repeats
from lexmax.encoders.heads.weighting import PLAIN, SOFTPLUS, SPLADE, Weighting
from lexmax.encoders.training.regularizers import Regularizer
from lexmax.encoders.training.supervision import Supervision
from lexmax.errors import EncoderError


@dataclass(frozen=True, slots=True)
class Binary:
    """The same weight for each token of the text.

    Attributes:
        weight: That weight, or where it begins: learned ones begin at .3 in the framework's code.
        learned: Whether it is trained.
        repeats: What becomes of repeated tokens; None for the side's default.
        collection_idf: Whether the weights of queries are multiplied by the idf of the collection
            that is searched, over that of the documents of the training; documents `Anchored`.
    """

    weight: float = 1.0
    learned: bool = False
    repeats: Repeats | None = None
    collection_idf: bool = False


@dataclass(frozen=True, slots=True)
class Mlp:
    """A weight for each token of the text, from its state (`heads.mlp`).

    Attributes:
        weighting: From logit to weight.
        scaled: Whether a factor of all weights is learned.
        repeats: What becomes of repeated tokens; None for the side's default.
    """

    weighting: Weighting = PLAIN
    scaled: bool = False
    repeats: Repeats | None = None


@dataclass(frozen=True, slots=True)
class Queries:
    """Expand a text by queries that a sequence-to-sequence model writes (docT5query).

    Attributes:
        folder: A model of `transformers` with its tokenizer.
        n: Queries of a text.
        top_k: Tokens that each draw is from.
        max_tokens: Of a query.
        seed: Queries of a text depend on it and on the text alone.
    """

    folder: str
    n: int = 40
    top_k: int = 10
    max_tokens: int = 64
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Terms:
    """Expand a text by the terms that a sparse encoder weighs most and that it lacks (TILDEv2).

    Attributes:
        folder: A sparse encoder's, such as a trained TILDE.
        n: Terms of a text, those that it has already counted.
    """

    folder: str
    n: int = 200


Expansion: TypeAlias = Queries | Terms


@dataclass(frozen=True, slots=True)
class ExpMlp:
    """`Mlp` over a text that has been expanded.

    Attributes:
        weighting: From logit to weight.
        scaled: Whether a factor of all weights is learned.
        repeats: What becomes of repeated tokens; None for the side's default.
        expansion: How texts are expanded; None where they come with their expansion.
    """

    weighting: Weighting = PLAIN
    scaled: bool = False
    repeats: Repeats | None = None
    expansion: Expansion | None = None


@dataclass(frozen=True, slots=True)
class Mlm:
    """Weights of all terms, by a masked language model's head (`heads.mlm`).

    Attributes:
        weighting: From logit to weight.
        pool: What becomes of a term's logits at several positions.
        markers: Whether [CLS] and [SEP] are positions as well, as in sentence-transformers and in
            the first SPLADE; the framework leaves them out.
    """

    weighting: Weighting = SPLADE
    pool: Pool = "max"
    markers: bool = False


@dataclass(frozen=True, slots=True)
class ClsMlm:
    """As `Mlm`, from the state of [CLS] alone."""

    weighting: Weighting = SPLADE


@dataclass(frozen=True, slots=True)
class Epic:
    """As `Mlm`, times importance of tokens and quality of the text (`heads.epic`)."""

    weighting: Weighting = SOFTPLUS
    importance: bool = True
    quality: bool = True


@dataclass(frozen=True, slots=True)
class Anchored:
    """Weights of all terms, by similarity to how each looks alone (`heads.anchors`).

    Attributes:
        threshold: Similarity from which a term has weight, before training.
        scale: What similarities above it are multiplied by, before training.
    """

    threshold: float = 0.6
    scale: float = 3.0


@dataclass(frozen=True, slots=True)
class Table:
    """A weight for each term of the vocabulary, whatever the text: no transformer for queries.

    Attributes:
        weights: "idf" of the training documents, fixed; "learned" from there on; or "linear",
            log1p(relu(⟨w, e⟩ + b)) of each term's input embedding e (Li-LSR, SIGIR 2025).
        repeats: What becomes of repeated tokens; None for "sum" if linear, else "set".
    """

    weights: Literal["idf", "learned", "linear"] = "idf"
    repeats: Repeats | None = None


QueryEncoder: TypeAlias = Binary | Mlp | ExpMlp | Mlm | ClsMlm | Epic | Table
DocumentEncoder: TypeAlias = Binary | Mlp | ExpMlp | Mlm | ClsMlm | Epic | Anchored


@dataclass(frozen=True, slots=True)
class Regularization:
    """The regulariser of each side; None for none."""

    query: Regularizer | None = None
    document: Regularizer | None = None


@dataclass(frozen=True, slots=True)
class SparseModel:
    """A learned sparse retrieval model.

    Attributes:
        query: How queries become weights.
        document: How documents do.
        regularization: What keeps weights few.
        supervision: What is learned from.
        shared: Whether both sides use one backbone, and one head where their encoders are equal.

    Raises:
        EncoderError: if the parts do not go together.
    """

    query: QueryEncoder
    document: DocumentEncoder
    regularization: Regularization = Regularization()
    supervision: Supervision = field(default_factory=Supervision)
    shared: bool = True

    def __post_init__(self) -> None:
        if self.supervision.term_recall and not isinstance(self.document, Mlp | ExpMlp):
            raise EncoderError(
                f"the loss 'term-recall' with document encoder {type(self.document).__name__}; "
                "it teaches weights of a document's own tokens; take Mlp or ExpMlp"
            )


def repeats_of(encoder: QueryEncoder | DocumentEncoder, *, of_query: bool) -> Repeats:
    """What becomes of repeated tokens: those of queries add up, those of documents do not."""
    if isinstance(encoder, Mlm | ClsMlm | Epic | Anchored):
        return "max"
    if encoder.repeats is not None:
        return encoder.repeats
    if isinstance(encoder, Table):
        return "sum" if encoder.weights == "linear" else "set"
    return "sum" if of_query else "max"


def reads_states(encoder: QueryEncoder | DocumentEncoder) -> bool:
    """Whether the encoder needs a transformer."""
    return not isinstance(encoder, Binary | Table)
