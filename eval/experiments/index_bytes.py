"""How many bytes has each part of an index, and which parts does a pipeline read?"""

from collections.abc import Iterator, Mapping, Sequence

from lexmax.index.multivector_engines import AUTO_MAXSIM, EXACT_MAXSIM, source_name
from lexmax.stages import MultiVectorRetrieve, Pipeline

_PARTS = {
    "sparse": "sparse",
    "forward": "sparse",
    "tokens": "tokens",
    "fde": "fde",
    "centroids": "centroids",
    "pooled": "pooled",
    "neighbours": "neighbours",
}
_OF_SOURCES = {
    "fde": "fde",
    "centroids": "centroids",
    "warp": "centroids",
    "xtr": "centroids",
    "plaid": "centroids",
    "sparse": "sparse",
}


def index_bytes(files: Sequence[Mapping[str, Mapping[str, int | str]]]) -> dict[str, int]:
    """Bytes on disk by part, of the files that the manifests of segments name."""
    found: dict[str, int] = {}
    for segment in files:
        for name, written in segment.items():
            part = _PARTS.get(name.partition(".")[0], "other")
            found[part] = found.get(part, 0) + int(written["bytes"])
    return found


def used_parts(pipeline: Pipeline, parts: Mapping[str, int]) -> set[str]:
    """The parts that searches by this pipeline read, of those that there are; texts left out."""
    return set(_needed(pipeline)) & set(parts)


def _needed(pipeline: Pipeline) -> Iterator[str]:
    for signal in pipeline.signals:
        yield "tokens" if signal == "multivector" else signal
    for stage in pipeline.retrieve:
        if isinstance(stage, MultiVectorRetrieve):
            yield from _of_engine(stage)
    if pipeline.graph is not None:
        yield "neighbours"


def _of_engine(stage: MultiVectorRetrieve) -> Iterator[str]:
    if stage.parsed == AUTO_MAXSIM:
        yield from ("centroids", "fde")
    elif stage.parsed != EXACT_MAXSIM:
        yield from (_OF_SOURCES[source_name(source)] for source in stage.parsed.sources)
