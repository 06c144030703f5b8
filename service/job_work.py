"""What does a job do? What `lexmax index` does, into a collection that others use meanwhile."""

import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

from lexmax.collection import Collection
from lexmax.corpus import read_documents
from lexmax.corpus_sources import name_of
from lexmax.errors import CorpusError
from lexmax.index.document_rows import UpsertCount
from lexmax.indexing import Corpus, Rejects, ingest, some_documents
from lexmax.service.job_watch import BatchSize, JobWatch
from lexmax.service.jobs import Job


def run_job(
    collection: Collection,
    sources: Sequence[Path],
    watch: JobWatch,
    *,
    aside: Path,
    save: Callable[[Job], None],
    size: BatchSize | None = None,
) -> None:
    """Index the files into the collection; goes on where an interrupted run was.

    Args:
        collection: Open, and in use by others.
        sources: The files.
        watch: Is told, and stops it.
        aside: Where the lines are written that give no document.
        save: Remembers how far it is.
        size: Of batches.

    Raises:
        CorpusError: if it cannot be read, or too much of it cannot be stored.
        StorageError: if the disk refuses.
        KeyboardInterrupt: if it was stopped; what was stored is kept, and searchable but where the
            service stops.
    """
    size = size or BatchSize()
    acceptance = collection.writer.acceptance
    rejects = Rejects(watch.job.max_rejects, on_reject=watch.reject)
    name = name_of([str(source) for source in sources], acceptance.fields, None) or ""
    collection.flush(watch)  # what an interrupted run has stored
    done = collection.writer.ingest_position(name)
    watch.found(done)
    documents = read_documents(
        sources,
        on_reject=rejects.add,
        progress=watch.read,
        check=acceptance.check,
    )
    left = islice(some_documents(documents, rejects), done, None)
    corpus = Corpus(size.batches(left), name, rejects, aside)

    def stored(n_docs: int, count: UpsertCount) -> None:
        began = time.monotonic()
        watch.stored(n_docs, count)
        save(watch.job)
        collection.flush(watch)
        size.took(sum((count.added, count.replaced, count.unchanged)), time.monotonic() - began)
        watch.require_going_on()

    ingest(collection, corpus, done=done, watcher=watch, stored=stored)
    collection.writer.end_ingest()


def shown(error: CorpusError, sources: Sequence[Path], name: str) -> str:
    """What was wrong with the corpus, without the places of this machine."""
    said = str(error)
    for source in sources:
        own = name if len(sources) == 1 else f"{name}/{source.name}"
        said = said.replace(str(source), own)
    return said.replace("; allow more with --max-rejects", "")
