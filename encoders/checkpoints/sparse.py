"""Which sparse encoder is in this folder?

`load_sparse(folder, **options)` reads a folder of sentence-transformers (SparseEncoder) or, where
it has no modules.json, one of a masked language model; `load_masked_lm(folder, **options)` reads
the latter. Both give a `Splade`, whose spec is `splade:PATH?options`. A table alone is read by
`sparse_table.load_idf`. Torch and transformers are imported when a transformer is loaded, which
is when its first text comes where the queries need none.

| option | type | what it says |
|---|---|---|
| max_tokens | int | tokens of a document that are read, markers counted |
| query_max_tokens | int | the same of a query |
| top_k | int | terms of a document that are kept, the heaviest |
| ratio | float | drop terms below this share of a document's heaviest |
| query_top_k, query_ratio | int, float | the same of a query; not for tables |
| log1p | int | 1 or 2: how often the logarithm is taken (2: OpenSearch doc-v3) |
| pooling | str | max or sum over tokens |
| queries | str | transformer: as documents; idf:PATH: by this table, a folder or a file |
| duplicates | str | set or sum: repeated pieces of a query count once or each time, by table |

What is not given is as the folder says.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypedDict, Unpack, cast

import xxhash

from lexmax.encoders.checkpoints.files import check_weights, fingerprint, read_json
from lexmax.encoders.checkpoints.hub import locate
from lexmax.encoders.checkpoints.sparse_modules import (
    MlmPart,
    Part,
    SideName,
    SparseFolder,
    TablePart,
    longest_text,
    read_masked_lm_folder,
    read_sparse_folder,
    tokenizer_limit,
)
from lexmax.encoders.checkpoints.sparse_table import read_table
from lexmax.encoders.inference_free import TermTable
from lexmax.encoders.pieces import Pieces
from lexmax.encoders.specs import Values, absolute, written
from lexmax.encoders.splade import LaterSide, Side, Splade
from lexmax.encoders.term_pruning import TermPruning
from lexmax.errors import EncoderError

if TYPE_CHECKING:  # Torch takes seconds to import.
    from lexmax.encoders.transformer_terms import TransformerTerms

_IDF = "idf:"
_TRANSFORMER = "transformer"
_MAX_TOKENS = 512


class SparseOptions(TypedDict, total=False):
    """Options of `load_sparse` and `load_masked_lm`; None is as good as none."""

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


def load_sparse(folder: Path, **options: Unpack[SparseOptions]) -> Splade:
    """The sparse encoder of a folder.

    Raises:
        EncoderError: if a file is missing or damaged, the folder holds another kind of model, the
            two sides have different vocabularies, or an option is unknown here or out of range.
    """
    return _assembled(read_sparse_folder(folder), _Wanted.of(options))


def load_masked_lm(folder: Path, **options: Unpack[SparseOptions]) -> Splade:
    """A masked language model as SPLADE; queries by table where an `idf.json` lies beside it.

    Raises:
        EncoderError: as `load_sparse`.
    """
    return _assembled(read_masked_lm_folder(folder), _Wanted.of(options))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Options as values, checked as far as they can be without the folder."""

    given: SparseOptions
    documents: TermPruning
    queries: TermPruning

    @staticmethod
    def of(options: SparseOptions) -> "_Wanted":
        for name, choices in (("log1p", (1, 2)), ("pooling", ("max", "sum"))):
            found = options.get(name)
            if found is not None and found not in choices:
                raise EncoderError(f"{name} is {found!r}; expected {choices[0]} or {choices[1]}")
        return _Wanted(
            options,
            TermPruning(options.get("top_k"), options.get("ratio") or 0.0),
            TermPruning(options.get("query_top_k"), options.get("query_ratio") or 0.0),
        )

    def limit(self, side: SideName) -> int | None:
        given = self.given
        return given.get("max_tokens") if side == "document" else given.get("query_max_tokens")

    def pruning(self, side: SideName) -> TermPruning:
        return self.documents if side == "document" else self.queries

    def part(self, part: Part) -> Part:
        if isinstance(part, TablePart):
            return part
        pool, log1p = self.given.get("pooling"), self.given.get("log1p")
        return replace(part, pool=pool or part.pool, log1p=log1p or part.log1p)


@dataclass(frozen=True, slots=True)
class _Planned:
    """A side that a transformer makes, before it is loaded."""

    part: MlmPart
    pieces: Pieces
    max_tokens: int
    pruning: TermPruning
    prompt: str

    def load(self) -> "TransformerTerms":
        from lexmax.encoders.checkpoints.masked_lm import read_masked_lm
        from lexmax.encoders.transformer_terms import TransformerTerms

        part = self.part
        model = read_masked_lm(part.folder, self.pieces, pool=part.pool, log1p=part.log1p)
        return TransformerTerms(
            model.backbone, model.head, self.pieces, self.max_tokens, self.pruning, self.prompt
        )

    @property
    def described(self) -> Values:
        return {
            "max_tokens": self.max_tokens,
            "top_k": self.pruning.top_k,
            "ratio": self.pruning.ratio or None,
            "log1p": self.part.log1p,
            "pooling": self.part.pool,
            "prompt": self.prompt or None,
            "files": fingerprint(self.part.folder),
        }


_Ready: TypeAlias = _Planned | TermTable


def _assembled(found: SparseFolder, wanted: _Wanted) -> Splade:
    """The encoder of a folder, or of its parts where options name others."""
    table = _other_table(wanted)
    queries = _query_part(found, wanted) if table is None else TablePart(table)
    documents = _side(found, wanted.part(found.documents), "document", wanted)
    asked = _side(found, wanted.part(queries), "query", wanted)
    _require_one_vocabulary(found.root, documents, asked)
    ready = _loaded(documents, asked)
    given = dict(cast("Values", wanted.given))
    if table is not None:
        given["queries"] = f"{_IDF}{table}"
    return Splade(
        written("splade", found.root, given),
        _fingerprint(documents),
        *ready,
        documents.pieces.names,
        pieces=documents.pieces,
    )


def _other_table(wanted: _Wanted) -> Path | None:
    """Where the table lies that an option asks for."""
    queries = wanted.given.get("queries")
    if queries is None or queries == _TRANSFORMER:
        return None
    if not queries.startswith(_IDF):
        raise EncoderError(
            f"queries is {queries!r}; expected {_TRANSFORMER}, or {_IDF}PATH for a table"
        )
    path = Path(absolute(queries.removeprefix(_IDF)))
    return path if path.is_file() else locate(queries.removeprefix(_IDF))


def _query_part(found: SparseFolder, wanted: _Wanted) -> Part:
    if wanted.given.get("queries") != _TRANSFORMER or isinstance(found.queries, MlmPart):
        return found.queries
    if isinstance(found.documents, TablePart):
        raise EncoderError(
            f"{found.root} has no transformer; expected queries by its table: leave queries out"
        )
    return found.documents


def _side(found: SparseFolder, part: Part, side: SideName, wanted: _Wanted) -> _Ready:
    prompt = found.prompts.get(side, "")
    if isinstance(part, TablePart):
        _require_no_pruning(side, wanted.pruning(side))
        duplicates, limit = wanted.given.get("duplicates"), wanted.limit(side)
        return read_table(part.folder, prompt=prompt, duplicates=duplicates, max_tokens=limit)
    if side == "query" and wanted.given.get("duplicates") is not None:
        raise EncoderError(
            "duplicates says how a table counts repeated pieces, but a transformer encodes these "
            "queries; leave it out, or give queries=idf:PATH"
        )
    pieces = Pieces(part.folder / "tokenizer.json", lower_case=part.lower_case)
    limit = _max_tokens(part, pieces, wanted.limit(side))
    return _Planned(part, pieces, limit, wanted.pruning(side), prompt)


def _require_no_pruning(side: SideName, pruning: TermPruning) -> None:
    if pruning != TermPruning():
        raise EncoderError(
            f"the weights of each {side} are looked up in a table, which gives no more terms than "
            "the text has; expected no top_k and ratio for this side; leave them out"
        )


def _max_tokens(part: MlmPart, pieces: Pieces, given: int | None) -> int:
    longest = longest_text(part.folder)
    if given is None:
        given = part.max_tokens or tokenizer_limit(part.folder) or _MAX_TOKENS
        given = given if longest is None else min(given, longest)
    least = pieces.n_markers + 1
    if given < least or (longest is not None and given > longest):
        upper = "or more" if longest is None else f"to {longest}"
        raise EncoderError(f"max_tokens is {given}; expected {least} {upper} for {part.folder}")
    return given


def _require_one_vocabulary(root: Path, documents: _Ready, queries: _Ready) -> None:
    ours, theirs = documents.pieces.vocabulary_hash, queries.pieces.vocabulary_hash
    if ours != theirs:
        raise EncoderError(
            f"{root}: documents have a vocabulary of {len(documents.pieces.names):,} pieces "
            f"({ours}), queries one of {len(queries.pieces.names):,} ({theirs}); expected one of "
            "both; take a table that was made with the tokenizer of the documents' model"
        )


def _loaded(documents: _Ready, queries: _Ready) -> tuple[Side, Side]:
    if isinstance(documents, TermTable):
        return documents, queries if isinstance(queries, TermTable) else queries.load()
    if isinstance(queries, TermTable):
        read_json(documents.part.folder / "config.json")
        check_weights(documents.part.folder)
        return LaterSide(documents.load), queries
    return _loaded_transformers(documents, queries)


def _fingerprint(documents: _Ready) -> str:
    own = documents.described if isinstance(documents, _Planned) else _of_table(documents)
    values = {**own, "vocabulary": documents.pieces.vocabulary_hash, "version": 1}
    return written("splade", values=values)


def _of_table(table: TermTable) -> Values:
    return {
        "max_tokens": table.max_tokens,
        "duplicates": table.duplicates,
        "prompt": table.prompt or None,
        "table": xxhash.xxh3_128_hexdigest(table.weights.tobytes()),
    }


def _loaded_transformers(documents: _Planned, queries: _Planned) -> tuple[Side, Side]:
    ready = documents.load()
    if replace(queries.part, max_tokens=None) != replace(documents.part, max_tokens=None):
        return ready, queries.load()
    # One model serves both.
    limits = queries.max_tokens, queries.pruning, queries.prompt
    if limits == (documents.max_tokens, documents.pruning, documents.prompt):
        return ready, ready
    return ready, replace(ready, max_tokens=limits[0], pruning=limits[1], prompt=limits[2])
