"""Which store? A value, spelled like an engine: a name, then perhaps knobs: `pq8?refine=4`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from math import isqrt

from lexmax.errors import InputError

# Fewer vectors are kept as they are: codes would need as much room for their codebooks.
MIN_CODED_DOCS = 1000
MIN_CODED_DIM = 16


@dataclass(frozen=True, slots=True)
class StoreSpec:
    """One way to keep vectors and to scan them.

    Attributes:
        name: `flat`: float32, exact. `sq8`: 8 bits a coordinate. `bits`: its sign alone. `pq4`,
            `pq8`: product quantisation, codes of 4 or 8 bits. `opq4`, `opq8`: these, of vectors
            that are turned first. `ivf-pq4`, `ivf-pq8`: these in lists, of which a few are
            scanned. `hnsw`: sq8 and a graph of neighbours.
        refine: so many times more vectors than are wanted are scored again with 8 bits a
            coordinate, which are stored beside; 0 for none.
        sub_dim: coordinates that one code of pq stands for.
        lists: that ivf has; 0 for about the root of the number of vectors.
        nprobe: lists that ivf scans, or more where they hold too few.
        m: links of a vector in hnsw are 2 * m.
        ef: vectors that a walk over hnsw keeps in view, or as many as are wanted.
    """

    name: str
    refine: int = 0
    sub_dim: int = 0
    lists: int = 0
    nprobe: int = 0
    m: int = 0
    ef: int = 0

    @property
    def text(self) -> str:
        """What `parse_store` reads; knobs that are as they would be anyway are left out."""
        usual = _NAMED[self.name]
        given = [
            f"{knob}={asdict(self)[knob]}" for knob in usual if asdict(self)[knob] != usual[knob]
        ]
        return "?".join([self.name, "&".join(given)]) if given else self.name

    @property
    def bits(self) -> int:
        """Of one code of pq."""
        return 8 if self.name.endswith("8") else 4

    @property
    def multiple(self) -> int:
        """What the number of coordinates must be a multiple of: documents have whole bytes."""
        return self.sub_dim * 8 // self.bits if self.sub_dim else 1


_RANGES = {
    "refine": (0, 1000),
    "sub_dim": (1, 64),
    "lists": (0, 65535),
    "nprobe": (1, 65535),
    "m": (2, 256),
    "ef": (1, 1_000_000),
}
_PQ4 = {"refine": 0, "sub_dim": 2}
_PQ8 = {"refine": 0, "sub_dim": 4}
_LISTS = {"lists": 0, "nprobe": 32}
# Knobs that a store has, and what they are unless the spec says.
_NAMED: Mapping[str, Mapping[str, int]] = {
    "flat": {},
    "sq8": {},
    "bits": {"refine": 0},
    "pq4": _PQ4,
    "pq8": _PQ8,
    "opq4": _PQ4,
    "opq8": _PQ8,
    "ivf-pq4": _PQ4 | _LISTS,
    "ivf-pq8": _PQ8 | _LISTS,
    "hnsw": {"m": 16, "ef": 500},
}


def parse_store(text: str) -> StoreSpec:
    """The store that a text names.

    Raises:
        InputError: if there is none, or a knob is unknown or no number in range.
    """
    name, asks, rest = text.partition("?")
    if name not in _NAMED:
        raise InputError(
            f"found no candidate store {text!r}; expected one of {', '.join(_NAMED)}; "
            "knobs come after a question mark: pq8?refine=4"
        )
    knobs = dict(_NAMED[name])
    for knob in rest.split("&") if asks else ():
        given, _, value = knob.partition("=")
        knobs[given] = _number(text, given, value, knobs)
    return StoreSpec(name, **knobs)


def _number(text: str, knob: str, value: str, known: Mapping[str, int]) -> int:
    if knob not in known:
        raise InputError(
            f"candidate store {text!r}: found the knob {knob!r}; "
            f"expected one of {', '.join(known) or 'none'}"
        )
    least, most = _RANGES[knob]
    if not (value.isascii() and value.isdigit() and len(value) < 9 and least <= int(value) <= most):
        raise InputError(
            f"candidate store {text!r}: {knob} is {value!r}; expected {least} to {most}"
        )
    return int(value)


def fitted(spec: StoreSpec, n: int, dim: int) -> StoreSpec:
    """The spec for n vectors of dim: with a number of lists, or `flat` where codes make no sense.

    That is: where dim is less than one code stands for.
    """
    if dim < spec.multiple:
        return StoreSpec("flat")
    if not spec.nprobe:
        return spec
    lists = min(spec.lists or isqrt(n), n, _RANGES["lists"][1])
    return replace(spec, lists=lists)


def chosen(n: int, dim: int) -> StoreSpec:
    """The store for n vectors of dim, where nobody asks for another.

    A scan of pq4 takes about 6 ms a million vectors of 256 coordinates on one thread, and twice
    that of 512. Faster is only what costs more: hnsw 6 times the bytes and a build on one thread,
    ivf recall, because queries lie far from all documents.
    """
    coded = n >= MIN_CODED_DOCS and dim >= MIN_CODED_DIM
    return parse_store("pq4" if coded else "flat")
