"""Which indexes are there already, and how do those that are missing come about?

`indexes/CORPUS-IDENTITY/` is a collection; CORPUS is a hash of its documents, IDENTITY of encoders
and plan. `indexes/CORPUS-IDENTITY.json` says that it is whole. What an interrupted job left is gone
on with; what another index can lend is not encoded again.
"""

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from lexmax.building import Watcher
from lexmax.corpus import read_documents
from lexmax.creating import IndexChoice
from lexmax.encoders import Encoders
from lexmax.eval.experiments.corpus_hash import Corpus
from lexmax.eval.experiments.derived import derive
from lexmax.eval.experiments.index_plan import IndexIdentity, told
from lexmax.index.durable import to_json, write_atomically
from lexmax.index.failures import storage_errors
from lexmax.index.layout import Layout
from lexmax.indexing import index_documents


@dataclass(frozen=True, slots=True)
class Work:
    """What an index takes to be there.

    Attributes:
        folder: where it will be.
        how: `there`, `derived` (vectors of another index are linked) or `built`.
        lender: the other index.
        begun: whether an interrupted job has left something of it.
    """

    folder: Path
    how: str
    lender: Path | None = None
    begun: bool = False


class IndexCache:
    """Indexes below a folder, by what they hold."""

    def __init__(self, folder: Path, registry: Encoders) -> None:
        """Indexes lie in `folder`; fingerprints are those of `registry`."""
        self._folder, self._registry = folder, registry

    def work(
        self, corpus: Corpus, plan: IndexChoice, *, coming: Sequence[IndexChoice] = ()
    ) -> Work:
        """What must be done for an index; `coming` are those that will be there before it.

        Raises:
            EncoderError: if there is no such encoder.
        """
        identity = IndexIdentity.of(plan, self._registry)
        folder = self._place(corpus, identity)
        if self._is_whole(folder, identity):
            return Work(folder, "there")
        begun = Layout(folder).catalog.is_file()
        lenders = [*self._whole(corpus), *(IndexIdentity.of(one, self._registry) for one in coming)]
        fitting = [one for one in lenders if one.can_lend_to(identity)]
        if not fitting:
            return Work(folder, "built", begun=begun)

        def lent(one: IndexIdentity) -> tuple[bool, bool]:
            # Terms cost more to make anew than encodings do.
            return one.sparse == identity.sparse, one.tokens == identity.tokens

        return Work(folder, "derived", self._place(corpus, max(fitting, key=lent)), begun)

    def ready(self, corpus: Corpus, plan: IndexChoice, watcher: Watcher) -> Work:
        """See to it that an index is there; what was done for it.

        Raises:
            KeyboardInterrupt: if the watcher stopped it; what is finished is kept.
            CorpusError, EncoderError, StorageError: as indexing raises them.
        """
        work = self.work(corpus, plan)
        if work.how == "there":
            return work
        identity, began = IndexIdentity.of(plan, self._registry), time.perf_counter()
        if work.how == "derived" and work.lender is not None:
            shutil.rmtree(work.folder, ignore_errors=True)
            derive(work.lender, work.folder, plan, self._registry, watcher)
        else:
            index_documents(
                work.folder,
                read_documents(corpus.sources, on_reject=lambda reject: None),
                name=corpus.digest,
                choice=plan,
                watcher=watcher,
                encoders=self._registry,
            )
        about = {
            "corpus": corpus.digest,
            "identity": identity.as_json(),
            "plan": told(plan),
            "sources": corpus.sources,
            "how": work.how,
            "seconds": time.perf_counter() - began,
        }
        with storage_errors(work.folder):
            write_atomically(_about(work.folder), to_json(about))
        return work

    def _place(self, corpus: Corpus, identity: IndexIdentity) -> Path:
        return self._folder / f"{corpus.digest}-{identity.digest}"

    def _is_whole(self, folder: Path, identity: IndexIdentity) -> bool:
        return Layout(folder).catalog.is_file() and _read(_about(folder)) == identity

    def _whole(self, corpus: Corpus) -> list[IndexIdentity]:
        found = (_read(path) for path in sorted(self._folder.glob(f"{corpus.digest}-*.json")))
        return [
            one
            for one in found
            if one is not None and Layout(self._place(corpus, one)).catalog.is_file()
        ]


def _about(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.json")


def _read(path: Path) -> IndexIdentity | None:
    try:
        written: Any = orjson.loads(path.read_bytes())
        return IndexIdentity.from_json(written["identity"])
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError):
        return None
