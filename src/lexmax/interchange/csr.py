"""scipy's sparse matrices: a `.npz` of a CSR matrix, a row a document, a column a term.

Ids and terms have no place in such a file. They lie beside it, one a line: `x.npz` has
`x.ids.txt` and `x.terms.txt`. Without them row 7 is document "7" and column 9 is term "9".
The arrays are read and written in parts, which `scipy.sparse.load_npz` does not do.
"""

import zipfile
import zlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from lexmax.errors import CorpusError
from lexmax.interchange.vectors import CHUNK_DOCS, Chunk, Outgoing, Progress, by_row
from lexmax.types import ranges

_MOST_COLUMNS = (1 << 32) - 1
# A column for each number up to the largest must stay a sensible matrix.
_MOST_NUMBERED = 1 << 31
_READ = 1 << 20


@dataclass(frozen=True, slots=True)
class CsrFile:
    """A matrix whose row ends and columns were read; `chunks` reads it once more.

    indptr int64 (n_docs + 1,); columns int64 (n_terms,), those that occur, ascending.
    """

    source: Path
    terms: list[str]
    columns: NDArray[np.int64]
    indptr: NDArray[np.int64]
    _ids: Path | None
    _progress: Progress

    @property
    def n_docs(self) -> int:
        """Rows of the matrix."""
        return len(self.indptr) - 1

    def chunks(self, term_ids: NDArray[np.uint32]) -> Iterator[Chunk]:
        """All rows in order."""
        ids = _names(self._ids, self.n_docs)
        with _damage(self.source), ExitStack() as stack:
            archive = stack.enter_context(zipfile.ZipFile(self.source))
            indices = stack.enter_context(_Member.open(archive, "indices", "iu", self.source))
            weights = stack.enter_context(_Member.open(archive, "data", "iuf", self.source))
            if weights.rows != self.indptr[-1]:
                raise _error(
                    self.source, f"{weights.rows:,} weights", f"{self.indptr[-1]:,}, as of indices"
                )
            for start, stop in ranges(self.n_docs, CHUNK_DOCS):
                yield self._chunk(start, stop, indices, weights, ids, term_ids)
                self._progress(stop)
            indices.finish()
            weights.finish()
            # Past the last id stands the check that there are no more.
            next(ids, None)

    def _chunk(
        self,
        start: int,
        stop: int,
        indices: "_Member",
        weights: "_Member",
        ids: Iterator[str],
        term_ids: NDArray[np.uint32],
    ) -> Chunk:
        lengths = np.diff(self.indptr[start : stop + 1])
        n = int(lengths.sum())
        places = np.searchsorted(self.columns, indices.read(n).astype(np.int64))
        with np.errstate(over="ignore"):
            values = weights.read(n).astype(np.float32)
        batch = by_row(
            np.repeat(np.arange(stop - start), lengths),
            term_ids[places],
            values,
            stop - start,
            place=lambda i: f"{self.source}, row {start + i:,}",
        )
        return Chunk([next(ids) for _ in range(start, stop)], None, batch)


def read_csr(
    path: Path,
    *,
    ids: Path | None = None,
    terms: Path | None = None,
    progress: Progress = lambda done: None,
) -> CsrFile:
    """Read a `.npz` that `scipy.sparse.save_npz` wrote; explicit zeros are left out.

    `ids` and `terms` are files of one name a line; None takes those beside it, if there are any.

    Raises:
        CorpusError: if the file is none, is damaged, holds another kind of matrix, or names are
            more or fewer than rows or columns.
    """
    with _damage(path), zipfile.ZipFile(path) as archive:
        kind = _whole(archive, "format", "SU", path)
        if kind.item() not in (b"csr", "csr"):
            raise _error(path, f"a matrix of kind {kind.item()!r}", "csr; convert it by .tocsr()")
        shape = _whole(archive, "shape", "iu", path)
        indptr = _whole(archive, "indptr", "iu", path).astype(np.int64)
        if shape.shape != (2,) or not 0 < shape[0] == len(indptr) - 1:
            raise _error(path, f"shape {shape.tolist()}, {len(indptr)} row ends", "a row or more")
        if indptr[0] != 0 or np.any(np.diff(indptr) < 0):
            raise _error(path, "row ends that fall", "row ends that start at 0 and never fall")
        columns = _occurring(archive, path, int(indptr[-1]))
    if len(columns) and not 0 <= columns[0] <= columns[-1] < min(shape[1], _MOST_COLUMNS):
        raise _error(path, f"columns {columns[0]} to {columns[-1]}", f"0 to {shape[1] - 1}")
    ids = ids or _existing(beside(path, "ids"))
    names = _terms(terms or _existing(beside(path, "terms")), columns, int(shape[1]))
    return CsrFile(path, names, columns, indptr, ids, progress)


def _occurring(archive: zipfile.ZipFile, path: Path, nnz: int) -> NDArray[np.int64]:
    found = np.zeros(0, dtype=np.int64)
    with _Member.open(archive, "indices", "iu", path) as indices:
        if indices.rows != nnz:
            raise _error(path, f"{indices.rows:,} indices", f"{nnz:,}, as indptr says")
        for start, stop in ranges(nnz, _READ):
            found = np.union1d(found, indices.read(stop - start).astype(np.int64))
        indices.finish()
    return found


def _terms(path: Path | None, columns: NDArray[np.int64], n_columns: int) -> list[str]:
    if path is None:
        return [str(column) for column in columns.tolist()]
    wanted = set(columns.tolist())
    terms = [name for i, name in enumerate(_names(path, n_columns)) if i in wanted]
    if len(set(terms)) != len(terms) or "" in terms:
        raise _error(path, "an empty line, or a term twice", "a name for each column, each once")
    return terms


def write_csr(
    outgoing: Outgoing, file: BinaryIO, *, progress: Progress = lambda done: None
) -> None:
    """Write a matrix that `scipy.sparse.load_npz` reads: weights as float32, nothing lost.

    Columns are `columns_of` the terms, or else the terms' places; within a row they ascend where
    terms do.
    """
    lengths = np.zeros(outgoing.n_docs, dtype=np.int64)
    columns = columns_of(outgoing.terms)
    if columns is None:
        columns = np.arange(len(outgoing.terms), dtype=np.int64)
    n_columns, nnz = int(columns.max(initial=-1)) + 1, int(outgoing.doc_freqs.sum())

    def indices() -> Iterator[NDArray[Any]]:
        done = 0
        for batch in outgoing.weights():
            lengths[done : done + len(batch)] = np.diff(batch.indptr)
            done += len(batch)
            yield columns[batch.term_ids]
            progress(done)

    with zipfile.ZipFile(file, "w", allowZip64=True) as archive:
        _write(archive, "format", np.array(b"csr"))
        _write(archive, "shape", np.array([outgoing.n_docs, n_columns], dtype=np.int64))
        _stream(archive, "indices", columns.dtype, nnz, indices())
        weights = (batch.weights for batch in outgoing.weights())
        _stream(archive, "data", np.dtype(np.float32), nnz, weights)
        _write(archive, "indptr", np.cumsum(np.concatenate([np.zeros(1, np.int64), lengths])))


def columns_of(terms: Sequence[str]) -> NDArray[np.int64] | None:
    """The column of each term, (n_terms,), where all terms are numbers of columns; else None."""
    numbered = all(term.isascii() and term.isdigit() and len(term) <= 10 for term in terms)
    if not numbered:
        return None
    columns = np.array([int(term) for term in terms], dtype=np.int64)
    plain = [str(column) for column in columns.tolist()] == list(terms)
    return columns if plain and columns.max(initial=0) < _MOST_NUMBERED else None


def beside(path: Path, what: str) -> Path:
    """Where the names of a matrix's rows ("ids") or columns ("terms") lie."""
    return path.with_name(f"{path.name.removesuffix('.npz')}.{what}.txt")


def _existing(path: Path | None) -> Path | None:
    return path if path is not None and path.is_file() else None


def _names(path: Path | None, n: int) -> Iterator[str]:
    """Exactly n names."""
    if path is None:
        yield from map(str, range(n))
        return
    found = 0
    try:
        with path.open(encoding="utf-8-sig", newline="\n") as file:
            for line in file:
                found += 1
                if found <= n:
                    yield line.removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError) as error:
        raise _error(path, f"no text ({error})", "a name a line, in UTF-8") from error
    if found != n:
        raise _error(path, f"{found:,} lines", f"{n:,}, one for each row or column")


@dataclass(slots=True)
class _Member:
    """One array of the archive, read from its beginning to its end."""

    name: str
    path: Path
    rows: int
    _dtype: np.dtype[Any]
    _file: IO[bytes]

    @staticmethod
    def open(archive: zipfile.ZipFile, name: str, kinds: str, path: Path) -> "_Member":
        try:
            file = archive.open(f"{name}.npy")
        except KeyError as error:
            raise _error(path, f"no {name}", "an archive of scipy.sparse.save_npz") from error
        version = npy.read_magic(file)
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read_header(file)
        if dtype.kind not in kinds or len(shape) > 1 or min(shape, default=1) < 0:
            file.close()
            raise _error(path, f"{name} of type {dtype} and shape {shape}", "a row of numbers")
        return _Member(name, path, int(shape[0]) if shape else 1, dtype, file)

    def read(self, n: int) -> NDArray[Any]:
        """The next n values."""
        size = n * self._dtype.itemsize
        parts: list[bytes] = []
        while size and (part := self._file.read(min(size, _READ))):
            parts.append(part)
            size -= len(part)
        if size:
            raise _error(self.path, f"{self.name} cut short by {size:,} bytes", "all of it")
        return np.frombuffer(b"".join(parts), dtype=self._dtype)

    def finish(self) -> None:
        """The archive compares its checksum at the end of a member."""
        if self._file.read(1):
            raise _error(self.path, f"more {self.name} than its length says", "as many")

    def __enter__(self) -> "_Member":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _whole(archive: zipfile.ZipFile, name: str, kinds: str, path: Path) -> NDArray[Any]:
    with _Member.open(archive, name, kinds, path) as member:
        values = member.read(member.rows)
        member.finish()
        return values


def _write(archive: zipfile.ZipFile, name: str, values: NDArray[Any]) -> None:
    with archive.open(_info(name), "w", force_zip64=True) as file:
        npy.write_array(file, values, allow_pickle=False)


def _stream(
    archive: zipfile.ZipFile,
    name: str,
    dtype: np.dtype[Any],
    rows: int,
    parts: Iterator[NDArray[Any]],
) -> None:
    header = {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": (rows,)}
    with archive.open(_info(name), "w", force_zip64=True) as file:
        npy.write_array_header_1_0(file, header)
        for part in parts:
            file.write(np.ascontiguousarray(part, dtype=dtype).tobytes())


def _info(name: str) -> zipfile.ZipInfo:
    # Without the time of day the same matrix gives the same bytes.
    return zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))


@contextmanager
def _damage(path: Path) -> Generator[None, None, None]:
    try:
        yield
    except (OSError, ValueError, EOFError, RuntimeError, NotImplementedError) as error:
        raise _error(path, f"a file that cannot be read ({error})", _EXPECTED) from error
    except (zipfile.BadZipFile, zlib.error, SyntaxError, TypeError) as error:
        raise _error(path, f"a damaged file ({error})", _EXPECTED) from error


_EXPECTED = "a .npz of scipy.sparse.save_npz; write it again, or copy it again"


def _error(path: Path, found: str, expected: str) -> CorpusError:
    return CorpusError(f"{path}: found {found}; expected {expected}")
