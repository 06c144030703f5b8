"""Which example comes when? Shuffled anew every epoch, computed from a number, never held.

A permutation is a Feistel network over the smallest even number of bits that holds n, walked until
it falls below n (Black & Rogaway 2002, "Ciphers with arbitrary finite domains"). So files of any
length are shuffled in constant memory, and where training stopped is one number.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import xxhash

_ROUNDS = 5


def shuffled(i: int, n: int, *, key: int) -> int:
    """Where `i` goes in the permutation of 0 to n - 1 that `key` names."""
    half = max((n - 1).bit_length() + 1, 2) // 2
    while True:
        i = _exchanged(i, half, key)
        if i < n:
            return i


def _exchanged(i: int, half: int, key: int) -> int:
    low = (1 << half) - 1
    left, right = i >> half, i & low
    for number in range(_ROUNDS):
        mixed = xxhash.xxh3_64_intdigest(right.to_bytes(8, "little"), seed=key_of(key, number))
        left, right = right, left ^ (mixed & low)
    return left << half | right


def key_of(*numbers: int) -> int:
    """One key of 64 bits for several numbers of up to 64 bits, such as a seed and an epoch."""
    joined = b"".join((number & _WORD).to_bytes(8, "little") for number in numbers)
    return xxhash.xxh3_64_intdigest(joined)


_WORD = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Order:
    """The order of examples of several sources, as long as training goes on.

    An example of a source of weight 2 is drawn twice in an epoch, one of weight .5 every second
    epoch: at the end of an epoch no two of a source differ by more than one draw. Runs of `run`
    draws come from one source each, so that a batch of that size can be of one source.

    Attributes:
        sizes: Examples of each source.
        weights: How often each source is drawn in an epoch.
        seed: Another seed, another order.
        run: Consecutive draws from the same source; 1 mixes sources freely.
    """

    sizes: Sequence[int]
    weights: Sequence[float]
    seed: int
    run: int = 1
    _ends: Sequence[int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        runs = (
            max(round(size * weight / self.run), 1) if size else 0
            for size, weight in zip(self.sizes, self.weights, strict=True)
        )
        object.__setattr__(self, "_ends", list(accumulate(runs)))

    @property
    def epoch_draws(self) -> int:
        """Draws of one epoch."""
        return self._ends[-1] * self.run

    def at(self, draw: int) -> tuple[int, int]:
        """Source, and example in it, of a draw; draws count from 0 through all epochs."""
        epoch, left = divmod(draw, self.epoch_draws)
        place, within = divmod(left, self.run)
        place = shuffled(place, self._ends[-1], key=key_of(self.seed, epoch))
        source = bisect_right(self._ends, place)
        begin = self._ends[source - 1] if source else 0
        per_epoch = (self._ends[source] - begin) * self.run
        drawn = epoch * per_epoch + (place - begin) * self.run + within
        turn, number = divmod(drawn, self.sizes[source])
        key = key_of(self.seed, source + 1, turn)
        return source, shuffled(number, self.sizes[source], key=key)
