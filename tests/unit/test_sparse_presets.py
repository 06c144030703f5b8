"""Every published model can be built, trained, saved, loaded, and printed."""

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from lexmax.encoders.sparse_description import read_model, read_value
from lexmax.encoders.sparse_loading import load_sparse_folder
from lexmax.encoders.sparse_model import SparseModel, reads_states
from lexmax.encoders.sparse_parts import Limits, SparseParts, build
from lexmax.encoders.training.batch import TrainingBatch
from lexmax.encoders.training.presets import PRESETS, named
from lexmax.encoders.training.regularizers import L1, Flops, ThresholdedFlops
from lexmax.encoders.training.sparse_task import SparseTask
from lexmax.encoders.training.supervision import MarginMse
from lexmax.encoders.trunk import open_trunk
from lexmax.errors import EncoderError
from lexmax.types import SparseBatch

TEXTS = [
    "vitamin d lowers the risk of falls",
    "the cat and the the dog",
    "learned sparse vector retrieval",
    "word7 word8 a document index",
    "",
]
BATCH = TrainingBatch(
    ["vitamin d risk", "cat and dog", "sparse vector"],
    TEXTS[:4],
    torch.tensor([[0, 3], [1, 2], [2, 3]]),
    torch.tensor([[5.0, 1.0], [4.0, 1.0], [6.0, 2.0]]),
    torch.ones(3),
)


class Nothing:
    n_docs = 0

    def doc_freqs(self, term_ids: np.ndarray) -> np.ndarray:
        return np.zeros(len(term_ids), dtype=np.int64)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoints: ModuleType) -> Path:
    return tiny_checkpoints.save_masked_lm(tmp_path_factory.mktemp("masked-lm"))


def parts_of(model: SparseModel, source: Path) -> SparseParts:
    documents = open_trunk(str(source))
    own = not model.shared and reads_states(model.query)
    return build(
        model,
        documents,
        queries=open_trunk(str(source)) if own else None,
        limits=Limits(40, 40),
        idf=torch.linspace(0.5, 3, documents.n_terms),
        seed=1,
    )


def assert_equal(found: SparseBatch, expected: SparseBatch) -> None:
    np.testing.assert_array_equal(found.indptr, expected.indptr)
    np.testing.assert_array_equal(found.term_ids, expected.term_ids)
    np.testing.assert_allclose(found.weights, expected.weights, atol=1e-5)


@pytest.mark.parametrize("name", PRESETS)
def test_preset_learns_and_is_loaded_as_it_was_saved(
    name: str, source: Path, tmp_path: Path
) -> None:
    task = SparseTask(parts_of(named(name).model, source))
    optimiser = torch.optim.AdamW(task.parameter_groups(2e-4, 0.01))
    task.module.eval()  # Dropout would make two losses incomparable.
    found = []
    for step in range(3):
        losses = task.loss(BATCH, step=step)
        assert all(loss.isfinite() for loss in losses.values())
        found.append(losses["total"].item())
        optimiser.zero_grad()
        losses["total"].backward()
        optimiser.step()
    assert found[2] < found[0]
    task.save(tmp_path)
    encoder, loaded = task.encoder(), load_sparse_folder(tmp_path)
    documents = encoder.encode_documents(TEXTS)
    assert len(documents.row(0)[0]) >= 5
    assert len(documents.row(4)[0]) == 0
    assert_equal(loaded.encode_documents(TEXTS), documents)
    assert_equal(loaded.encode_queries(TEXTS, Nothing()), encoder.encode_queries(TEXTS, Nothing()))
    assert loaded.term(7, TEXTS) == encoder.term(7, TEXTS) != ""


@pytest.mark.parametrize("name", PRESETS)
def test_preset_is_printed_as_a_configuration_that_says_the_same(name: str) -> None:
    yaml: Any = importlib.import_module("yaml")
    preset = named(name)
    printed = yaml.safe_load(str(preset))
    assert printed == preset.config()
    assert read_model(printed["task"]["model"]) == preset.model
    assert read_value(Limits, printed["task"]["limits"], at="limits") == preset.limits
    assert str(preset).startswith(f"# {name}: ")
    assert set(preset.sources) >= {"model", "lr", "batch_size"}


def test_values_are_those_of_the_papers() -> None:
    splade = named("splade-max")
    assert splade.model.regularization.query == Flops(0.01, 50_000)
    assert splade.model.regularization.document == Flops(0.05, 50_000)
    assert (splade.lr, splade.batch_size, splade.epochs, splade.negatives) == (5e-6, 8, 5, 7)
    distilled = named("distilsplade-max").model
    assert distilled.supervision.objectives == (MarginMse(),)
    assert (distilled.regularization.query, distilled.regularization.document) == (
        Flops(0.1, 50_000),
        Flops(0.08, 50_000),
    )
    assert not named("distilsplade-sep").model.shared
    deepct = named("deepct")
    assert (deepct.lr, deepct.batch_size, deepct.epochs) == (5e-6, 32, 5)
    epic = named("epic")
    assert (epic.lr, epic.batch_size, epic.steps) == (2e-5, 16, 2432)
    assert named("no-query-expansion").model.regularization.query is None
    assert isinstance(named("efficient-splade").model.regularization.query, L1)
    opensearch = named("opensearch-doc")
    assert opensearch.model.regularization.document == ThresholdedFlops(0.08, 40_000, 150)
    assert (opensearch.batch_size, opensearch.steps, opensearch.warm_up) == (20, 100_000, 6000)
    usual = named("unicoil")
    assert (usual.batch_size, usual.steps, usual.warm_up) == (128, 150_000, 6000)
    assert usual.limits == Limits(250, 250)


def test_all_that_the_framework_names_are_there() -> None:
    asked = (
        "deepct unicoil unicoil-dt5q unicoil-tilde sparta epic tilde tildev2 deepimpact splade-max "
        "distilsplade-max distilsplade-sep splade-doc efficient-splade no-query-expansion li-lsr"
    )
    assert set(asked.split()) <= set(PRESETS)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(EncoderError, match="no preset is called 'spladee'; expected one of deepct"):
        named("spladee")
