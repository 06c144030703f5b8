"""What are the vectors of a synthetic collection? Run in the bench environment (numba).

python generate.py FOLDER --profile hard|concentrated --docs N [--seed 7] [--chunk N] [--threads N]

Writes documents, 1,000 test queries and 300 train queries (for tuning) as `vectors.py` says, in
chunks; document i is the same whatever the chunk and the threads. Prints the statistics.
"""

import argparse
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from draws import DOCUMENT, TEST, TRAIN, count, normal, pick, stream, uniform
from numba import njit
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from profiles import PROFILES, VOCABULARY
from shape import statistics
from topics import Topics, make_topics
from vectors import Vectors, map_vectors, part_path, write_vectors

DOC_TERMS, DOC_SPREAD, DOC_LOW, DOC_HIGH = 120, 0.38, 16, 420
QUERY_TERMS, QUERY_SPREAD, QUERY_LOW, QUERY_HIGH = 43, 0.35, 6, 120
N_TEST, N_TRAIN = 1000, 300
_TRIES = 6000
_BLOCK = 5000


@njit(cache=True)
def _document(topics, seed, number, mark, seen, terms, weights):  # noqa: ANN001, ANN202
    """Fill the front of terms and weights; the length and the fine topic."""
    p = topics.numbers
    state = stream(seed, DOCUMENT, number)
    fine = pick(topics.topic_sums, state)
    broad, second = topics.broad_of[fine], fine
    if uniform(state) < 0.35:
        a, b = topics.siblings_start[broad], topics.siblings_start[broad + 1]
        second = topics.siblings[a + int(uniform(state) * (b - a))]
    wanted = count(DOC_TERMS, DOC_SPREAD, DOC_LOW, DOC_HIGH, state)
    scale = np.exp(0.18 * normal(state))
    held = 0
    for _ in range(_TRIES):
        if held == wanted:
            break
        source = uniform(state)
        if source < p.doc_from_fine:
            topic = fine if uniform(state) < 0.72 else second
            place = pick(topics.fine_sums[topic], state)
            term, weight = topics.fine_terms[topic, place], float(topics.fine_weights[topic, place])
        elif source < p.doc_from_fine + p.doc_from_broad:
            term = topics.broad_terms[broad, pick(topics.broad_sums[broad], state)]
            weight = p.broad_weight * (p.rarity_floor + p.rarity_slope * topics.rarity[term])
        else:
            term = topics.popular_terms[pick(topics.popular_sums, state)]
            weight = p.background_weight * (p.rarity_floor + p.rarity_slope * topics.rarity[term])
        if seen[term] == mark:
            continue
        seen[term] = mark
        weight *= np.exp(p.doc_spread * normal(state)) * scale
        if uniform(state) < p.boost_share:
            weight *= p.boost
        terms[held] = term
        weights[held] = min(max(1.10 * np.log1p(0.85 * weight), 0.01), 3.4)
        held += 1
    _sort(terms[:held], weights[:held])
    return held, fine


@njit(cache=True)
def _sort(terms, weights):  # noqa: ANN001, ANN202
    order = np.argsort(terms)
    terms[:], weights[:] = terms[order], weights[order]


@njit(nogil=True, cache=True)
def _documents(topics, seed, start, first, lengths, fine, terms, weights):  # noqa: ANN001, ANN202
    """Rows of padded (n, DOC_HIGH) terms and weights; `first` is the row that these begin at."""
    seen = np.full(VOCABULARY, -1, np.int64)
    for i in range(len(lengths)):
        number = start + first + i
        lengths[i], fine[i] = _document(topics, seed, number, i, seen, terms[i], weights[i])


@njit(cache=True)
def _query(topics, seed, kind, number, n_docs, terms, weights):  # noqa: ANN001, ANN202
    """Fill the front of terms and weights; the length."""
    p = topics.numbers
    state = stream(seed, kind, number)
    doc_terms, doc_weights = np.empty(DOC_HIGH, np.int32), np.empty(DOC_HIGH, np.float32)
    seen = np.full(VOCABULARY, -1, np.int64)
    source_doc = int(uniform(state) * n_docs)
    length, fine = _document(topics, seed, source_doc, 0, seen, doc_terms, doc_weights)
    broad, rarity = topics.broad_of[fine], topics.rarity
    doc_sums = np.cumsum(doc_weights[:length].astype(np.float64))
    strong = doc_weights[:length].astype(np.float64) ** p.core_power
    strong /= (0.10 + rarity[doc_terms[:length]]) ** p.core_rarity_power
    strong_sums = np.cumsum(strong)
    core = 4 + int(uniform(state) * p.core_choices)
    wanted = count(QUERY_TERMS, QUERY_SPREAD, QUERY_LOW, QUERY_HIGH, state)
    held = 0
    for _ in range(_TRIES):
        if held == wanted:
            break
        source = uniform(state)
        spread = 0.85
        if held < core:
            if uniform(state) < p.core_from_doc:
                term = doc_terms[pick(strong_sums, state)]
            else:
                term = topics.broad_terms[broad, pick(topics.broad_sums[broad], state)]
            weight, spread = 2.10 * (0.55 + 0.45 * rarity[term]), 0.45
        elif source < 0.45:
            term = doc_terms[pick(doc_sums, state)]
            weight = 0.20 * (0.4 + 0.6 * rarity[term])
        elif source < 0.75:
            term = topics.fine_terms[fine, pick(topics.fine_sums[fine], state)]
            weight = 0.15 * (0.4 + 0.6 * rarity[term])
        elif source < 0.88:
            term, weight = topics.broad_terms[broad, pick(topics.broad_sums[broad], state)], 0.10
        else:
            term, weight = topics.popular_terms[pick(topics.popular_sums, state)], 0.09
        if seen[term] == 1:
            continue
        seen[term] = 1
        weight = 1.25 * np.log1p(weight * np.exp(spread * normal(state)))
        terms[held], weights[held] = term, min(max(weight, 0.01), 3.2)
        held += 1
    _sort(terms[:held], weights[:held])
    return held


def queries(topics: Topics, *, seed: int, kind: int, n: int, n_docs: int) -> Vectors:
    """Perturbed documents; another kind gives other queries."""
    terms, weights = np.empty(QUERY_HIGH, np.int32), np.empty(QUERY_HIGH, np.float32)
    rows = []
    for number in range(n):
        held = _query(topics, seed, kind, number, n_docs, terms, weights)
        rows.append((terms[:held].astype(np.uint32), weights[:held].copy()))
    lengths = np.array([len(row) for row, _ in rows], dtype=np.int64)
    return Vectors(
        np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)]),
        np.concatenate([row for row, _ in rows]),
        np.concatenate([row for _, row in rows]),
    )


def documents(
    topics: Topics, *, seed: int, start: int, stop: int, threads: int = 1
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.uint32], NDArray[np.float32]]:
    """Lengths and fine topics of documents start ... stop - 1, and their terms and weights."""
    n = stop - start
    lengths, fine = np.empty(n, np.int64), np.empty(n, np.int32)
    terms, weights = np.empty((n, DOC_HIGH), np.int32), np.empty((n, DOC_HIGH), np.float32)

    def fill(first: int) -> None:
        rows = slice(first, first + _BLOCK)
        out = (lengths[rows], fine[rows], terms[rows], weights[rows])
        _documents(topics, seed, start, first, *out)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(fill, range(0, n, _BLOCK)))
    filled = np.arange(DOC_HIGH) < lengths[:, None]
    return lengths, fine, terms[filled].astype(np.uint32), weights[filled]


def write_documents(
    folder: Path, topics: Topics, *, n_docs: int, seed: int, chunk: int, threads: int = 1
) -> None:
    """Write the parts of `documents` chunk by chunk, and topics.npy, each document's fine topic."""
    indptr, fine_topics = np.zeros(n_docs + 1, np.int64), np.empty(n_docs, np.int32)
    raw = {part: folder / f"{part}.raw" for part in ("term_ids", "weights")}
    with raw["term_ids"].open("wb") as term_file, raw["weights"].open("wb") as weight_file:
        for start in range(0, n_docs, chunk):
            stop = min(start + chunk, n_docs)
            lengths, fine, terms, weights = documents(
                topics, seed=seed, start=start, stop=stop, threads=threads
            )
            indptr[start + 1 : stop + 1] = indptr[start] + np.cumsum(lengths)
            fine_topics[start:stop] = fine
            terms.tofile(term_file)
            weights.tofile(weight_file)
    np.save(part_path(folder, "documents", "indptr"), indptr)
    np.save(folder / "topics.npy", fine_topics)
    for part, dtype in (("term_ids", np.uint32), ("weights", np.float32)):
        _adopt(raw[part], part_path(folder, "documents", part), np.dtype(dtype), int(indptr[-1]))


def _adopt(raw: Path, path: Path, dtype: np.dtype[np.generic], n: int) -> None:
    """Copy raw numbers behind a .npy header, a part at a time, and remove the raw file."""
    out = open_memmap(path, mode="w+", dtype=dtype, shape=(n,))
    step = 1 << 24
    with raw.open("rb") as file:
        for start in range(0, n, step):
            out[start : start + step] = np.fromfile(file, dtype, min(step, n - start))
    out.flush()
    raw.unlink()


def main() -> None:
    """Generate into a folder that appears when complete."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--profile", choices=sorted(PROFILES), required=True)
    parser.add_argument("--docs", type=int, required=True)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--chunk", type=int, default=100_000)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    partial = arguments.folder.with_name(arguments.folder.name + ".partial")
    partial.mkdir(parents=True, exist_ok=True)
    n_docs, seed = arguments.docs, arguments.seed
    topics = make_topics(arguments.profile, n_docs=n_docs, seed=seed)
    for name, kind, n in (("test", TEST, N_TEST), ("train", TRAIN, N_TRAIN)):
        found = queries(topics, seed=seed, kind=kind, n=n, n_docs=n_docs)
        write_vectors(partial, name, found)
    chunk, threads = arguments.chunk, arguments.threads
    write_documents(partial, topics, n_docs=n_docs, seed=seed, chunk=chunk, threads=threads)
    figures = statistics(map_vectors(partial, "documents"), map_vectors(partial, "test"))
    (partial / "statistics.json").write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures, indent=1))
    os.replace(partial, arguments.folder)


if __name__ == "__main__":
    main()
