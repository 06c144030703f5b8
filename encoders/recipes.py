"""How is the encoder of each name made?"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from lexmax.encoders.bm25 import Bm25
from lexmax.encoders.contract import (
    DenseEncoder,
    MultiVectorEncoder,
    PairScorer,
    SparseEncoder,
)
from lexmax.encoders.given import GivenPooled, GivenTokens
from lexmax.encoders.impacts import Impacts
from lexmax.encoders.specs import PATH, Parameter, Values
from lexmax.errors import EncoderError

E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class Recipe(Generic[E]):
    """How an encoder is made.

    Attributes:
        parameters: Its parameters by name.
        load: Takes their values, and under `PATH` the absolute path where `has_path`.
        has_path: Whether specs name a folder, as in "colbert:/models/colbertv2".
    """

    parameters: Mapping[str, Parameter]
    load: Callable[[Values], E]
    has_path: bool = False


def _load_bm25(values: Mapping[str, Any]) -> SparseEncoder:
    return Bm25(**values)


def _load_impacts(values: Mapping[str, Any]) -> SparseEncoder:
    return Impacts(**values)


# Imported when they are asked for, because torch takes seconds to import.


def _load_splade(values: Mapping[str, Any]) -> SparseEncoder:
    from lexmax.encoders.checkpoints.detect import own_kind

    folder = _folder(values)
    if own_kind(folder) is None:
        from lexmax.encoders.checkpoints.sparse import load_sparse

        return load_sparse(folder, **_options(values))
    from lexmax.encoders.sparse_loading import load_sparse_folder

    return load_sparse_folder(folder, **_options(values))


def _load_idf(values: Mapping[str, Any]) -> SparseEncoder:
    from lexmax.encoders.checkpoints.sparse_table import load_idf

    return load_idf(_folder(values), **_options(values))


def _load_lexmax_sparse(values: Mapping[str, Any]) -> SparseEncoder:
    from lexmax.encoders.shipped import load_lexmax_sparse

    return load_lexmax_sparse(_options(values))


def _load_lexmax_colbert(values: Mapping[str, Any]) -> MultiVectorEncoder:
    from lexmax.encoders.shipped import load_lexmax_colbert

    return load_lexmax_colbert(_options(values))


def _load_minilm(values: Mapping[str, Any]) -> MultiVectorEncoder:
    from lexmax.encoders.minilm import MiniLm

    return MiniLm(**values)


def _load_colbert(values: Mapping[str, Any]) -> MultiVectorEncoder:
    from lexmax.encoders.checkpoints.detect import own_kind

    folder = _folder(values)
    if own_kind(folder) is None:
        from lexmax.encoders.checkpoints.late_interaction import load_late_interaction

        return load_late_interaction(folder, **_options(values))
    from lexmax.encoders.token_folder import load_token_folder

    return load_token_folder(folder, **_options(values))


def _load_minilm_pooled(values: Mapping[str, Any]) -> DenseEncoder:
    from lexmax.encoders.dense import minilm_pooled

    return minilm_pooled(**values)


def _load_dense(values: Mapping[str, Any]) -> DenseEncoder:
    from lexmax.encoders.checkpoints.detect import own_kind

    folder = _folder(values)
    if own_kind(folder) is None:
        from lexmax.encoders.checkpoints.dense import load_dense

        return load_dense(folder, **_options(values))
    from lexmax.encoders.compressed_folder import load_compressed_folder

    return load_compressed_folder(folder, **_options(values))


def _load_cross_encoder(values: Mapping[str, Any]) -> PairScorer:
    from lexmax.encoders.checkpoints.pairs import load_cross_encoder

    return load_cross_encoder(_folder(values), **_options(values))


def _load_yes_no(values: Mapping[str, Any]) -> PairScorer:
    from lexmax.encoders.checkpoints.pairs import load_yes_no

    return load_yes_no(_folder(values), **_options(values))


def _load_given_tokens(values: Mapping[str, Any]) -> MultiVectorEncoder:
    return GivenTokens(**values)


def _load_given_pooled(values: Mapping[str, Any]) -> DenseEncoder:
    return GivenPooled(**values)


def _folder(values: Mapping[str, Any]) -> Path:
    return Path(values[PATH])


def _options(values: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in values.items() if name != PATH}


POOLING: Mapping[str, Parameter] = MappingProxyType(
    {
        "pool": Parameter(str),
        "tokens": Parameter(int),
        "ratio": Parameter(float),
        "factor": Parameter(int),
        "query_tokens": Parameter(int),
        "query_ratio": Parameter(float),
        "query_factor": Parameter(int),
        "seed": Parameter(int),
    }
)
"""What every multi-vector encoder takes besides its own parameters: see docs/pooling.md."""


def poolable(name: str, recipe: Recipe[MultiVectorEncoder]) -> Recipe[MultiVectorEncoder]:
    """The recipe of an encoder of unit vectors, with pooling, as in "?pool=ward&factor=2"."""

    def load(values: Values) -> MultiVectorEncoder:
        own = {parameter: value for parameter, value in values.items() if parameter not in POOLING}
        pooling = {parameter: values[parameter] for parameter in POOLING}
        if all(value is None for value in pooling.values()):
            return recipe.load(own)
        from lexmax.encoders.pooled_encoder import PooledEncoder, read_pooling

        try:  # Before the weights are loaded, which takes seconds.
            documents, queries = read_pooling(pooling)
        except EncoderError as error:
            raise EncoderError(f"{name}: {error}") from error
        return PooledEncoder(recipe.load(own), documents, queries)

    return Recipe({**recipe.parameters, **POOLING}, load, recipe.has_path)


SPARSE: Mapping[str, Recipe[SparseEncoder]] = MappingProxyType(
    {
        "bm25": Recipe(
            {
                "k1": Parameter(float, 0.9),
                "b": Parameter(float, 0.4),
                "stemmer": Parameter(str),
                "stop_words": Parameter(str, "english"),
                "avg_doc_len": Parameter(float),
            },
            _load_bm25,
        ),
        "impacts": Recipe(
            {"apart": Parameter(str, "[]"), "seed": Parameter(int, 0)}, _load_impacts
        ),
        "splade": Recipe(
            {
                "max_tokens": Parameter(int),
                "query_max_tokens": Parameter(int),
                "top_k": Parameter(int),
                "ratio": Parameter(float),
                "query_top_k": Parameter(int),
                "query_ratio": Parameter(float),
                "log1p": Parameter(int),
                "pooling": Parameter(str),
                "queries": Parameter(str),
                "duplicates": Parameter(str),
            },
            _load_splade,
            has_path=True,
        ),
        "lexmax-sparse": Recipe(
            {
                "max_tokens": Parameter(int, 256),
                "top_k": Parameter(int, 160),
                "ratio": Parameter(float),
            },
            _load_lexmax_sparse,
        ),
        "idf": Recipe(
            {"max_tokens": Parameter(int), "duplicates": Parameter(str)},
            _load_idf,
            has_path=True,
        ),
    }
)
MULTIVECTOR: Mapping[str, Recipe[MultiVectorEncoder]] = MappingProxyType(
    {
        "given": Recipe({"dim": Parameter(int)}, _load_given_tokens),
        "minilm": poolable(
            "minilm",
            Recipe(
                {
                    "max_tokens": Parameter(int, 256),
                    "device": Parameter(str, "auto"),
                    "dtype": Parameter(str),
                    "backend": Parameter(str),
                },
                _load_minilm,
            ),
        ),
        "lexmax-colbert": poolable(
            "lexmax-colbert",
            Recipe(
                {"dim": Parameter(int, 128), "max_tokens": Parameter(int, 256)},
                _load_lexmax_colbert,
            ),
        ),
        "colbert": poolable(
            "colbert",
            Recipe(
                {"query_length": Parameter(int), "document_length": Parameter(int)},
                _load_colbert,
                has_path=True,
            ),
        ),
    }
)
DENSE: Mapping[str, Recipe[DenseEncoder]] = MappingProxyType(
    {
        "given-pooled": Recipe({"dim": Parameter(int)}, _load_given_pooled),
        "minilm-pooled": Recipe({"max_tokens": Parameter(int, 256)}, _load_minilm_pooled),
        "dense": Recipe(
            {"max_tokens": Parameter(int), "pooling": Parameter(str)}, _load_dense, has_path=True
        ),
    }
)
PAIRS: Mapping[str, Recipe[PairScorer]] = MappingProxyType(
    {
        "cross-encoder": Recipe(
            {"max_tokens": Parameter(int), "label": Parameter(str)},
            _load_cross_encoder,
            has_path=True,
        ),
        "yes-no": Recipe(
            {"max_tokens": Parameter(int), "instruction": Parameter(str)},
            _load_yes_no,
            has_path=True,
        ),
    }
)
