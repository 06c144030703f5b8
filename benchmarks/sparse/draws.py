"""What does the counter-based random generator draw?

A stream is a hash of (seed, kind, number), so a document's draws depend on nothing but its number.
The mixing constants are those of SplitMix64 (Steele, Lea, Flood 2014).
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_A = np.uint64(0xBF58476D1CE4E5B9)
_MIX_B = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)

TOPIC, DOCUMENT, TEST, TRAIN = 1, 2, 3, 4


@njit(inline="always", cache=True)
def _mixed(z: int) -> int:
    z = (z ^ (z >> _S30)) * _MIX_A
    z = (z ^ (z >> _S27)) * _MIX_B
    return z ^ (z >> _S31)


@njit(cache=True)
def stream(seed: int, kind: int, number: int) -> NDArray[np.uint64]:
    """The state of a stream, one 64-bit word that the draws below advance."""
    state = np.empty(1, np.uint64)
    state[0] = _mixed(_mixed(_mixed(np.uint64(seed)) + np.uint64(kind)) + np.uint64(number))
    return state


@njit(inline="always", cache=True)
def uniform(state: NDArray[np.uint64]) -> float:
    """A number of [0, 1)."""
    state[0] += _GOLDEN
    return (_mixed(state[0]) >> _S11) * (1.0 / 9007199254740992.0)


@njit(inline="always", cache=True)
def normal(state: NDArray[np.uint64]) -> float:
    """A standard normal number (Box and Muller)."""
    radius = np.sqrt(-2.0 * np.log(max(uniform(state), 1e-12)))
    return radius * np.cos(2.0 * np.pi * uniform(state))


@njit(inline="always", cache=True)
def pick(cumulative: NDArray[np.float64], state: NDArray[np.uint64]) -> int:
    """A place drawn by the weights whose running sums these are."""
    target = uniform(state) * cumulative[-1]
    return min(np.searchsorted(cumulative, target), len(cumulative) - 1)


@njit(cache=True)
def count(mean: float, spread: float, low: int, high: int, state: NDArray[np.uint64]) -> int:
    """A log-normal whole number with this mean, cut to low ... high."""
    drawn = np.exp(np.log(mean) - spread * spread / 2.0 + spread * normal(state))
    return int(min(max(np.rint(drawn), low), high))
