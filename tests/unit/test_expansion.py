"""Expanded texts: queries that a model writes, terms that an encoder adds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from lexmax.encoders.expansion import (
    AddedTerms,
    KeptExpansions,
    WrittenQueries,
    open_expansion,
)
from lexmax.encoders.sparse_folder import save_sparse_folder
from lexmax.encoders.sparse_loading import expansions, load_sparse_folder
from lexmax.encoders.sparse_model import (
    Binary,
    ClsMlm,
    ExpMlp,
    Mlp,
    Queries,
    SparseModel,
    Terms,
)
from lexmax.encoders.sparse_parts import Limits, build
from lexmax.encoders.training.batch import TrainingBatch
from lexmax.encoders.training.sparse_task import SparseTask
from lexmax.encoders.trunk import open_trunk
from lexmax.errors import EncoderError
from lexmax.types import SparseBatch, TermStatistics

NAMES = {1: "falls", 2: "##s", 3: "risk", 4: "bone"}


class Heaviest:
    """Gives the same weights to every text that is not empty."""

    spec = fingerprint = "heaviest"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def fitted(self, sample: Sequence[str]) -> "Heaviest":
        return self

    def encode_documents(self, texts: Sequence[str]) -> SparseBatch:
        self.asked += texts
        weights = {1: 1.0, 2: 9.0, 3: 2.0, 4: 3.0}
        return SparseBatch.from_rows([weights if text else {} for text in texts])

    def encode_queries(self, texts: Sequence[str], statistics: TermStatistics) -> SparseBatch:
        return self.encode_documents(texts)

    def term(self, term_id: int, texts: Sequence[str]) -> str:
        return NAMES[term_id]

    def vocabulary(self, texts: Sequence[str]) -> Mapping[int, str]:
        return NAMES


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoints: ModuleType) -> Path:
    """A sequence-to-sequence model that writes nonsense."""
    folder = tmp_path_factory.mktemp("writer")
    auto: Any = transformers
    tokenizer = tiny_checkpoints.word_piece_tokenizer()
    torch.manual_seed(0)
    config = auto.T5Config(
        vocab_size=len(tokenizer), d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2,
        decoder_start_token_id=0, pad_token_id=0, eos_token_id=3,
    )  # fmt: skip
    auto.T5ForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_queries_depend_on_text_and_seed_alone(writer: Path) -> None:
    values = Queries(str(writer), n=2, max_tokens=6)
    text, state = "the risk of falls", torch.get_rng_state()
    written = WrittenQueries(values)
    found = written.queries(text)
    assert len(found) == 2
    assert all(len(one.split()) > 0 for one in found)
    assert written(["cat", text, ""])[1:] == [f"{text} {' '.join(found)}", ""]
    assert WrittenQueries(values).queries(text) == found
    assert WrittenQueries(Queries(str(writer), n=2, max_tokens=6, seed=1)).queries(text) != found
    assert torch.equal(torch.get_rng_state(), state)


def test_terms_are_added_that_the_text_lacks() -> None:
    expand = AddedTerms(Heaviest(), n=3)  # Of ##s, bone and risk.
    assert expand(["the risk", ""]) == ["the risk bone", ""]


def test_expansions_are_made_once() -> None:
    encoder = Heaviest()
    expand = KeptExpansions(AddedTerms(encoder, n=3))
    assert expand(["a", "a risk", "a"]) == ["a bone risk", "a risk bone", "a bone risk"]
    assert expand(["a risk", "b"]) == ["a risk bone", "b bone risk"]
    assert encoder.asked == ["a", "a risk", "b"]


def test_impossible_numbers_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="expected numbers above zero"):
        WrittenQueries(Queries(str(tmp_path), n=0))
    with pytest.raises(EncoderError, match="expansion by 0 terms"):
        AddedTerms(Heaviest(), n=0)
    with pytest.raises(EncoderError, match=r"config\.json"):
        open_expansion(Queries(str(tmp_path)))
    with pytest.raises(EncoderError, match="is not given"):
        open_expansion(Terms(str(tmp_path)))


def test_a_model_expands_in_training_and_in_use(
    writer: Path, tmp_path: Path, tiny_checkpoints: ModuleType
) -> None:
    source = str(tiny_checkpoints.save_masked_lm(tmp_path / "masked-lm"))
    tilde = build(SparseModel(Binary(), ClsMlm()), open_trunk(source), limits=Limits(40, 40))
    (tmp_path / "tilde").mkdir()
    save_sparse_folder(tilde, tmp_path / "tilde")
    texts = ["the risk of falls", ""]
    for name, expansion in (
        ("queries", Queries(str(writer), n=2, max_tokens=5)),
        ("terms", Terms(str(tmp_path / "tilde"), n=20)),
    ):
        model = SparseModel(Mlp(), ExpMlp(expansion=expansion))
        parts = build(model, open_trunk(source), limits=Limits(40, 40))
        expand = expansions(model).document
        assert expand is not None
        expanded = expand(texts)
        assert len(expanded[0]) > len(texts[0])
        task = SparseTask(parts)
        batch = TrainingBatch(["risk"], texts, torch.tensor([[0, 1]]), None, torch.ones(1))
        by_hand = SparseTask(
            build(SparseModel(Mlp(), ExpMlp()), open_trunk(source), limits=Limits(40, 40))
        )
        for one in (task, by_hand):
            one.module.eval()
        given = TrainingBatch(["risk"], list(expanded), batch.groups, None, batch.weights)
        found = task.loss(batch, step=0)["document_terms"]
        assert found == by_hand.loss(given, step=0)["document_terms"]
        (tmp_path / name).mkdir()
        task.save(tmp_path / name)
        rows = load_sparse_folder(tmp_path / name).encode_documents(texts)
        expected = by_hand.encoder().encode_documents(expanded)
        np.testing.assert_array_equal(rows.term_ids, expected.term_ids)
        np.testing.assert_allclose(rows.weights, expected.weights, atol=1e-5)
