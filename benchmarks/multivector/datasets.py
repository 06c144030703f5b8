"""Which token vectors has a real collection, and how are they made smaller?

The vectors are those of lexmax's `minilm` encoder, 384 coordinates, at most 256 tokens a text.
A smaller dim is an uncentred PCA of a sample of document tokens, of unit length again: what
untrained vectors can do at that size, no more.
"""

import gzip
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from token_files import Tokens, map_tokens, write_tokens

ENCODED_DIM = 384
_SAMPLE_TOKENS = 100_000
_SEED = 0
_TEXTS_A_PART = 512
_TOKENS_A_PART = 1 << 16


def encode(beir: Path, folder: Path, *, say: Callable[[str], None]) -> None:
    """Write documents, queries and qrels of a BEIR folder; splits are `test` and, if any, `train`.

    Qrels go to `<split>.qrels.json`, {query: {document: grade}}.
    """
    from lexmax.encoders import Encoders

    encoder = Encoders().multivector("minilm")
    ids, texts = _corpus(beir)
    parts: list[NDArray[np.float16]] = []
    lengths: list[NDArray[np.int64]] = []
    for start in range(0, len(texts), _TEXTS_A_PART):
        batch = encoder.encode_documents(texts[start : start + _TEXTS_A_PART])
        parts.append(batch.vectors.astype(np.float16))
        lengths.append(np.diff(batch.offsets))
        say(f"encoded {min(start + _TEXTS_A_PART, len(texts)):,} of {len(texts):,} documents")
    write_tokens(folder, "documents", Tokens(_offsets(lengths), np.concatenate(parts)))
    _write_json(folder / "documents.ids.json", ids)
    queries = {line["_id"]: line["text"] for line in _lines(beir / "queries.jsonl")}
    for split in ("test", "train"):
        if (beir / "qrels" / f"{split}.tsv").exists():
            judged = _qrels(beir / "qrels" / f"{split}.tsv")
            chosen = [query for query in judged if query in queries]
            batch = encoder.encode_queries([queries[query] for query in chosen])
            write_tokens(folder, split, Tokens(batch.offsets, batch.vectors))
            _write_json(folder / f"{split}.ids.json", chosen)
            _write_json(folder / f"{split}.qrels.json", judged)


def reduce(source: Path, folder: Path, dim: int) -> float:
    """Write the collection of `source` with fewer coordinates; the share of energy kept."""
    documents = map_tokens(source, "documents")
    basis, kept = principal_axes(documents.vectors, dim)
    shape = (len(documents.vectors), dim)
    out = open_memmap(folder / "documents.vectors.npy", mode="w+", dtype=np.float16, shape=shape)
    for start in range(0, len(out), _TOKENS_A_PART):
        part = documents.vectors[start : start + _TOKENS_A_PART]
        out[start : start + len(part)] = projected(part, basis)
    out.flush()
    np.save(folder / "documents.offsets.npy", documents.offsets, allow_pickle=False)
    for split in ("test", "train"):
        if (source / f"{split}.vectors.npy").exists():
            queries = map_tokens(source, split)
            write_tokens(folder, split, Tokens(queries.offsets, projected(queries.vectors, basis)))
    for path in source.glob("*.json"):
        (folder / path.name).write_text(path.read_text())
    return kept


def principal_axes(vectors: NDArray[np.float16], dim: int) -> tuple[NDArray[np.float32], float]:
    """Axes (coordinates, dim) of the greatest energy of a sample, and their share of it."""
    random = np.random.default_rng(_SEED)
    n = min(_SAMPLE_TOKENS, len(vectors))
    rows = np.sort(random.choice(len(vectors), n, replace=False))
    sample = np.asarray(vectors[rows], dtype=np.float64)
    energies, axes = np.linalg.eigh(sample.T @ sample)
    kept = float(energies[::-1][:dim].sum() / energies.sum())
    return np.ascontiguousarray(axes[:, ::-1][:, :dim], dtype=np.float32), kept


def projected(
    vectors: NDArray[np.float16] | NDArray[np.float32], basis: NDArray[np.float32]
) -> NDArray[np.float32]:
    """On the axes, of unit length again."""
    short = np.asarray(vectors, dtype=np.float32) @ basis
    lengths = np.linalg.norm(short, axis=1, keepdims=True)
    found: NDArray[np.float32] = short / np.maximum(lengths, 1e-9)
    return found


def _corpus(beir: Path) -> tuple[list[str], list[str]]:
    ids, texts = [], []
    for line in _lines(beir / "corpus.jsonl"):
        ids.append(line["_id"])
        texts.append(f"{line.get('title', '')} {line['text']}".strip())
    return ids, texts


def _lines(path: Path) -> Iterable[dict[str, str]]:
    packed = path.with_name(path.name + ".gz")
    with gzip.open(packed, "rt") if packed.exists() else path.open() as file:
        for line in file:
            yield json.loads(line)


def _qrels(path: Path) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for line in path.read_text().splitlines()[1:]:
        query, document, grade = line.split("\t")
        found.setdefault(query, {})[document] = int(grade)
    return found


def _offsets(lengths: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(np.concatenate(lengths))])


def _write_json(path: Path, what: object) -> None:
    path.write_text(json.dumps(what) + "\n")
