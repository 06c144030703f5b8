"""What is searched, and for what? The vectors of benchmarks/sparse, as a collection and as queries.

Queries are those of an inference-free encoder in their shape: the heaviest few terms of a synthetic
query, as many as a question has words. Peers get the same terms and weights.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

_BENCHMARKS = Path(__file__).parents[1]
_SPARSE = _BENCHMARKS / "sparse"
_COLLECTION = "searched"
_PROFILE = "hard"


@dataclass(frozen=True, slots=True)
class Workload:
    """A synthetic collection of so many documents in the work folder of benchmarks/sparse."""

    work: Path
    docs: int

    @property
    def vectors(self) -> Path:
        """Where its vectors and the peers' indexes lie."""
        return self.work / f"{_PROFILE}-{self.docs}"

    @property
    def served(self) -> Path:
        """The folder that the service serves: one collection, `searched`."""
        return self.vectors / "served"

    @property
    def collection(self) -> Path:
        """The one that lexmax searches."""
        return self.served / _COLLECTION

    @property
    def search_path(self) -> str:
        """The route that searches it."""
        return f"/v1/collections/{_COLLECTION}/search"

    def make(self) -> None:
        """Vectors and collection, where they are not there yet."""
        if not self.vectors.exists():
            where = [str(self.vectors), "--profile", _PROFILE, "--docs", str(self.docs)]
            _run([_python("peers"), "generate.py", *where], folder=_SPARSE)
        if not self.collection.exists():
            self.served.mkdir(exist_ok=True)
            self._import()

    def make_peer(self, name: str) -> None:
        """A peer's index, where it is not there yet."""
        environment = "lucene" if name == "lucene" else "peers"
        places = ["--data", self.vectors, "--indexes", self.vectors / "indexes"]
        places += ["--found", self.vectors / "found", "--build-only"]
        command = [_python(environment), "-m", f"peers.{name}", *map(str, places)]
        _run(command, folder=_SPARSE)

    def queries(self, n: int, terms: int) -> list[str]:
        """Texts `term^weight ...` of the heaviest terms of each test query, all terms where 0."""
        parts = [np.load(self.vectors / f"test.{part}.npy", mmap_mode="r") for part in _PARTS]
        indptr, term_ids, weights = parts
        return [_text(term_ids[a:b], weights[a:b], terms) for a, b in pairwise(indptr[: n + 1])]

    def _import(self) -> None:
        from scipy.sparse import csr_matrix, save_npz

        parts = [np.load(self.vectors / f"documents.{part}.npy", mmap_mode="r") for part in _PARTS]
        indptr, term_ids, weights = parts
        shape = (len(indptr) - 1, int(term_ids.max()) + 1)
        matrix = csr_matrix((weights, term_ids.view(np.int32), indptr), shape=shape)
        file = self.vectors / "documents.npz"
        save_npz(file, matrix, compressed=False)
        command = [sys.executable, "-m", "lexmax.cli", "import", str(file), str(self.collection)]
        try:
            _run([*command, "--format", "csr"], folder=self.vectors)
        finally:
            file.unlink()


_PARTS = ("indptr", "term_ids", "weights")


def small_documents(n: int, first: int, *, terms: int = 30, seed: int = 7) -> list[dict[str, Any]]:
    """Documents of a line of text and so many term weights; `first` numbers them."""
    random = np.random.default_rng((seed, first))
    drawn = random.zipf(1.3, (n, 4 * terms)) % 28_000
    weights = np.round(random.gamma(2.0, 0.4, (n, terms)) + 0.01, 4).tolist()
    documents: list[dict[str, Any]] = []
    for i, row in enumerate(drawn):
        names = [str(term) for term in np.unique(row)[:terms].tolist()]
        sparse = dict(zip(names, weights[i], strict=False))
        text = f"document {first + i} of those that come while others are searched"
        vectors = {"sparse": sparse}
        documents.append({"doc_id": f"w{first + i}", "text": text, "vectors": vectors})
    return documents


def _text(term_ids: Any, weights: Any, terms: int) -> str:
    order = np.argsort(-weights, kind="stable")[: terms or None]
    return " ".join(f"{term_ids[i]}^{weights[i]:.4f}" for i in sorted(order))


def _python(environment: str) -> str:
    return str(_BENCHMARKS / ".environments" / environment / "bin" / "python")


def _run(command: Sequence[str], *, folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, stdout=sys.stderr, env=_environment())


def _environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(_BENCHMARKS)}
