"""Which index and pipeline does a calibration belong to, and are they still the same?

A threshold is valid for one set of encoders, quantisation, pipeline and corpus: other scores
need another.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import xxhash

from lexmax.errors import CalibrationError
from lexmax.index.durable import to_json
from lexmax.index.snapshot import Snapshot
from lexmax.types import Json

# A corpus that has grown or shrunk by more than this has other best scores.
DRIFT = 0.2

_SIGNALS = ("sparse", "multivector", "pooled")
# They follow on scoring, or say which documents are looked at and not how these are scored.
_NOT_SCORING = frozenset({"name", "filter", "relevance", "diversify"})


@dataclass(frozen=True, slots=True)
class IndexVersion:
    """All that scores depend on.

    Attributes:
        pipeline: xxh3-128 of its canonical JSON.
        pipeline_name: for people.
        encoders: fingerprints of what encoded the documents, by signal.
        index: xxh3-128 of what the indexes are built with.
        n_docs: documents, deleted ones that no merge has dropped included.
    """

    pipeline: str
    pipeline_name: str
    encoders: Mapping[str, str]
    index: str
    n_docs: int

    @staticmethod
    def of(pipeline: Mapping[str, Json], snapshot: Snapshot, parameters: Json) -> "IndexVersion":
        """The version of a snapshot of all documents; `parameters` are those of its indexes.

        What a pipeline does after its documents are scored, its name and its filter do not count.
        """
        scoring = {name: value for name, value in pipeline.items() if name not in _NOT_SCORING}
        encoders = {
            signal: " and ".join(sorted(snapshot.fingerprints(signal))) for signal in _SIGNALS
        }
        return IndexVersion(
            _digest(scoring),
            str(pipeline.get("name", "custom")),
            {signal: found for signal, found in encoders.items() if found},
            _digest(parameters),
            snapshot.n_docs,
        )

    def changes(self, now: "IndexVersion") -> list[str]:
        """What differs now, a phrase each; none if a threshold is still valid."""
        found: list[str] = []
        if now.pipeline != self.pipeline:
            found.append(
                f"it is for the pipeline {self.pipeline_name!r}, not for {now.pipeline_name!r} "
                "or its stages have changed"
            )
        for signal in sorted(self.encoders.keys() | now.encoders.keys()):
            if (was := self.encoders.get(signal)) != (is_now := now.encoders.get(signal)):
                found.append(f"the {signal} encoder was {was}, now {is_now}")
        if now.index != self.index:
            found.append("the indexes are built otherwise")
        if abs(now.n_docs - self.n_docs) > DRIFT * self.n_docs:
            found.append(f"there were {self.n_docs:,} documents, now {now.n_docs:,}")
        return found

    def require(self, now: "IndexVersion", *, name: str) -> None:
        """Refuse to use what was calibrated for another version.

        Raises:
            CalibrationError: if the calibration `name` is of another version.
        """
        if changes := self.changes(now):
            raise CalibrationError(
                f"the calibration {name!r} is of another index version: {'; '.join(changes)}; "
                "expected the one it was made for; run `lexmax calibrate` again"
            )


def _digest(value: object) -> str:
    return xxhash.xxh3_128(to_json(value)).hexdigest()
