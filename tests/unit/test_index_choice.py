"""What a user may choose for the multi-vector index, from the batch job to the verification."""

from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from lexmax.building import Silent
from lexmax.collection import Collection
from lexmax.creating import IndexChoice
from lexmax.encoders import Encoders
from lexmax.errors import CorpusError, CorruptionError, EncoderError, InputError
from lexmax.forecast import forecast
from lexmax.index.layout import Layout
from lexmax.index.multivector_build import MultiVectorPlan
from lexmax.index.recall import read_queries
from lexmax.indexing import index_corpus

WORDS = [
    "sail",
    "wind",
    "wing",
    "flow",
    "bone",
    "milk",
    "calcium",
    "vitamin",
    "dense",
    "aircraft",
    "shock",
    "thrust",
]


@pytest.fixture
def corpus(tmp_path: Path) -> str:
    lines = [
        orjson.dumps({"_id": str(i), "text": " ".join(WORDS[(i * j) % 12] for j in range(1, 8))})
        for i in range(60)
    ]
    path = tmp_path / "corpus.jsonl"
    path.write_bytes(b"\n".join(lines))
    return str(path)


def indexed(
    folder: Path,
    corpus: str,
    encoders: Encoders,
    plan: MultiVectorPlan | None = None,
    sample_queries: Path | None = None,
) -> None:
    choice = None if plan is None else IndexChoice(plan=plan)
    index_corpus(
        folder,
        [corpus],
        choice=choice,
        watcher=Silent(),
        sample_queries=sample_queries,
        encoders=encoders,
    )


@pytest.mark.parametrize("codec", ["int8", "fp16", "residual4", "residual2"])
def test_every_codec_is_kept_through_updates_and_merges(
    codec: str, tmp_path: Path, corpus: str, cheap_encoders: Encoders
) -> None:
    plan = MultiVectorPlan(codec)  # type: ignore[arg-type]
    indexed(tmp_path / "ix", corpus, cheap_encoders, plan)
    with Collection.open(tmp_path / "ix", encoders=cheap_encoders) as collection:
        before = collection.search("bone milk", 5, pipeline="multivector-exact")
        collection.delete(["3", "4"])
        for doc in collection.get(["5", "6", "7"]):
            assert doc is not None
            collection.add([replace(doc, text=doc.text + " bone")])
            collection.flush()
        from lexmax.merging import COMPACT

        collection.merge(policy=COMPACT)
        after = collection.search("bone milk", 5, pipeline="multivector-exact")
        near = collection.search("bone milk", 5, pipeline="multivector:centroids?candidates=40")
        assert collection.verify().problems == ()
        store = collection.snapshot().parts[0].segment.multivector
        assert store is not None
        assert store.store.codec == codec
        assert store.centroids is not None
    assert before.hits
    assert {hit.doc_id for hit in after.hits} == {hit.doc_id for hit in near.hits}
    assert not {"3", "4"} & {hit.doc_id for hit in after.hits}


def test_engines_may_be_left_out(tmp_path: Path, corpus: str, cheap_encoders: Encoders) -> None:
    indexed(tmp_path / "ix", corpus, cheap_encoders, MultiVectorPlan(centroids=False, fde=False))
    with Collection.open(tmp_path / "ix", encoders=cheap_encoders) as collection:
        exact = collection.search("bone milk", 5, pipeline="multivector-exact")
        found = collection.search("bone milk", 5, pipeline="multivector:fde?candidates=2")
        assert [hit.doc_id for hit in exact.hits] == [hit.doc_id for hit in found.hits]
    names = {path.name for path in (tmp_path / "ix" / "segments").glob("*/*.npy")}
    assert not any(name.startswith(("fde", "centroids")) for name in names)


def test_another_plan_is_refused(tmp_path: Path, corpus: str, cheap_encoders: Encoders) -> None:
    indexed(tmp_path / "ix", corpus, cheap_encoders)
    indexed(tmp_path / "ix", corpus, cheap_encoders, MultiVectorPlan())
    with pytest.raises(InputError, match=r"'residual4'.* was asked for; leave the option out"):
        indexed(tmp_path / "ix", corpus, cheap_encoders, MultiVectorPlan("residual4"))


def test_recall_is_measured_with_the_users_queries_and_verified(
    tmp_path: Path, corpus: str, cheap_encoders: Encoders
) -> None:
    queries = tmp_path / "queries.jsonl"
    queries.write_text('{"text": "bone milk"}\n\n{"text": "wing flow"}\n')
    indexed(tmp_path / "ix", corpus, cheap_encoders, MultiVectorPlan(recall=0.9), queries)
    assert len(read_queries(Layout(tmp_path / "ix").sample)) == 2
    with Collection.open(tmp_path / "ix", encoders=cheap_encoders) as collection:
        report = collection.verify()
    assert report.problems == ()
    assert len(report.recalls) == 2
    assert "of the exact best 10 on 2 sample queries; built for 0.9" in report.recalls[0]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("q.txt", "\n\n", "found no query"),
        ("q.jsonl", '{"query": "bone"}\n', r"line 1.*expected a JSON object with text"),
        ("q.jsonl", "bone\n", "line 1"),
        ("none.txt", None, "expected a file of queries"),
    ],
)
def test_bad_sample_queries(
    name: str,
    content: str | None,
    message: str,
    tmp_path: Path,
    corpus: str,
    cheap_encoders: Encoders,
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(CorpusError, match=message):
        indexed(tmp_path / "ix", corpus, cheap_encoders, sample_queries=tmp_path / name)
    assert not (tmp_path / "ix").exists()


def test_sample_queries_need_token_vectors(
    tmp_path: Path, corpus: str, cheap_encoders: Encoders
) -> None:
    (tmp_path / "q.txt").write_text("bone")
    with pytest.raises(EncoderError, match="leave --sample-queries out"):
        index_corpus(
            tmp_path / "ix",
            [corpus],
            choice=IndexChoice(multivector=None),
            watcher=Silent(),
            sample_queries=tmp_path / "q.txt",
            encoders=cheap_encoders,
        )


def test_a_forecast_writes_nothing_and_comes_near(
    tmp_path: Path, corpus: str, cheap_encoders: Encoders
) -> None:
    predicted = forecast([corpus], choice=None, watcher=Silent(), encoders=cheap_encoders)
    assert [path.name for path in tmp_path.iterdir()] == ["corpus.jsonl"]
    assert (predicted.n_docs, predicted.tokens) == (60, 7)
    assert predicted.encode_seconds > 0
    assert predicted.build_seconds > 0
    assert predicted.parts["token vectors"] == 60 * (7 * 20 + 8)
    indexed(tmp_path / "ix", corpus, cheap_encoders)
    tokens = [*(tmp_path / "ix" / "segments").glob("*/tokens.*.npy")]
    written = sum(path.stat().st_size - 128 for path in tokens)
    assert written == pytest.approx(predicted.parts["token vectors"], rel=0.01)


def test_a_forecast_of_nothing(tmp_path: Path, cheap_encoders: Encoders) -> None:
    (tmp_path / "c.jsonl").write_text("")
    with pytest.raises(CorpusError, match="found no document"):
        forecast(
            [str(tmp_path / "c.jsonl")], choice=None, watcher=Silent(), encoders=cheap_encoders
        )


def test_a_plan_that_is_none() -> None:
    assert MultiVectorPlan.from_json(None) == MultiVectorPlan()
    plan = MultiVectorPlan("residual4", fde=False, recall=0.9, seed=3, threads=8)
    assert MultiVectorPlan.from_json(plan.to_json()) == replace(plan, threads=1)
    for written in (3, {}, {"codec": "int8"}):
        with pytest.raises(CorruptionError, match="the plan of the multi-vector index is"):
            MultiVectorPlan.from_json(written)


def test_the_size_of_encodings_is_kept(
    tmp_path: Path, corpus: str, cheap_encoders: Encoders
) -> None:
    path, plan = tmp_path / "ix", MultiVectorPlan(fde_dim=2, fde_store="flat")
    indexed(path, corpus, cheap_encoders, plan)
    with Collection.open(path, encoders=cheap_encoders) as collection:
        assert collection.choice.plan == plan
        index = collection.snapshot().parts[0].segment.multivector
        assert index is not None
        assert index.parameters()["candidates"]["dim"] == 2  # type: ignore[index,call-overload]
    with pytest.raises(InputError, match="fde_dim is 0; expected 1 to 4096"):
        MultiVectorPlan(fde_dim=0)


def test_a_plan_without_a_size_is_written_as_older_releases_read_it() -> None:
    assert "fde_dim" not in MultiVectorPlan().to_json()
    for plan in (MultiVectorPlan(), MultiVectorPlan(fde_dim=64)):
        assert MultiVectorPlan.from_json(plan.to_json()) == plan
