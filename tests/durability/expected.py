"""What must be in a collection, after any of its writes was cut off?

Each document is a function of its key and version. Each writer has keys of its own, so the order of
the writes to a key is known. A write whose reply did not come was done whole, or not at all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_WORDS = 997


@dataclass(frozen=True, slots=True)
class Stored:
    """A document as it is to be found."""

    doc_id: str
    title: str
    text: str
    metadata: dict[str, object]


def doc_id_of(key: int) -> str:
    return f"k/{key}"


def unique_word(key: int, version: int) -> str:
    """A word that only this version of this document has."""
    return f"v{key}x{version}"


def document(key: int, version: int) -> Stored:
    """This version of the document."""
    words = " ".join(f"w{(key * 31 + version * 17 + i * i * 7) % _WORDS}" for i in range(8))
    text = f"key{key} {unique_word(key, version)} {words}"
    return Stored(doc_id_of(key), f"t{version}", text, {"version": version})


@dataclass(slots=True)
class Expected:
    """The version of each key that is there; keys that are not there have none."""

    versions: dict[int, int] = field(default_factory=dict[int, int])
    """Acknowledged."""
    unsure: list[dict[int, int | None]] = field(default_factory=list[dict[int, int | None]])
    """Writes whose reply did not come: of each key its new version, None where it was deleted."""
    newest: dict[int, int] = field(default_factory=dict[int, int])
    """Versions that were ever sent; none is sent twice."""

    def next_version(self, key: int) -> int:
        """A version that was never sent."""
        self.newest[key] = self.newest.get(key, 0) + 1
        return self.newest[key]

    def acknowledge(self, write: Mapping[int, int | None]) -> None:
        """The write is done."""
        for key, version in write.items():
            if version is None:
                self.versions.pop(key, None)
            else:
                self.versions[key] = version

    def cut_off(self, write: Mapping[int, int | None]) -> None:
        """Nobody knows yet whether the write is done."""
        self.unsure.append(dict(write))

    def settle(self, found: Mapping[int, int]) -> tuple[int, list[str]]:
        """Compare with the versions that are there: how many unsure writes were done, and what is
        wrong. Afterwards the model is what was found."""
        n_done, problems = 0, list[str]()
        for write in self.unsure:
            done = [found.get(key) == version for key, version in write.items()]
            # A deletion of what was not there looks done and undone; both are right.
            undone = [found.get(key) == self.versions.get(key) for key in write]
            if all(done):
                n_done += 1
                self.acknowledge(write)
            elif not all(undone):
                problems.append(f"{sum(done)} of {len(write)} parts of one write are there")
        self.unsure.clear()
        problems += differences(self.versions, found)
        self.versions = dict(found)
        return n_done, problems


def differences(expected: Mapping[int, int], found: Mapping[int, int]) -> Sequence[str]:
    """Each key whose version is another, is missing or was invented."""
    return [
        f"key {key}: expected version {expected.get(key)}, found {found.get(key)}"
        for key in sorted(expected.keys() | found.keys())
        if expected.get(key) != found.get(key)
    ]
