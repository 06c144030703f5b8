"""Which measure a name asks for, and what is refused."""

import pytest

from lexmax.errors import EvaluationError
from lexmax.eval.measures import Evaluator
from lexmax.eval.measures.names import Provided, parsed

QRELS = {"q": {"a": 2, "b": 1, "c": 0}}
RUN = {"q": ["c", "b", "x", "a"]}


def value(name: str) -> float:
    return Evaluator(QRELS, [name]).evaluate(RUN).overall[name]


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("P@2(rel=2)", "P(rel=2)@2"),
        ("AP@4(rel=2)", "AP(rel=2)@4"),
        ("RR()@10", "RR@10"),
        ("WSS@95()", "WSS@95"),
        ("WSS@95(rel=2)", "WSS(rel=2)@95"),
        ("Candidates@R95(rel=2)", "Candidates(rel=2)@R95"),
        ("R(rel=2)@50%", "R@50%(rel=2)"),
        ("LastRel( rel = 1 )", "LastRel"),
        ("MRR@10", "RR@10"),
    ],
)
def test_parameters_before_or_after_the_cutoff(name: str, same: str) -> None:
    assert value(name) == value(same)


def test_rel_is_heeded() -> None:
    # Of grade 1 and above: b at rank 2 and a at 4. Of 2 and above: a alone.
    assert value("RR") == 1 / 2
    assert value("RR(rel=2)") == 1 / 4
    assert value("Candidates@R100(rel=2)") == 4
    assert value("Candidates@R50") == 2


@pytest.mark.parametrize(
    "name",
    [
        *("WSS", "WSS@", "WSS@0", "WSS@101", "WSS@R95", "WSS@95%", "WSS@x", "WSS@-5", "wss@95"),
        *("Candidates", "Candidates@95", "Candidates@R0", "Candidates@R95%", "Candidates@R1e2"),
        *("LastRel@5", "LastRel(rel=0)", "LastRel(x=1)", "R@5%%", "R@0%", "R@101%", "P@5%"),
        *("RR@5%", "WSS(rel=1)@95(rel=2)", "P(rel=1)@5(rel=1)", "R @ 5", "R@10\n", "@5"),
        *("WSS@95.12345", "alpha_nDCG(alpha=2)@10", "alpha_nDCG(rel=2)@10"),
    ],
)
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(EvaluationError, match=r"no measure .* Candidates@R95"):
        parsed(name, {})


@pytest.mark.parametrize(
    "name", ["nDCG@10", "nDCG", "R@5", "AP", "AP@3", "RR", "P@1", "Success@1", "Judged@3", "Judged"]
)
def test_common_measures_are_computed_here(name: str) -> None:
    assert not isinstance(parsed(name), Provided)


@pytest.mark.parametrize(
    "name",
    ["nDCG(dcg='exp-log2')@10", "nDCG(gains={1:5})@10", "nDCG(judged_only=True)@10", "Bpref"],
)
def test_all_others_are_ir_measures(name: str) -> None:
    assert isinstance(parsed(name), Provided)


def test_lower_is_better_where_it_counts_work() -> None:
    evaluator = Evaluator(QRELS, ["LastRel", "Candidates@R95", "WSS@95", "nDCG@10", "Bpref"])
    assert evaluator.lower_is_better == {"LastRel", "Candidates@R95"}
