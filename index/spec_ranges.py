"""Which encoder made the numbers of which documents in a segment?

A build has one encoder a signal. After a merge there may be several, which differ in nothing that
a query must share (their fingerprints are equal) but in constants that were fitted, such as the
mean length of bm25. The manifest then says from which serial to which each was used.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lexmax.errors import CorruptionError
from lexmax.index.manifest import Manifest
from lexmax.types import Json

PARAMETER = "specs"


@dataclass(frozen=True, slots=True)
class SpecRange:
    """Documents from `first_serial` to `last_serial` were encoded by the encoder `spec`."""

    first_serial: int
    last_serial: int
    spec: str


def spec_ranges(manifest: Manifest, signal: str) -> list[SpecRange]:
    """The encoders of one signal in the order of the serials that they encoded.

    Raises:
        CorruptionError: if the manifest's account of them cannot be read.
    """
    written = manifest.parameters.get(PARAMETER)
    if not isinstance(written, Mapping) or signal not in written:
        spec = manifest.encoders[signal]["spec"]
        return [SpecRange(manifest.first_serial, manifest.last_serial, spec)]
    rows: Any = written[signal]
    try:
        return [SpecRange(int(first), int(last), str(spec)) for first, last, spec in rows]
    except (TypeError, ValueError) as error:
        raise CorruptionError(
            f"segment {manifest.segment_id}: {PARAMETER} is {rows}; expected rows of first "
            "serial, last serial and spec; restore a backup"
        ) from error


def joined(ranges: Sequence[SpecRange]) -> list[SpecRange]:
    """Neighbours of one spec made one range."""
    made: list[SpecRange] = []
    for found in ranges:
        if made and made[-1].spec == found.spec:
            made[-1] = SpecRange(made[-1].first_serial, found.last_serial, found.spec)
        else:
            made.append(found)
    return made


def described(ranges: Mapping[str, Sequence[SpecRange]]) -> dict[str, Json]:
    """What to write into the manifest: nothing about a signal that has one encoder."""
    rows: dict[str, Json] = {
        signal: [[found.first_serial, found.last_serial, found.spec] for found in several]
        for signal, several in ranges.items()
        if len(several) > 1
    }
    return {PARAMETER: rows} if rows else {}
