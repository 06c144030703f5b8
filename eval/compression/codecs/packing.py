"""How do codes of 1, 2, 4 or 8 bits lie in bytes?"""

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import ShapeError

WIDTHS = (1, 2, 4, 8)

Bytes = NDArray[np.uint8]


def packed(codes: Bytes, bits: int) -> Bytes:
    """Codes (n, dim), each below 2 ** bits, as (n, ceil(dim * bits / 8)).

    The first code of a byte is in its lowest bits; places after the last code hold zeros.

    Raises:
        ShapeError: if bits is none of `WIDTHS`.
    """
    shifts = _shifts(bits)
    n, dim = codes.shape
    padded = np.zeros((n, -(-dim // len(shifts)) * len(shifts)), np.uint8)
    padded[:, :dim] = codes
    found: Bytes = padded[:, :: len(shifts)].copy()
    for place, shift in enumerate(shifts[1:], start=1):
        found |= padded[:, place :: len(shifts)] << shift
    return found


def unpacked(packed_codes: Bytes, bits: int, dim: int) -> Bytes:
    """The codes (n, dim) that `packed` was given.

    Raises:
        ShapeError: if bits is none of `WIDTHS`.
    """
    shifts = _shifts(bits)
    mask = np.uint8(2**bits - 1)
    n, width = packed_codes.shape
    codes = np.empty((n, width * len(shifts)), np.uint8)
    for place, shift in enumerate(shifts):
        codes[:, place :: len(shifts)] = (packed_codes >> shift) & mask
    return codes[:, :dim]


def _shifts(bits: int) -> Bytes:
    if bits not in WIDTHS:
        raise ShapeError(f"found codes of {bits} bits; expected one of {WIDTHS}")
    return np.arange(0, 8, bits, dtype=np.uint8)
