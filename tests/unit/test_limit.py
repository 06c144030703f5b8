"""Generated LIMIT datasets: what each plan promises."""

import json
import math
from itertools import combinations
from pathlib import Path

import pytest

from lexmax.errors import EvaluationError
from lexmax.eval.collections import load_dataset
from lexmax.eval.collections.limit import LimitPlan, generate_limit, write_limit
from lexmax.eval.collections.limit_words import MOST_THINGS, plain_words, synonyms


def liked(text: str) -> set[str]:
    listed = text.removesuffix(".").partition(" likes ")[2]
    return set(listed.replace(" and ", ", ").split(", "))


def asked(query: str) -> str:
    return query.removeprefix("Who likes ").removesuffix("?")


@pytest.mark.parametrize(("n", "k", "n_queries"), [(8, 2, 28), (6, 3, 11), (5, 1, 5), (30, 2, 40)])
def test_relevant_documents_are_those_that_name_the_thing(n: int, k: int, n_queries: int) -> None:
    plan = LimitPlan(n, k, n_queries, n_distractors=7, n_liked=9)
    limit = generate_limit(plan)
    assert len(limit.documents) == n + 7
    assert len({document.doc_id for document in limit.documents}) == n + 7
    assert len(limit.queries) == n_queries
    named = {document.doc_id: liked(document.text) for document in limit.documents}
    assert all(len(things) >= 9 for things in named.values())
    for query_id, text in limit.queries.items():
        holders = {doc_id for doc_id, things in named.items() if asked(text) in things}
        assert holders == set(limit.qrels[query_id])
        assert len(holders) == k
    chosen = [frozenset(judged) for judged in limit.qrels.values()]
    assert len(set(chosen)) == n_queries


def test_all_combinations_where_all_are_asked_for() -> None:
    limit = generate_limit(LimitPlan(8, 2, math.comb(8, 2), n_liked=1))
    relevant = [document.doc_id for document in limit.documents]
    assert {frozenset(judged) for judged in limit.qrels.values()} == {
        frozenset(pair) for pair in combinations(relevant, 2)
    }


def test_the_twin_differs_in_queries_alone_and_shares_no_word() -> None:
    limit = generate_limit(LimitPlan(10, 2, 45, twin=True, n_liked=12))
    words = set().union(*(liked(document.text) for document in limit.documents))
    assert all(asked(text) in words for text in limit.queries.values())
    assert not any(asked(text) in words for text in limit.synonyms.values())
    pairs = {thing.name: thing.synonym for thing in synonyms()}
    assert all(pairs[asked(limit.queries[q])] == asked(limit.synonyms[q]) for q in limit.queries)


def test_no_word_stands_for_two_things() -> None:
    words = [word for thing in synonyms() for word in (thing.name, thing.synonym)]
    assert len(words) == len(set(words))
    assert len(plain_words()) == len(set(plain_words())) == MOST_THINGS
    assert not set(words) & set(plain_words())


def test_the_same_plan_gives_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_limit(tmp_path / name, generate_limit(LimitPlan(6, 2, 15, seed=seed, n_liked=5)))
    files = ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv")
    contents = [[(tmp_path / name / file).read_bytes() for file in files] for name in "abc"]
    assert contents[0] == contents[1]
    assert contents[0][0] != contents[2][0]


def test_what_is_written_is_a_dataset(tmp_path: Path) -> None:
    limit = generate_limit(LimitPlan(6, 2, 15, twin=True, n_liked=5))
    write_limit(tmp_path / "limit", limit)
    plain = load_dataset(tmp_path / "limit", split="test")
    twin = load_dataset(tmp_path / "limit-synonyms", split="test")
    assert (plain.queries, plain.qrels) == (limit.queries, limit.qrels)
    assert (twin.queries, twin.qrels) == (limit.synonyms, limit.qrels)
    assert json.loads((tmp_path / "limit" / "metadata.json").read_text())["plan"]["k"] == 2


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({"k": 0}, "k is 0"),
        ({"n_docs": 3, "k": 4, "n_queries": 1}, "k is 4, documents 3"),
        ({"n_docs": 4, "n_queries": 7}, r"7 queries .* expected 1 to 6, the combinations"),
        ({"n_queries": 0}, "0 queries"),
        ({"twin": True}, r"at most .* and 227 queries of a twin"),
        ({"n_distractors": 10**6}, r"at most 845,152 documents"),
        ({"n_docs": 1000, "n_queries": 20_000}, r"at most .* 19,100 queries, for want of words"),
        ({"n_liked": 10_000}, "for want of words"),
    ],
)
def test_plans_that_cannot_be(plan: dict[str, int], message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        LimitPlan(**plan)  # type: ignore[arg-type]
