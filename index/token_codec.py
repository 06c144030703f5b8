"""How is a token vector stored? As 8-bit integers with one scale a token, or as halves.

Or as codes of 4 or 2 bits for what a centroid leaves over: see `residual_codec`.
"""

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import ShapeError
from lexmax.types import ranges

Codec: TypeAlias = Literal["int8", "fp16", "residual4", "residual2"]
CODE_DTYPES: dict[Codec, type[np.generic]] = {
    "int8": np.int8,
    "fp16": np.float16,
    "residual4": np.uint8,
    "residual2": np.uint8,
}
SCALE_DTYPES: dict[Codec, type[np.generic]] = {
    "int8": np.float32,
    "residual4": np.float16,
    "residual2": np.float16,
}

# Rows that are quantised at a time: a few arrays of them stay in cache.
_BLOCK = 2048


def quantise(vectors: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Codes (n, dim) in -127 to 127 and scales (n,): vectors are about codes * scales.

    The scale is a vector's greatest magnitude / 127; 0 for a zero vector.
    """
    codes = np.empty(vectors.shape, dtype=np.int8)
    scales = np.empty(len(vectors), dtype=np.float32)
    for start, stop in ranges(len(vectors), _BLOCK):
        block = vectors[start:stop]
        scale = np.abs(block).max(axis=1, initial=0.0) / np.float32(127)
        # A vector so small that its scale underflows is a zero vector.
        divisor = np.where(scale > 0, scale, np.float32(np.inf))
        units = np.rint(block / divisor[:, None])
        # Subnormal scales are coarse, so a quotient may pass 127.
        codes[start:stop] = np.clip(units, -127, 127)
        scales[start:stop] = scale
    return codes, scales


def encode(
    vectors: NDArray[np.float32], codec: Codec
) -> tuple[NDArray[Any], NDArray[np.float32] | None]:
    """Codes (n, dim) of the codec's dtype, and scales (n,) if the codec has them.

    Raises:
        ShapeError: if a number is too large for a half, or the codec needs centroids.
    """
    if codec == "int8":
        return quantise(vectors)
    if codec != "fp16":
        raise ShapeError(
            f"codec {codec} needs centroids; expected int8 or fp16; store the vectors so and call "
            "TokenStore.recoded"
        )
    with np.errstate(over="ignore"):
        halves = vectors.astype(np.float16)
    if not np.isfinite(halves).all():
        raise ShapeError(
            f"vectors reach {np.abs(vectors).max()}; expected at most 65504, the greatest half; "
            "normalise them, or use the codec int8"
        )
    return halves, None


def decode(codes: NDArray[Any], scales: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """The vectors that codes (n, dim) stand for, (n, dim)."""
    vectors = codes.astype(np.float32)
    if scales is not None:
        # Only damaged scales overflow; the caller looks at what comes out.
        with np.errstate(over="ignore", invalid="ignore"):
            vectors *= scales[:, None]
    return vectors
