"""MTEB's SearchProtocol, with its released library where it is installed."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lexmax.creating import IndexChoice
from lexmax.encoders import Encoders
from lexmax.errors import EvaluationError, InputError
from lexmax.eval.interfaces.mteb import LexmaxSearch, query_text

CORPUS = [
    {"id": "cat", "title": "", "text": "a cat sleeps on the mat"},
    {"id": "dog", "title": "Dogs", "text": "a dog and a cat run"},
    {"id": "fish", "title": None, "text": "fish swim in water"},
]
QUERIES = [{"id": "q1", "text": "cat"}, {"id": "q2", "text": "dogs"}]
RELEVANT = {"q1": {"cat": 1}, "q2": {"dog": 1}}
ABOUT = {
    "task_metadata": SimpleNamespace(name="Pets"),
    "hf_split": "test",
    "hf_subset": "default",
    "encode_kwargs": {},
    "num_proc": None,
}
BM25 = IndexChoice(multivector=None)


def searched(system: LexmaxSearch, **more: Any) -> dict[str, list[str]]:
    found = system.search(QUERIES, top_k=2, **ABOUT, **more)
    return {query_id: list(scores) for query_id, scores in found.items()}


def test_a_corpus_is_indexed_and_searched(tmp_path: Path) -> None:
    with LexmaxSearch(tmp_path, BM25) as system:
        system.index(CORPUS, **ABOUT)
        assert searched(system) == {"q1": ["cat", "dog"], "q2": ["dog"]}
    assert (tmp_path / "Pets" / "default.test" / "catalog.sqlite").is_file()


def test_top_ranked_makes_it_a_reranker(tmp_path: Path) -> None:
    with LexmaxSearch(tmp_path, BM25) as system:
        system.index(CORPUS, **ABOUT)
        ranked = searched(system, top_ranked={"q1": ["fish", "dog"], "q2": ["cat", "dog", "fish"]})
    assert ranked == {"q1": ["dog", "fish"], "q2": ["dog", "cat"]}


def test_an_index_is_found_again(tmp_path: Path, cheap_encoders: Encoders) -> None:
    choice = IndexChoice()
    for _ in range(2):
        with LexmaxSearch(
            tmp_path, choice, pipeline="multivector", encoders=cheap_encoders
        ) as system:
            system.index(CORPUS, **ABOUT)
            assert searched(system)["q2"][0] == "dog"
    with LexmaxSearch(tmp_path, BM25) as other, pytest.raises(InputError, match="another folder"):
        other.index(CORPUS, **ABOUT)


def test_each_task_split_and_subset_has_its_own_index(tmp_path: Path) -> None:
    with LexmaxSearch(tmp_path, BM25) as system:
        system.index(CORPUS, **ABOUT)
        system.index(CORPUS[:1], **{**ABOUT, "hf_subset": "en/de"})
        assert searched(system) == {"q1": ["cat"], "q2": []}
        with pytest.raises(EvaluationError, match="holds 3 documents and the corpus 1"):
            system.index(CORPUS[:1], **ABOUT)
        with pytest.raises(EvaluationError, match="call index first"):
            searched(system)


def test_queries_with_instructions_and_turns() -> None:
    assert query_text({"text": "cats", "instruction": "short ones"}) == "cats short ones"
    assert query_text({"text": "cats", "instruction": None}) == "cats"
    assert query_text({"text": ["cats?", "which?"]}) == "cats?; which?"
    turns = [{"role": "user", "content": "cats?"}]
    assert query_text({"text": turns, "instruction": "Answer."}) == "Answer. user: cats?"


@pytest.mark.filterwarnings("ignore")
def test_the_released_library_evaluates_retrieval_and_reranking(tmp_path: Path) -> None:
    mteb = pytest.importorskip("mteb", reason="mteb is not installed: environment.sh")
    from mteb.models import SearchProtocol  # type: ignore[import-not-found]

    with LexmaxSearch(tmp_path / "indexes", BM25, pipeline="bm25", name="lexmax/bm25") as system:
        assert isinstance(system, SearchProtocol)
        for kind in ("Retrieval", "Reranking"):
            cache = mteb.ResultCache(tmp_path / "results")
            found = mteb.evaluate(system, _task(mteb, kind), cache=cache)
            scores = found.task_results[0].scores["test"][0]
            assert scores["ndcg_at_1"] == 1
            assert scores["main_score"] == 1
    files = {str(path.relative_to(tmp_path / "results")) for path in tmp_path.rglob("Pets*.json")}
    assert len(files) == 2
    assert all("lexmax__bm25" in name for name in files)
    assert system.mteb_model_meta.experiment_kwargs["pipeline"] == "bm25"


def _task(mteb: Any, kind: str) -> Any:
    """A task over the corpus above, with nothing to fetch."""
    datasets = pytest.importorskip("datasets")
    retrieval = pytest.importorskip("mteb.abstasks.retrieval")
    metadata = mteb.TaskMetadata(
        name=f"Pets{kind}",
        dataset={"path": "none", "revision": "1"},
        description="Pets.",
        type=kind,
        category="t2t",
        modalities=["text"],
        eval_splits=["test"],
        eval_langs=["eng-Latn"],
        main_score="ndcg_at_10",
    )

    class Pets(retrieval.AbsTaskRetrieval):  # type: ignore[misc]
        ignore_identical_ids = True

        def load_data(self, **others: Any) -> None:
            corpus = [{**row, "title": row["title"] or ""} for row in CORPUS]
            self.dataset = {
                "default": {
                    "test": {
                        "corpus": datasets.Dataset.from_list(corpus),
                        "queries": datasets.Dataset.from_list(QUERIES),
                        "relevant_docs": RELEVANT,
                        "top_ranked": (
                            {"q1": ["fish", "cat"], "q2": ["cat", "dog"]}
                            if kind == "Reranking"
                            else None
                        ),
                    }
                }
            }
            self.data_loaded = True

    Pets.metadata = metadata
    return Pets()
