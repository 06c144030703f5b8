"""Why does a document stand where it stands? The facts, as values that become JSON as they are."""

from collections.abc import Mapping
from dataclasses import dataclass

from lexmax.results import Passage, SearchResult


@dataclass(frozen=True, slots=True)
class TermMatch:
    """A term of the query, and what it adds to a document's score.

    Attributes:
        term: Its name.
        query_weight: In the query that was searched with last, above 0.
        document_weight: In the index; 0 where the document has not the term.
        contribution: The product of both.
        expansion: Whether the index has it though the document's own text has not; None where
            the encoder cannot tell.
        from_feedback: Whether the query has it by feedback only.
    """

    term: str
    query_weight: float
    document_weight: float
    contribution: float
    expansion: bool | None
    from_feedback: bool


@dataclass(frozen=True, slots=True)
class SparseMatch:
    """What query and document have in common, term by term.

    Attributes:
        stage: Which searched with this query, or scored by it.
        score: The sum of contributions: what the stage gives the document.
        terms: All terms of the query, the greatest contribution first.
    """

    stage: str
    score: float
    terms: tuple[TermMatch, ...]


@dataclass(frozen=True, slots=True)
class TokenMatch:
    """A token of the query, and the document's token that is most similar to it.

    Attributes:
        query_token: What the query's vector stands for; of one that feedback added, the most
            similar token of the documents that it came from.
        query_position: Its place among the query's vectors, from 0.
        document_token: What the document's vector stands for.
        document_position: Its place among the document's vectors, from 0.
        similarity: Their dot product.
        from_feedback: Whether feedback added the query's vector.
    """

    query_token: str
    query_position: int
    document_token: str
    document_position: int
    similarity: float
    from_feedback: bool


@dataclass(frozen=True, slots=True)
class MaxSimMatch:
    """What query and document have in common, token by token.

    Attributes:
        stage: Which searched with this query, or scored by it.
        score: The sum of similarities: MaxSim, which the stage gives the document unless it
            imputes scores or carves the query.
        tokens: A line a token of the query, in its order.
    """

    stage: str
    score: float
    tokens: tuple[TokenMatch, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a stage put the document, from 1, and with which score."""

    stage: str
    rank: int
    score: float


@dataclass(frozen=True, slots=True)
class FusedShare:
    """What one ranking gave a document in a fusion; rank and score are None where it has it not."""

    stage: str
    rank: int | None
    score: float | None
    share: float


@dataclass(frozen=True, slots=True)
class Fusion:
    """What rankings gave a document together: `score` is the sum of the shares.

    With CombMNZ a share is the scaled score times the number of rankings that have the document.
    """

    stage: str
    method: str
    score: float
    shares: tuple[FusedShare, ...]


@dataclass(frozen=True, slots=True)
class ConditionOutcome:
    """Whether a document meets one condition of a filter; `where` says whose filter it is."""

    where: str
    condition: str
    met: bool


@dataclass(frozen=True, slots=True)
class RelevanceDecision:
    """How relevant a document is, from 0 to 1, and whether that was enough."""

    relevance: float
    threshold: float
    kept: bool


@dataclass(frozen=True, slots=True)
class Loss:
    """The stage after which a document was no longer among the hits, and why."""

    stage: str
    reason: str


@dataclass(frozen=True, slots=True)
class DocumentExplanation:
    """What the search made of one document.

    Attributes:
        doc_id: Its id.
        title: Its title.
        rank: In the result, from 1; None where it is not in it.
        score: In the result; None where it is not in it.
        sparse: By terms, exactly; None where no stage searches by them.
        multivector: By tokens, exactly; None where no stage searches by them, or query or
            document have none.
        pooled: The product of one vector a text; None where no stage searches by it.
        places: What each stage made of it, in the order in which they ran; none of a stage that
            has it not.
        fusions: What the rankings gave it, for each fusion that has it.
        conditions: Of every filter.
        relevance: What the relevance filter decided; None without, or where it came to none.
        lost: Where it was lost; None for a hit.
        passage: Which all this is about where documents are split: the one that stands for the
            document, or that came furthest. Stages up to `documents` rank passages.
    """

    doc_id: str
    title: str
    rank: int | None
    score: float | None
    sparse: SparseMatch | None
    multivector: MaxSimMatch | None
    pooled: float | None
    places: tuple[Place, ...]
    fusions: tuple[Fusion, ...]
    conditions: tuple[ConditionOutcome, ...]
    relevance: RelevanceDecision | None
    lost: Loss | None
    passage: Passage | None = None


@dataclass(frozen=True, slots=True)
class TermChange:
    """A term's weight in the query before and after feedback, 0 where it was not there."""

    term: str
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class TokenChange:
    """A vector of the query after feedback.

    Attributes:
        token: What it stands for.
        position: Its place among the query's vectors, from 0.
        weight: Its length: how much it counts.
        similarity: Cosine with what it was before; None where feedback added it.
    """

    token: str
    position: int
    weight: float
    similarity: float | None


@dataclass(frozen=True, slots=True)
class FeedbackExplanation:
    """How documents changed the query.

    Attributes:
        method: Of the feedback stage.
        placement: Of the feedback stage.
        doc_ids: Documents that fed back, by signal.
        terms: Terms that were added or weigh something else, the greatest change first.
        tokens: Vectors that were added or moved, in order.
        pooled: Cosine of the query's one vector with what it was before; None where it stayed.
    """

    method: str
    placement: str
    doc_ids: Mapping[str, tuple[str, ...]]
    terms: tuple[TermChange, ...]
    tokens: tuple[TokenChange, ...]
    pooled: float | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """A whole result, and why it is so.

    Attributes:
        result: As a search gives it.
        documents: All hits in their order, or the one document that was asked for.
        feedback: How the query was changed; None without feedback.
    """

    result: SearchResult
    documents: tuple[DocumentExplanation, ...]
    feedback: FeedbackExplanation | None
