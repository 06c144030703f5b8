"""Official runs of TREC DL 2019 and 2020 give the figures that were published for them."""

from pathlib import Path

import pytest

from lexmax.eval import evaluate_run

# nDCG@10 with the official qrels. BM25, TAS-B and SPLADE++ ED as published with the collection;
# RM3 and ADA2 pinned at what trec_eval gives.
PUBLISHED = {
    "dl19.BM25": 0.5058,
    "dl20.BM25": 0.4796,
    "dl19.D_BERT_KD_TASB": 0.7210,
    "dl20.D_BERT_KD_TASB": 0.6854,
    "dl19.SPLADE_P_P_ENSEMBLE_DISTIL": 0.7308,
    "dl20.SPLADE_P_P_ENSEMBLE_DISTIL": 0.7197,
    "dl19.BM25_RM3": 0.5216,
    "dl20.BM25_RM3": 0.4896,
    "dl19.OPEN_AI_ADA2": 0.7035,
    "dl20.OPEN_AI_ADA2": 0.6759,
}
N_QUERIES = {"dl19": 43, "dl20": 54}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_figure_to_four_digits(shared_data: Path, name: str) -> None:
    pool, track = shared_data / "msmarco-dl-pool", name.split(".")[0]
    qrels = pool / "qrels_full" / f"{track}_full.tsv"
    evaluation = evaluate_run(pool / "runs" / f"{name}.trec", qrels, ["nDCG@10"])
    (outcome,) = evaluation.pipelines.values()
    assert round(outcome.measures["nDCG@10"], 4) == PUBLISHED[name]
    assert evaluation.n_queries == N_QUERIES[track]
    assert outcome.n_missing == 0
    assert evaluation.warnings == ()


def test_pooled_vectors_on_scifact_to_three_digits(shared_data: Path) -> None:
    # all-MiniLM-L6-v2, cosine of mean-pooled vectors, title and text, 256 tokens; the ten best.
    run = Path(__file__).parent / "scifact.test.minilm-pooled.trec.gz"
    evaluation = evaluate_run(run, shared_data / "scifact" / "qrels" / "test.tsv", ["nDCG@10"])
    assert round(evaluation.pipelines["minilm-pooled"].measures["nDCG@10"], 3) == 0.645
    assert evaluation.n_queries == 300
