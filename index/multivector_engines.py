"""How are a query's candidates found, and how many of them? A value, spelled like an encoder.

`exact` scores all documents. Otherwise sources find candidates, which are scored exactly: one
source, or several joined by `+` whose candidates are united. After a name may stand parameters:
`centroids?candidates=200&probes=32+sparse?candidates=100`. `auto` takes what an index has.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias, get_args

from lexmax.errors import QueryError


@dataclass(frozen=True, slots=True)
class FdeSource:
    """Documents whose fixed-dimensional encodings have the greatest products (MUVERA)."""

    candidates: int | None = None


@dataclass(frozen=True, slots=True)
class CentroidSource:
    """Documents with the greatest MaxSim over the centroids of their tokens.

    Attributes:
        probes: lists to read for each query token; None reads them where that is cheaper than
            looking at all documents, 0 looks at all.
        scanned: documents from the lists whose MaxSim over centroids is computed.
    """

    candidates: int | None = None
    probes: int | None = None
    scanned: int | None = None


@dataclass(frozen=True, slots=True)
class WarpSource:
    """Documents by the tokens in the clusters nearest to each query token, others imputed (WARP).

    Attributes:
        probes: clusters to read for each query token.
        bound: tokens that clusters hold together before the imputed similarity is read off; None
            for the paper's rule.
    """

    candidates: int | None = None
    probes: int = 32
    bound: int | None = None


@dataclass(frozen=True, slots=True)
class XtrSource:
    """As WARP, but the imputed sums are the result: for encoders trained to be searched so (XTR).

    Attributes: as of `WarpSource`; there are no candidates, because nothing is scored again.
    """

    probes: int = 32
    bound: int | None = None


@dataclass(frozen=True, slots=True)
class PlaidSource:
    """The stages of PLAID, as a baseline.

    Attributes:
        cells: clusters to read for each query token.
        threshold: similarity of a centroid below which it is left out of the first estimate.
        documents: that pass the first estimate; a quarter of them passes the second. None takes
            the paper's settings for k.
    """

    candidates: int | None = None
    cells: int | None = None
    threshold: float | None = None
    documents: int | None = None


@dataclass(frozen=True, slots=True)
class SparseSource:
    """The best documents of the sparse index, which must have the same query's terms."""

    candidates: int | None = None


Source: TypeAlias = FdeSource | CentroidSource | WarpSource | XtrSource | PlaidSource | SparseSource

SOURCES: Mapping[str, type[Source]] = MappingProxyType(
    {
        "fde": FdeSource,
        "centroids": CentroidSource,
        "warp": WarpSource,
        "xtr": XtrSource,
        "plaid": PlaidSource,
        "sparse": SparseSource,
    }
)


def source_name(source: Source) -> str:
    """The name that begins a source's text."""
    return next(name for name, kind in SOURCES.items() if type(source) is kind)


@dataclass(frozen=True, slots=True)
class MultiVectorEngine:
    """One way to search a multi-vector index.

    Attributes:
        spec: the text that `parse_multivector_engine` reads.
        sources: whose candidates are scored; none for `exact` and `auto`.
    """

    spec: str
    sources: tuple[Source, ...] = ()

    @property
    def imputes(self) -> bool:
        """Whether scores are imputed, which only some encoders are trained for."""
        return any(isinstance(source, XtrSource) for source in self.sources)

    @property
    def needs_terms(self) -> bool:
        """Whether a query must come with its terms."""
        return any(isinstance(source, SparseSource) for source in self.sources)


EXACT_MAXSIM = MultiVectorEngine("exact")
AUTO_MAXSIM = MultiVectorEngine("auto")
_WHOLE = MappingProxyType({engine.spec: engine for engine in (EXACT_MAXSIM, AUTO_MAXSIM)})
_LIMITS = MappingProxyType({"probes": (0, 65_536), "threshold": (-1, 1)})


def parse_multivector_engine(text: str) -> MultiVectorEngine:
    """The engine that a text names.

    Raises:
        QueryError: if there is none, or a parameter is unknown or out of range.
    """
    if text in _WHOLE:
        return _WHOLE[text]
    sources = tuple(_source(part) for part in text.split("+"))
    if len(sources) > 1 and any(isinstance(source, XtrSource) for source in sources):
        raise QueryError(f"engine {text!r}: xtr gives results, not candidates; use it alone")
    return MultiVectorEngine(text, sources)


def _source(text: str) -> Source:
    name, _, rest = text.partition("?")
    if name not in SOURCES:
        raise QueryError(
            f"found no multi-vector engine {name!r}; expected exact, auto, or "
            f"{', '.join(SOURCES)}, several joined by +"
        )
    kinds = {field.name: field.type for field in dataclasses.fields(SOURCES[name])}
    values: dict[str, int | float] = {}
    for pair in rest.split("&") if rest else []:
        parameter, _, value = pair.partition("=")
        if parameter not in kinds or parameter in values:
            raise QueryError(
                f"engine {text!r}: found {pair!r}; expected {', '.join(kinds)}, each once"
            )
        values[parameter] = _number(
            text, parameter, value, whole=float not in get_args(kinds[parameter])
        )
    return SOURCES[name](**values)  # type: ignore[arg-type]


def _number(text: str, name: str, value: str, *, whole: bool) -> int | float:
    least, most = _LIMITS.get(name, (1, 10**12))
    try:
        number = int(value) if whole else float(value)
    except ValueError:
        number = most + 1
    if not least <= number <= most:
        kind = "a whole number" if whole else "a number"
        raise QueryError(
            f"engine {text!r}: {name} is {value!r}; expected {kind} from {least} to {most}"
        )
    return number
