"""How did training go, step by step?"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from lexmax.encoders.training.durable import write_file, writing


class Metrics:
    """A JSON line a record, each with `step`; made to be appended to and to be read by anyone."""

    def __init__(self, path: Path) -> None:
        """The file is made with the first record."""
        self._path = path

    def append(self, record: Mapping[str, Any]) -> None:
        """Add a record.

        Raises:
            DiskFullError: if there is no room.
        """
        with writing(self._path), self._path.open("ab") as file:
            file.write(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))

    def records(self) -> list[dict[str, Any]]:
        """All whole records; the last line of a killed process may be cut."""
        if not self._path.exists():
            return []
        found: list[dict[str, Any]] = []
        for line in self._path.read_bytes().splitlines():
            try:
                found.append(orjson.loads(line))
            except orjson.JSONDecodeError:
                continue
        return found

    def cut(self, step: int) -> None:
        """Forget what came after a step, because a run goes on from there."""
        kept = [record for record in self.records() if record["step"] <= step]
        lines = (orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE) for record in kept)
        if self._path.exists():
            write_file(self._path, b"".join(lines))
