"""Every error that lexmax raises on purpose.

    LexmaxError
    ├── InputError               what the caller gave cannot be used
    │   ├── ShapeError           arrays that do not fit together
    │   ├── QueryError           a query, or its k, cannot be answered
    │   ├── FilterError          a filter names unknown fields, or has another shape
    │   ├── PipelineError        no such pipeline, or one that this collection cannot run
    │   ├── CorpusError          a file of documents cannot be read
    │   ├── DocumentError        one document cannot be stored
    │   ├── EncoderError         no such encoder, or it cannot be loaded here
    │   ├── TrainingError        a configuration or examples that nothing can be trained with
    │   ├── EvaluationError      queries, qrels, a run or a measure cannot be used
    │   ├── CalibrationError     relevance cannot be calibrated so, or is of another index version
    │   └── SnapshotError        a snapshot that cannot be restored
    ├── ClientError              a service refused, failed or could not be reached
    └── StorageError             what is on disk cannot be used
        ├── NotACollectionError  the path holds no collection
        ├── CollectionExistsError
        ├── IndexFormatError     written by another format version
        ├── CorruptionError      bytes differ from what was written
        ├── LockedError          another writer holds the collection
        ├── DiskFullError        no room left; nothing stored was lost
        └── OpenFilesError       this process may open no more files

Each message names what was found, what was expected and the remedy. Nothing else derives from
LexmaxError, so `except LexmaxError` is every failure that a caller can do something about.
"""


class LexmaxError(Exception):
    """Base of every error that lexmax raises on purpose."""


class InputError(LexmaxError):
    """What the caller gave cannot be used."""


class ShapeError(InputError):
    """Arrays that do not fit together, or hold values that no index can rank."""


class QueryError(InputError):
    """A query, or its k, cannot be answered."""


class FilterError(InputError):
    """A filter names a field that is not declared, or does not have the shape of a filter."""


class PipelineError(InputError):
    """No such pipeline, or one that this collection has no index for."""


class CorpusError(InputError):
    """A file of documents cannot be read."""


class DocumentError(InputError):
    """One document cannot be stored."""


class EncoderError(InputError):
    """No such encoder, or it cannot be loaded here."""


class TrainingError(InputError):
    """A configuration, examples or a loss that nothing can be trained with."""


class EvaluationError(InputError):
    """Queries, qrels, a run or a measure cannot be used."""


class CalibrationError(InputError):
    """Relevance cannot be calibrated from this, or was for another index version."""


class SnapshotError(InputError):
    """A snapshot is damaged, cut, or holds what no snapshot has."""


class ClientError(LexmaxError):
    """A service refused, failed or could not be reached.

    Attributes:
        detail: What was found, what was expected and the remedy.
        code: Stable name of the kind of failure, such as collection_not_found; of those without a
            reply: unreachable, timeout, connection_failed, reply_unreadable.
        status: Of HTTP; 0 where no reply came.
        request_id: By which the service's log tells more; empty where there is none.
        retry_after_s: Seconds that the service asks to wait; None where it does not say.
    """

    def __init__(
        self,
        detail: str,
        *,
        code: str = "failed",
        status: int = 0,
        request_id: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail, self.code, self.status = detail, code, status
        self.request_id, self.retry_after_s = request_id, retry_after_s

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"

    def __reduce__(self) -> tuple[object, ...]:
        # An exception is copied from its arguments alone, and so is sent to other processes.
        said = (self.detail, self.code, self.status, self.request_id, self.retry_after_s)
        return _client_error, said


def _client_error(
    detail: str, code: str, status: int, request_id: str, retry_after_s: float | None
) -> ClientError:
    return ClientError(
        detail, code=code, status=status, request_id=request_id, retry_after_s=retry_after_s
    )


class StorageError(LexmaxError):
    """What is on disk cannot be used."""


class NotACollectionError(StorageError):
    """The path holds no collection."""


class CollectionExistsError(StorageError):
    """The path holds a collection already."""


class IndexFormatError(StorageError):
    """Written by a format version that this build does not read."""


class CorruptionError(StorageError):
    """Bytes on disk differ from what was written."""


class LockedError(StorageError):
    """Another writer holds the collection."""


class DiskFullError(StorageError):
    """No room left on the disk; nothing that was stored is lost."""


class OpenFilesError(StorageError):
    """This process, or the machine, may open no more files; some must be closed first."""
