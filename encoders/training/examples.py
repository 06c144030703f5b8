"""Which examples are there, over all sources?"""

from collections.abc import Callable, Iterator
from pathlib import Path

from lexmax.encoders.training.config import DataSection
from lexmax.encoders.training.durable import write_file
from lexmax.encoders.training.example import Example
from lexmax.encoders.training.sources import Source, dev_place, rejects_json
from lexmax.errors import TrainingError


class Examples:
    """The examples of all sources of a configuration, each one seek away.

    Attributes:
        sources: In the order of the configuration.
        n_broken: Lines that gave no example.
    """

    def __init__(
        self,
        section: DataSection,
        *,
        output: Path,
        on_read: Callable[[int], None] = lambda n: None,
    ) -> None:
        """Reads the files, unless `output`/cache knows them; writes `output`/rejects.jsonl.

        Raises:
            CorpusError: if a file cannot be read, or is damaged.
            TrainingError: if too many lines are broken, or none is left to train with.
            DiskFullError: if the cache has no room.
        """
        cache = output / "cache"
        cache.mkdir(parents=True, exist_ok=True)
        held_out = section.dev.share if section.dev.dataset is None else 0.0
        self.sources = [
            Source(
                source,
                folder=Path(section.folder),
                cache=cache,
                dev_share=held_out,
                on_read=on_read,
            )
            for source in section.train
        ]
        self._note_broken(section, output / "rejects.jsonl")
        if not sum(self.sizes):
            raise TrainingError(
                f"{', '.join(source.name for source in self.sources)}: no example to train with, "
                f"{self.n_broken} lines are broken; see {output / 'rejects.jsonl'}"
            )

    @property
    def sizes(self) -> list[int]:
        """Examples to train with, of each source."""
        return [len(source.train) for source in self.sources]

    def example(self, source: int, number: int) -> Example:
        """Example `number` of those of a source to train with."""
        found = self.sources[source]
        return found.example(int(found.train[number]))

    def held_out(self, most: int) -> list[Example]:
        """At most so many of the held-out examples: of all sources, the first by their hash."""
        examples = [
            source.example(int(offset)) for source in self.sources for offset in source.dev[:most]
        ]
        return sorted(examples, key=lambda example: dev_place(example.query))[:most]

    def some_documents(self, most: int) -> Iterator[str]:
        """At most so many documents of training examples, spread over the sources; no duplicates.

        Which ones depends on the number of examples alone.
        """
        seen: set[str] = set()
        per_source = -(-most // max(len(self.sources), 1))
        for source in self.sources:
            step = max(len(source.train) // max(per_source, 1), 1)
            for offset in source.train[::step]:
                for text in source.documents_of(int(offset)):
                    if text not in seen and len(seen) < most:
                        seen.add(text)
                        yield text

    def _note_broken(self, section: DataSection, path: Path) -> None:
        broken = [one for source in self.sources for one in source.broken]
        self.n_broken = len(broken)
        if broken or path.exists():
            write_file(path, rejects_json(iter(broken)))
        if self.n_broken > section.max_rejects:
            last = broken[-1]
            raise TrainingError(
                f"{last.source}: found {self.n_broken} lines that give no example, the last at "
                f"line {last.line_number}: {last.reason}; expected at most {section.max_rejects}; "
                f"see {path}, mend the file, or allow more with data.max_rejects"
            )
