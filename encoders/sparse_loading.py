"""Which sparse encoder stands in a folder of lexmax's own format?

| option | type | what it says |
|---|---|---|
| max_tokens, query_max_tokens | int | tokens of a text that are read, markers counted |
| top_k, query_top_k | int | terms of a text that are kept, the heaviest |
| ratio, query_ratio | float | drop terms below this share of a text's heaviest |
| queries | str | idf:PATH: queries by this table instead |
| duplicates | str | set or sum: repeated tokens of a query count once or each time, by table |

What is not given is as the folder says.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict, Unpack, cast

import numpy as np
from numpy.typing import NDArray

from lexmax.encoders.checkpoints.files import check_tensors, fingerprint
from lexmax.encoders.checkpoints.hub import locate
from lexmax.encoders.checkpoints.sparse_table import read_table
from lexmax.encoders.expansion import open_expansion
from lexmax.encoders.inference_free import Duplicates, TermTable
from lexmax.encoders.pieces import Pieces
from lexmax.encoders.sparse_encoding import (
    Expand,
    PrunedTable,
    Pruning,
    document_encoding,
    query_encoding,
)
from lexmax.encoders.sparse_folder import TABLE, SavedSparse, load_parts, read_heads, read_saved
from lexmax.encoders.sparse_model import (
    Binary,
    DocumentEncoder,
    ExpMlp,
    Queries,
    QueryEncoder,
    SparseModel,
    Terms,
    reads_states,
    repeats_of,
)
from lexmax.encoders.sparse_parts import Limits, SparseParts
from lexmax.encoders.specs import Values, absolute, written
from lexmax.encoders.splade import LaterSide, Side, Splade
from lexmax.encoders.term_pruning import TermPruning
from lexmax.errors import EncoderError

_IDF = "idf:"
_IDF_OF_TRAINING = "document.head.idf"
_LEAST_IDF = 1e-3


class FolderOptions(TypedDict, total=False):
    """Options of `load_sparse_folder`; None is as good as none."""

    max_tokens: int | None
    query_max_tokens: int | None
    top_k: int | None
    ratio: float | None
    query_top_k: int | None
    query_ratio: float | None
    log1p: int | None
    pooling: str | None
    queries: str | None
    duplicates: str | None


@dataclass(frozen=True, slots=True)
class Expansions:
    """What puts expansions behind texts; None where a side's texts are taken as they come.

    Attributes:
        document: For documents.
        query: For queries.
    """

    document: Expand | None = None
    query: Expand | None = None


def expansions(model: SparseModel) -> Expansions:
    """What expands the texts of a model's sides.

    Raises:
        EncoderError: if a folder that an expansion names holds no such model.
    """
    return Expansions(_expansion(model.document), _expansion(model.query))


def _expansion(encoder: QueryEncoder | DocumentEncoder) -> Expand | None:
    match encoder.expansion if isinstance(encoder, ExpMlp) else None:
        case Queries() as queries:
            return open_expansion(queries)
        case Terms() as terms:
            return open_expansion(terms, load_sparse_folder(Path(terms.folder)))
        case None:
            return None


def load_sparse_folder(folder: Path, **options: Unpack[FolderOptions]) -> Splade:
    """The encoder of a folder that `save_sparse_folder` wrote; its spec is `splade:PATH?options`.

    Where queries are looked up in a table, the transformer is loaded when the first document
    comes.

    Raises:
        EncoderError: if a file is missing or damaged, or an option is unknown here or out of its
            range.
    """
    saved = _with_options(read_saved(folder), options)
    values = cast("Values", options)
    table = _table(saved, options)
    parts = _Later(saved)
    documents: Side
    queries: Side
    if table is None:
        documents, queries = parts.documents(), parts.queries()
    else:
        for name in ("heads", "document"):
            if (folder / f"{name}.safetensors").exists():
                check_tensors(folder / f"{name}.safetensors")
        documents, queries = LaterSide(parts.documents), PrunedTable(table, saved.pruning.query)
    pieces = Pieces(folder / "tokenizer.json")
    spec, trained_idf = written("splade", folder, values), _trained_idf(saved, options)
    return Splade(spec, _fingerprint(saved), documents, queries, pieces.names, trained_idf, pieces)


def _trained_idf(saved: SavedSparse, options: FolderOptions) -> NDArray[np.float32] | None:
    """Of the documents of the training, where the model's queries ask for the collection's."""
    query = saved.model.query
    if not isinstance(query, Binary) or not query.collection_idf or options.get("queries"):
        return None
    found = read_heads(saved.folder / "heads.safetensors").get(_IDF_OF_TRAINING)
    if found is None:
        raise EncoderError(
            f"{saved.folder}/heads.safetensors lacks {_IDF_OF_TRAINING}; copy the folder again, "
            "whole"
        )
    # Terms that stood in none of these documents weigh as the rarest do.
    weights: NDArray[np.float32] = np.maximum(found.numpy(), np.float32(_LEAST_IDF))
    return weights


class _Later:
    """Modules of a folder, loaded when one of the sides is asked for."""

    def __init__(self, saved: SavedSparse) -> None:
        self._saved = saved
        self._parts: SparseParts | None = None
        self._expand: Expansions | None = None

    def documents(self) -> Side:
        parts, expand = self._loaded()
        return document_encoding(parts, self._saved.pruning, expand=expand.document)

    def queries(self) -> Side:
        parts, expand = self._loaded()
        return query_encoding(parts, self._saved.pruning, expand=expand.query)

    def _loaded(self) -> tuple[SparseParts, Expansions]:
        if self._parts is None or self._expand is None:
            self._expand = expansions(self._saved.model)
            self._parts = load_parts(self._saved)
        return self._parts, self._expand


def _table(saved: SavedSparse, options: FolderOptions) -> TermTable | None:
    """Where queries are looked up; None where a transformer encodes them."""
    asked, duplicates = options.get("queries"), options.get("duplicates")
    if asked is not None:
        return _other_table(saved, asked, options)
    if reads_states(saved.model.query):
        if duplicates is not None:
            raise EncoderError(
                "duplicates says how a table counts repeated tokens, but a transformer encodes "
                "these queries; leave it out, or give queries=idf:PATH"
            )
        return None
    weights = read_heads(saved.folder / "heads.safetensors").get(TABLE)
    if weights is None:
        raise EncoderError(
            f"{saved.folder}/heads.safetensors lacks {TABLE}; copy the folder again, whole"
        )
    repeats = repeats_of(saved.model.query, of_query=True)
    pieces = Pieces(saved.folder / "tokenizer.json")
    return TermTable(
        pieces,
        weights.numpy(),
        duplicates=cast("Duplicates", duplicates or ("sum" if repeats == "sum" else "set")),
        max_tokens=saved.limits.query - pieces.n_markers,
    )


def _other_table(saved: SavedSparse, asked: str, options: FolderOptions) -> TermTable:
    if not asked.startswith(_IDF):
        raise EncoderError(f"queries is {asked!r}; expected {_IDF}PATH, a table")
    path = Path(absolute(asked.removeprefix(_IDF)))
    table = read_table(
        path if path.exists() else locate(asked.removeprefix(_IDF)),
        duplicates=options.get("duplicates"),
        max_tokens=options.get("query_max_tokens"),
    )
    pieces = Pieces(saved.folder / "tokenizer.json")
    if table.pieces.vocabulary_hash != pieces.vocabulary_hash:
        raise EncoderError(
            f"{path} is a table of {len(table.pieces.names):,} pieces, {saved.folder} has "
            f"{len(pieces.names):,}; expected one vocabulary; make the table with the tokenizer "
            "of the documents"
        )
    return table


def _with_options(saved: SavedSparse, options: FolderOptions) -> SavedSparse:
    for name in ("log1p", "pooling"):
        if options.get(name) is not None:
            raise EncoderError(
                f"{saved.folder} says itself how its weights are made; expected no {name}; "
                "leave it out"
            )
    limits, pruning = saved.limits, saved.pruning
    return replace(
        saved,
        limits=Limits(
            query=_or(options.get("query_max_tokens"), limits.query),
            document=_or(options.get("max_tokens"), limits.document),
        ),
        pruning=Pruning(
            _pruning(pruning.document, options.get("top_k"), options.get("ratio")),
            _pruning(pruning.query, options.get("query_top_k"), options.get("query_ratio")),
        ),
    )


def _or(given: int | None, otherwise: int) -> int:
    return otherwise if given is None else given


def _pruning(saved: TermPruning, top_k: int | None, ratio: float | None) -> TermPruning:
    return TermPruning(
        saved.top_k if top_k is None else top_k, saved.ratio if ratio is None else ratio
    )


def _fingerprint(saved: SavedSparse) -> str:
    """Everything that the weights of documents depend on; queries may be weighed otherwise."""
    return written(
        "splade",
        values={
            "files": fingerprint(saved.folder),
            "max_tokens": saved.limits.document,
            "top_k": saved.pruning.document.top_k,
            "ratio": saved.pruning.document.ratio or None,
            "version": 1,
        },
    )
