"""Which ways of storing vectors are compared, from the most bytes to the fewest?"""

from collections.abc import Callable
from functools import partial

import numpy as np

from lexmax.eval.compression.codecs.codec import Codec, Floats
from lexmax.eval.compression.codecs.leanvec import LeanVec
from lexmax.eval.compression.codecs.products import Products
from lexmax.eval.compression.codecs.residuals import Residuals
from lexmax.eval.compression.codecs.scalar import Affine, Plain, Symmetric
from lexmax.eval.compression.codecs.signs import Signs
from lexmax.eval.compression.scan import Scan, SingleVectors, TokenVectors, Way
from lexmax.eval.compression.single_scans import decoded, pooled, rescored, stored
from lexmax.eval.compression.token_scans import decoded_tokens, rescored_tokens, token_store
from lexmax.index.token_codec import Codec as StoredCodec
from lexmax.types import TokenBatch

PooledWay = Way[SingleVectors, Floats]
TokenWay = Way[TokenVectors, TokenBatch]

BASELINE = "fp32"

HALVES = Plain(np.float16)
SHRUNK = 0.3
"""What `index/projection.py` mixes of the documents' moments into those of few queries."""


def pooled_ladder(dim: int) -> list[PooledWay]:
    """For one vector of `dim` coordinates a document."""
    return [
        _studied(BASELINE, "whole", Plain()),
        Way("fp16", "whole", lambda v, seed: pooled(v, "fp16"), "--pooled-codec fp16"),
        Way("int8", "whole", lambda v, seed: pooled(v, "int8"), "--pooled"),
        _studied("int4", "whole", Symmetric(4)),
        _studied("lvq8", "lvq", Affine(8)),
        _studied("lvq4", "lvq", Affine(4)),
        *(_studied(_residual_name(b), "residual, ColBERTv2", Residuals(b)) for b in (4, 2, 1)),
        *(_store(f"pq8, {size}", "pq", f"pq8?sub_dim={size}") for size in (4, 8, 16)),
        *(_store(f"opq8, {size}", "opq", f"opq8?sub_dim={size}") for size in (4, 8, 16)),
        _store("pq4, 2", "pq4", "pq4?sub_dim=2"),
        _store("bits", "bits", "bits"),
        _studied("bits, whole queries", "bits", Signs()),
        _studied("turned bits, whole queries", "bits", Signs(turned=True)),
        _again("bits, int8 again", "bits, again", "bits"),
        _again("opq8, 8, int8 again", "opq, again", "opq8?sub_dim=8"),
        *(way for part in (2, 4, 8) for way in _lean(dim // part)),
        Way(
            f"ID {dim // 4} int8, int8 again",
            "LeanVec, again",
            lambda v, seed: rescored(
                v, decoded(v, seed, LeanVec(max(1, dim // 4), Symmetric(8))), DEPTH
            ),
        ),
    ]


DEPTH = 200
"""Documents that are scored again where a way scores twice."""


def _lean(dim: int) -> list[PooledWay]:
    dim = max(1, dim)
    return [
        _studied(f"ID {dim}", "LeanVec ID", LeanVec(dim, HALVES)),
        _studied(f"OOD {dim}", "LeanVec OOD", LeanVec(dim, HALVES, by_queries=True)),
        _studied(
            f"OOD {dim}, shrunk",
            "LeanVec OOD, shrunk",
            LeanVec(dim, HALVES, by_queries=True, shrinkage=SHRUNK),
        ),
    ]


def token_ladder(dim: int) -> list[TokenWay]:
    """For a vector of `dim` coordinates a token."""
    half, quarter = max(1, dim // 2), max(1, dim // 4)
    return [
        _tokens(BASELINE, "whole", Plain()),
        _token_store("fp16", "whole", "fp16"),
        _token_store("int8", "whole", "int8"),
        _tokens("int4", "whole", Symmetric(4)),
        _token_store("residual4", "residual, lexmax", "residual4"),
        _token_store("residual2", "residual, lexmax", "residual2"),
        *(_tokens(_residual_name(b), "residual, ColBERTv2", Residuals(b)) for b in (8, 4, 2, 1)),
        _tokens("pq8, 4", "pq", Products(8, 4)),
        _tokens("pq8, 8", "pq", Products(8, 8)),
        _tokens("opq8, 4", "opq", Products(8, 4, turned=True)),
        _tokens("opq8, 8", "opq", Products(8, 8, turned=True)),
        _tokens("bits, whole queries", "bits", Signs()),
        Way(
            "bits, int8 again",
            "bits, again",
            lambda v, seed: rescored_tokens(v, decoded_tokens(v, seed, Signs()), DEPTH),
        ),
        *(
            way
            for size in (half, quarter)
            for way in (
                _tokens(f"ID {size}", "LeanVec ID", LeanVec(size, HALVES)),
                _tokens(f"OOD {size}", "LeanVec OOD", LeanVec(size, HALVES, by_queries=True)),
            )
        ),
    ]


def _residual_name(bits: int) -> str:
    return f"residual {bits} bit{'s' * (bits > 1)}"


def _studied(name: str, family: str, codec: Codec) -> PooledWay:
    return Way(name, family, partial(_decoded, codec=codec))


def _decoded(vectors: SingleVectors, seed: int, *, codec: Codec) -> Scan[Floats]:
    return decoded(vectors, seed, codec)


def _store(name: str, family: str, text: str) -> PooledWay:
    return Way(name, family, _stored(text))


def _stored(text: str) -> Callable[[SingleVectors, int], Scan[Floats]]:
    return lambda vectors, seed: stored(vectors, seed, text)


def _again(name: str, family: str, text: str) -> PooledWay:
    return Way(name, family, lambda v, seed: rescored(v, stored(v, seed, text), DEPTH))


def _tokens(name: str, family: str, codec: Codec) -> TokenWay:
    return Way(name, family, lambda vectors, seed: decoded_tokens(vectors, seed, codec))


def _token_store(name: str, family: str, codec: StoredCodec) -> TokenWay:
    said = f"--codec {codec}"
    return Way(name, family, lambda vectors, seed: token_store(vectors, seed, codec), said)
