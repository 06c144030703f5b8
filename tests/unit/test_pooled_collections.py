"""Pooled vectors from documents to hits: pending, in segments, merged, rebuilt, killed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lexmax.building import Silent, build_segments
from lexmax.collection import Collection
from lexmax.creating import IndexChoice
from lexmax.encoders import Encoders
from lexmax.errors import CorruptionError, EncoderError, InputError
from lexmax.forecast import forecast
from lexmax.index.layout import Layout
from lexmax.index.pooled import CODES
from lexmax.index.verification import verify
from lexmax.indexing import index_corpus
from lexmax.merging import COMPACT
from lexmax.rebuilding import rebuild
from lexmax.types import Document

WORDS = ["sail", "wind", "wing", "flow", "bone", "milk", "calcium", "vitamin", "dense"]
POOLED = "minilm-pooled"


def documents(start: int, stop: int) -> list[Document]:
    texts = (" ".join(WORDS[(i * j) % 9] for j in range(i % 6)) for i in range(start, stop))
    return [Document(f"d{i}", text) for i, text in enumerate(texts, start)]


def create(path: Path, encoders: Encoders, **options: Any) -> Collection:
    return Collection.create(
        path, pooled=POOLED, encoders=encoders, merge_in_background=False, **options
    )


def ranked(collection: Collection) -> list[tuple[list[int], list[float]]]:
    """Serials and scores of what a few queries find."""
    encoder, snapshot = collection.encoders.pooled, collection.snapshot()
    assert encoder is not None
    hits = snapshot.search_pooled(encoder.encode_queries(["wind sail", "bone", ""]), 20)
    found = (hits.row(i) for i in range(len(hits)))
    return [(snapshot.serials(ordinals).tolist(), scores.tolist()) for ordinals, scores in found]


def test_pending_documents_are_found_as_those_of_segments(
    tmp_path: Path, cheap_encoders: Encoders
) -> None:
    with create(tmp_path / "c", cheap_encoders) as collection:
        collection.add(documents(0, 20))
        pending = ranked(collection)
        collection.add(documents(20, 30))
        collection.flush()
        collection.delete(["d20", "d21"])
        collection.add(documents(30, 31))
        assert ranked(collection)[0] != pending[0]
        collection.delete([f"d{i}" for i in range(20, 31)])
        assert ranked(collection) == pending
        assert pending[2] == ([], [])
        # d0, d6, d12 and d18 are empty texts.
        assert not {1, 7, 13, 19} & set(pending[0][0])


def test_merged_documents_keep_their_codes(tmp_path: Path, cheap_encoders: Encoders) -> None:
    with create(tmp_path / "c", cheap_encoders) as collection:
        for start in (0, 12, 24):
            collection.add(documents(start, start + 12))
            collection.flush()
        collection.delete(["d3", "d30"])
        before = ranked(collection)
        collection.merge(policy=COMPACT)
        assert collection.n_segments == 1
        assert ranked(collection) == before
        assert collection.verify().problems == ()
    with Collection.open(tmp_path / "c", encoders=cheap_encoders) as opened:
        assert ranked(opened) == before


def test_a_collection_may_have_pooled_vectors_alone(
    tmp_path: Path, cheap_encoders: Encoders
) -> None:
    with create(tmp_path / "c", cheap_encoders, sparse=None, multivector=None) as collection:
        collection.add(documents(0, 12))
        collection.flush()
        assert collection.describe()["encoders"] == {"pooled": POOLED}
        hits = collection.search("wind sail", 3).hits
        assert len(hits) == 3


class _StopsAfter:
    """Stops a build after some parts."""

    def __init__(self, parts: int) -> None:
        self.left = parts

    def advance(self, stage: str, done: int, total: int) -> None:
        """Nothing is told."""

    def stopped(self) -> bool:
        self.left -= 1
        return self.left < 0


def content(path: Path) -> dict[str, bytes]:
    files = sorted((path / "segments").rglob("*"))
    return {str(file.relative_to(path)): file.read_bytes() for file in files if file.is_file()}


@pytest.mark.parametrize("parts", [0, 1, 3])
def test_a_stopped_build_goes_on_and_ends_with_the_same_bytes(
    tmp_path: Path, cheap_encoders: Encoders, monkeypatch: pytest.MonkeyPatch, parts: int
) -> None:
    monkeypatch.setattr("lexmax.building.PART_DOCS", 8)
    for name, watcher in (("whole", Silent()), ("stopped", _StopsAfter(parts))):
        with create(tmp_path / name, cheap_encoders) as collection:
            collection.store(documents(0, 40))
            if isinstance(watcher, _StopsAfter):
                with pytest.raises(KeyboardInterrupt):
                    collection.flush(watcher)
                catalog, layout = collection._catalog, Layout(tmp_path / name)
                (building,) = catalog.builds()
                # What came after the checkpoint is not part of it.
                with (layout.segment(building) / CODES).open("ab") as codes:
                    codes.write(b"torn")
                build_segments(catalog, layout, collection.encoders, Silent())
            else:
                collection.flush(watcher)
    assert content(tmp_path / "stopped") == content(tmp_path / "whole")
    assert any(name.endswith(CODES) for name in content(tmp_path / "whole"))


def test_damage_is_found_and_built_anew(tmp_path: Path, cheap_encoders: Encoders) -> None:
    path = tmp_path / "c"
    with create(path, cheap_encoders) as collection:
        collection.add(documents(0, 30))
        collection.flush()
        before = ranked(collection)
    (codes,) = path.rglob(CODES)
    damaged = bytearray(codes.read_bytes())
    damaged[-1] ^= 1
    codes.write_bytes(damaged)
    assert any(CODES in problem for problem in verify(path).problems)
    rebuild(path, Silent(), encoders=cheap_encoders)
    with Collection.open(path, encoders=cheap_encoders) as opened:
        assert opened.verify().problems == ()
        assert ranked(opened) == before


def test_segments_without_pooled_vectors_open_as_before(
    tmp_path: Path, cheap_encoders: Encoders
) -> None:
    path = tmp_path / "c"
    with Collection.create(path, encoders=cheap_encoders) as collection:
        collection.add(documents(0, 30))
        collection.flush()
        assert [part.segment.pooled for part in collection.snapshot().parts] == [None]
        assert collection.encoders.pooled is None
        rows = collection.snapshot().pooled_rows(np.arange(3))
        assert rows.shape == (3, 0)
    assert not list(path.rglob("pooled.*"))


def test_another_encoder_is_refused_and_an_unknown_one_leaves_nothing(
    tmp_path: Path, cheap_encoders: Encoders
) -> None:
    with pytest.raises(EncoderError, match="no dense encoder is called 'bm25'"):
        Collection.create(tmp_path / "none", pooled="bm25", encoders=cheap_encoders)
    assert not (tmp_path / "none").exists()


def test_the_batch_job_keeps_pooled_vectors(tmp_path: Path, cheap_encoders: Encoders) -> None:
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text("".join(f'{{"_id": "{i}", "text": "sail {i}"}}\n' for i in range(9)))
    choice = IndexChoice(pooled=POOLED)
    given: dict[str, Any] = {"watcher": Silent(), "encoders": cheap_encoders}
    assert forecast([str(corpus)], choice=choice, **given).parts["pooled vectors"] == 9 * (16 + 4)
    index_corpus(tmp_path / "c", [str(corpus)], choice=choice, **given)
    with Collection.open(tmp_path / "c", encoders=cheap_encoders) as collection:
        assert len(ranked(collection)[0][0]) == 9
    with pytest.raises(InputError, match="its pooled encoder is minilm-pooled, but None"):
        index_corpus(tmp_path / "c", [str(corpus)], choice=IndexChoice(), **given)


def test_halves_from_documents_to_hits(tmp_path: Path, cheap_encoders: Encoders) -> None:
    path = tmp_path / "c"
    with create(path, cheap_encoders, pooled_codec="fp16") as collection:
        collection.add(documents(0, 20))
        pending = ranked(collection)
        collection.flush()
        assert ranked(collection) == pending
        collection.add(documents(20, 40))
        collection.flush()
        before = ranked(collection)
        collection.merge(policy=COMPACT)
        assert ranked(collection) == before
        assert collection.verify().problems == ()
    with Collection.open(path, encoders=cheap_encoders) as opened:
        assert opened.choice.pooled_codec == "fp16"
        assert ranked(opened) == before
        opened.add(documents(40, 44))
        opened.flush()
        pooled = [part.segment.pooled for part in opened.snapshot().parts]
        assert [one.codec for one in pooled if one is not None] == ["fp16"] * 2
    with create(tmp_path / "d", cheap_encoders) as other:
        other.add(documents(0, 40))
        assert other.choice.pooled_codec == "int8"
        # Both order alike, and neither has the other's numbers.
        assert ranked(other)[0][1] != before[0][1]
        np.testing.assert_allclose(ranked(other)[0][1], before[0][1], atol=0.01)


def test_a_rebuilt_segment_keeps_halves(tmp_path: Path, cheap_encoders: Encoders) -> None:
    path = tmp_path / "c"
    with create(path, cheap_encoders, pooled_codec="fp16") as collection:
        collection.add(documents(0, 30))
        collection.flush()
        before = ranked(collection)
    (codes,) = (path / "segments").rglob(CODES)
    whole = codes.read_bytes()
    codes.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert verify(path).problems
    rebuild(path, Silent(), encoders=cheap_encoders)
    assert verify(path).problems == ()
    with Collection.open(path, encoders=cheap_encoders) as collection:
        assert ranked(collection) == before


def test_the_batch_job_keeps_to_the_codec(tmp_path: Path, cheap_encoders: Encoders) -> None:
    source, path = tmp_path / "c.jsonl", tmp_path / "ix"
    source.write_text('{"_id": "a", "text": "wind sail"}\n{"_id": "b", "text": "bone"}\n')
    halves = IndexChoice(multivector=None, pooled=POOLED, pooled_codec="fp16")

    def indexed(choice: IndexChoice | None) -> None:
        index_corpus(path, [str(source)], choice=choice, watcher=Silent(), encoders=cheap_encoders)

    indexed(halves)
    for again in (None, halves, IndexChoice(multivector=None, pooled=POOLED)):
        indexed(again)
    with pytest.raises(InputError, match="stores pooled vectors as fp16, but int8 was asked for"):
        indexed(IndexChoice(multivector=None, pooled=POOLED, pooled_codec="int8"))
    with Collection.open(path, encoders=cheap_encoders) as opened:
        assert opened.choice.pooled_codec == "fp16"
    sizes = {
        codec: forecast(
            [str(source)],
            choice=IndexChoice(None, None, pooled=POOLED, pooled_codec=codec),
            watcher=Silent(),
            encoders=cheap_encoders,
        ).n_bytes
        for codec in ("int8", "fp16", None)
    }
    dim = cheap_encoders.dense(POOLED).dim
    assert sizes["fp16"] - sizes["int8"] == 2 * (2 * dim - (dim + 4))
    assert sizes[None] == sizes["int8"]


def test_codecs_that_cannot_be(tmp_path: Path, cheap_encoders: Encoders) -> None:
    with pytest.raises(InputError, match="found codec 'int4' of pooled vectors; expected int8"):
        create(tmp_path / "c", cheap_encoders, pooled_codec="int4")
    with pytest.raises(InputError, match="stored as fp16, and there is no pooled encoder"):
        Collection.create(tmp_path / "c", pooled_codec="fp16", encoders=cheap_encoders)
    assert not (tmp_path / "c").exists()


def test_a_codec_that_no_release_wrote_is_damage(tmp_path: Path, cheap_encoders: Encoders) -> None:
    with create(tmp_path / "c", cheap_encoders) as collection:
        collection._catalog.remember("pooled_codec", "int3")
        with pytest.raises(CorruptionError, match=r"found codec 'int3'.*restore a backup"):
            collection.choice.pooled_codec  # noqa: B018
        collection.abandon()
