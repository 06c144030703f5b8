"""What stages and people see of split documents."""

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from rich.console import Console
from typer.testing import CliRunner

from lexmax.cli import app
from lexmax.collection import Collection
from lexmax.encoders import Encoders
from lexmax.errors import PipelineError
from lexmax.passages import PassagePlan
from lexmax.report import print_merge_report, print_result, print_verify_report, result_json
from lexmax.searching import Traced, Wanted
from lexmax.stages import named
from lexmax.types import Document

# Sentences of four tokens.
TEXTS = {
    "cats": "Cats like milk. Cats like fish. Cats like sun.",
    "dogs": "Dogs like bones. Dogs like rain.",
    "milk": "Milk is white.",
}


@pytest.fixture
def collection(tmp_path: Path, cheap_encoders: Encoders) -> Iterator[Collection]:
    plan = PassagePlan(4, 4)
    with Collection.create(tmp_path / "c", passages=plan, encoders=cheap_encoders) as made:
        made.add(Document(doc_id, text, "On") for doc_id, text in TEXTS.items())
        yield made


def traced(collection: Collection, query: str, **pipeline: object) -> Traced:
    wanted = Wanted(3, pipeline={"retrieve": [{"signal": "sparse"}], **pipeline})
    found: list[Traced] = []
    collection._searcher.traced(query, wanted, found.append)
    return found[0]


def test_the_stage_that_gathers_reports_passages_in_and_documents_out(
    collection: Collection,
) -> None:
    result = collection.search("cats milk", 3, pipeline="sparse")
    assert [hit.doc_id for hit in result.hits] == ["cats", "milk"]
    gathering = result.stages[-1]
    assert (gathering.stage, gathering.n_in, gathering.n_out) == ("documents", 4, 2)


@pytest.mark.parametrize("name", ["sparse", "multivector-exact", "hybrid"])
def test_documents_behind_many_passages_of_one_are_found(
    tmp_path: Path, cheap_encoders: Encoders, name: str
) -> None:
    texts = ["Cats like cats. " * 20, "Cats do run away now.", "Dogs run.", "Cows run."]
    with Collection.create(
        tmp_path / "deep", passages=PassagePlan(4, 4), encoders=cheap_encoders
    ) as collection:
        collection.add(Document(f"d{i}", text) for i, text in enumerate(texts))
        # Six passages a document: the first twelve are of the first document.
        assert collection.snapshot().n_docs == 24
        found = collection.search("cats", 2, pipeline=name)
        assert [hit.doc_id for hit in found.hits] == ["d0", "d1"]
        batch = collection.search_batch(["cats", "dogs"], 2, pipeline=name)
        assert batch.doc_ids[0] == ["d0", "d1"]


def test_feedback_comes_from_different_documents(collection: Collection) -> None:
    search = traced(collection, "cats milk", feedback={"method": "rocchio", "k": 2})
    ordinals = search.answer.trace.fed_back["sparse"].row(0)[0]
    serials = search.sources.snapshot.serials(ordinals).tolist()
    assert len(serials) == 2
    assert serials == [1, 3]


@pytest.mark.parametrize("method", ["hops", "pagerank"])
def test_neighbours_are_passages_of_other_documents_too(
    tmp_path: Path, cheap_encoders: Encoders, method: str
) -> None:
    plan, texts = PassagePlan(4, 4), {**TEXTS, "rain": "Rain is wet. Dogs like rain."}
    with Collection.create(
        tmp_path / "graph", passages=plan, neighbours=3, encoders=cheap_encoders
    ) as collection:
        collection.add(Document(doc_id, text) for doc_id, text in texts.items())
        collection.flush()
        pipeline = {"retrieve": [{"signal": "sparse"}], "graph": {"method": method}}
        found = [hit.doc_id for hit in collection.search("bones", 4, pipeline=pipeline).hits]
        # No other document has bones; another passage of dogs is one of rain.
        assert found[:2] == ["dogs", "rain"]
        assert len(found) == len(set(found))


def test_models_of_pairs_read_the_title_and_the_passage(collection: Collection) -> None:
    search = traced(collection, "dogs rain")
    ordinals = search.answer.hits.row(0)[0]
    assert list(search.sources.texts(ordinals)) == ["On Dogs like rain."]


def test_a_document_is_explained_by_its_best_passage(collection: Collection) -> None:
    explained = collection.explain("fish", doc_id="cats", pipeline="sparse")
    (document,) = explained.documents
    assert document.rank == 1
    assert document.sparse is not None
    assert document.sparse.score == pytest.approx(document.score)
    lost = collection.explain("fish", 1, doc_id="dogs", pipeline="multivector-exact")
    assert lost.documents[0].lost is not None


def test_the_snippet_is_the_passage(collection: Collection) -> None:
    result = collection.search("fish", 1, pipeline="sparse")
    console = Console(width=100, _environ={})
    with console.capture() as capture:
        print_result(result, console)
    assert "On Cats like fish." in capture.get()
    assert "milk" not in capture.get().split("\n")[1]
    (hit,) = result_json(result)["hits"]  # type: ignore[misc]
    assert hit["passage"] == {"start": 16, "end": 31, "text": "Cats like fish."}  # type: ignore[index,call-overload]


def test_reports_say_how_many_passages_there_are(collection: Collection, tmp_path: Path) -> None:
    collection.flush()
    console = Console(width=200, _environ={})
    with console.capture() as capture:
        print_verify_report(collection.verify(), tmp_path, console)
        print_merge_report(collection.merge(), tmp_path, console)
    assert "3 documents (0 pending), 6 passages in segments" in capture.get()
    assert "3 documents in them (6 passages)" in capture.get()


def test_from_the_command_line(tmp_path: Path) -> None:
    corpus, path = tmp_path / "corpus.jsonl", str(tmp_path / "ix")
    lines = (orjson.dumps({"_id": name, "text": text}) for name, text in TEXTS.items())
    corpus.write_bytes(b"\n".join(lines))
    run = CliRunner().invoke
    made = run(app, ["index", path, str(corpus), "--multivector", "none", "--passages", "4/4"])
    assert made.exit_code == 0, made.output
    found = run(app, ["search", path, "fish", "--json"])
    assert orjson.loads(found.stdout)["hits"][0]["passage"]["text"] == "Cats like fish."
    wrong = run(app, ["index", path, str(corpus), "--passages", "4"])
    assert "WINDOW/STRIDE" in str(wrong.exception)


@pytest.mark.parametrize(
    "documents", [{"by": "mean"}, {"by": "best", "n": 3}, {"by": "top", "n": 0}]
)
def test_a_rule_that_is_none_is_refused(documents: dict[str, object]) -> None:
    with pytest.raises(PipelineError, match="documents"):
        named({"preset": "sparse", "documents": documents})
