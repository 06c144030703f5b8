"""How fast is encoding, and what does it add to the forward passes themselves?

python benchmarks/encoding.py DATASET_DIR [--documents N] [--rounds N] [--threads N ...]

Encodes documents of a BEIR folder with minilm, in parts as indexing does, and beside it runs the
bare loop: the same batches, made beforehand, through the same model. Rounds alternate, and ratios
are medians over rounds of one beside the other, so that what else runs on the machine falls on
both. Then times the tokenizer alone, and one short query at a time, by every backend that this
machine has. Prints tables in Markdown.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import torch
from machine import describe
from measuring import timed

from lexmax.building import PART_DOCS
from lexmax.corpus import read_documents
from lexmax.encoders.backbone import PaddedRows
from lexmax.encoders.device import has_bfloat16, inference
from lexmax.encoders.inputs import Inputs, encoded_parts
from lexmax.encoders.minilm import MiniLm
from lexmax.encoders.shared_pass import TokenRows
from lexmax.errors import EncoderError
from lexmax.types import ranges

QUERY = "what is the effect of vitamin d on fall risk"
N_QUERIES = 200


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds of the wall clock, and of all processors together."""

    wall: float
    cpu: float


def main() -> None:
    """Print what was measured, as it comes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("dataset", type=Path, help="BEIR folder")
    parser.add_argument("--documents", type=int, default=PART_DOCS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--dtype", nargs="+", default=["float32"], help="also bfloat16")
    arguments = parser.parse_args()
    read = read_documents([str(arguments.dataset)], on_reject=lambda reject: None)
    texts = [d.full_text for d, _ in zip(read, range(arguments.documents), strict=False)]
    load = os.getloadavg()[0]
    print(json.dumps({**describe(), "bfloat16": has_bfloat16(), "load": load}), flush=True)
    tokenizing(texts)
    for dtype in arguments.dtype:
        documents(MiniLm(dtype=dtype), texts, rounds=arguments.rounds, threads=arguments.threads)
    torch.set_num_threads(1)
    queries()
    print(json.dumps({"load": os.getloadavg()[0]}), flush=True)


def tokenizing(texts: Sequence[str]) -> None:
    """Seconds of the tokenizer, for texts whose words are new to it and then known."""
    encoder = MiniLm()
    head = encoder.document_head()
    first, again = (spent(lambda: head.rows(texts)).cpu for _ in range(2))
    alone = timed(lambda i: encoder.document_head().rows([QUERY]), 2000).wall_ms
    lengths = [len(row) for row in head.rows(texts).ids]
    print(f"\n{len(texts)} documents of {np.mean(lengths):.0f} tokens on average")
    print(f"tokenizer: {first:.3f} s of CPU, {again:.3f} s once their words are known")
    print(f"tokens of a query of ten words: {1e3 * float(np.median(alone)):.0f} us\n", flush=True)


def documents(
    encoder: MiniLm, texts: Sequence[str], *, rounds: int, threads: Sequence[int]
) -> None:
    """A line for each number of threads: encoding beside the bare loop."""
    print(f"| {encoder.backbone.dtype}, threads | docs/s | docs/CPU-s | bare docs/s | ratio |")
    print("|--:|--:|--:|--:|--:|", flush=True)
    parts = [texts[start:stop] for start, stop in ranges(len(texts), PART_DOCS)]
    batches = [batch for part in parts for batch in _batches(encoder, part)]
    walls: dict[int, list[float]] = {n: [] for n in threads}
    lines: dict[int, list[tuple[Spent, Spent]]] = {n: [] for n in threads}
    for _ in range(rounds):
        for n in threads:
            torch.set_num_threads(n)
            ours = spent(lambda: _encode(encoder, parts))
            lines[n].append((ours, spent(lambda: _bare(encoder, batches))))
            walls[n].append(ours.wall)
    for n, measured in lines.items():
        wall, cpu = (median(getattr(ours, clock) for ours, _ in measured) for clock in _CLOCKS)
        bare = median(bare.wall for _, bare in measured)
        ratio = median(bare.cpu / ours.cpu for ours, bare in measured)
        size = len(texts)
        print(f"| {n} | {size / wall:.1f} | {size / cpu:.1f} | {size / bare:.1f} | {ratio:.3f} |")
    if len(threads) > 1:
        few, many = min(threads), max(threads)
        gain = median(a / b for a, b in zip(walls[few], walls[many], strict=True))
        print(f"\n{many} threads: {gain:.2f} times the documents a second of {few}\n", flush=True)


_CLOCKS = ("wall", "cpu")


def _encode(encoder: MiniLm, parts: Sequence[Sequence[str]]) -> None:
    for _ in encoded_parts(map(Inputs, parts), sparse=None, multivector=encoder):
        pass


def _batches(encoder: MiniLm, texts: Sequence[str]) -> list[PaddedRows]:
    rows: TokenRows = encoder.document_head().rows(texts)
    plan = encoder.backbone.batches([len(row) for row in rows.ids])
    backbone = encoder.backbone
    return [
        PaddedRows.of([rows.ids[i] for i in batch], pad_id=backbone.pad_id, pad_to=backbone.pad_to)
        for batch in plan
    ]


def _bare(encoder: MiniLm, batches: Sequence[PaddedRows]) -> None:
    backbone = encoder.backbone
    with inference(backbone.device, backbone.dtype):
        for batch in batches:
            backbone.model(batch.ids, batch.attention)


def queries() -> None:
    """A line for each backend: milliseconds of one short query, on one thread."""
    print("| one query of ten words | min ms | p50 ms | p99 ms |")
    print("|---|--:|--:|--:|", flush=True)
    for backend in ("torch", "onnx", "onnx-int8"):
        try:
            encoder = MiniLm(backend=backend, gated=False)
        except EncoderError as error:
            print(f"\n{backend} was not measured: {error}\n")
            continue
        ms = timed(lambda i, by=encoder: by.encode_queries([QUERY]), N_QUERIES).wall_ms
        p50, p99 = np.percentile(ms, [50, 99])
        print(f"| {backend} | {ms.min():.1f} | {p50:.1f} | {p99:.1f} |", flush=True)


def spent(work: Callable[[], object]) -> Spent:
    """What it takes."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Spent(time.perf_counter() - wall, time.process_time() - cpu)


if __name__ == "__main__":
    main()
