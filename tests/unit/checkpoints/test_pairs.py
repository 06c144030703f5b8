import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from lexmax.encoders import Encoders
from lexmax.encoders.checkpoints.pairs import load_cross_encoder
from lexmax.encoders.contract import PairScorer
from lexmax.errors import EncoderError

QUERY = "late interaction search"
TEXTS = ["token search of the index " * 9, "a", "Zebra. (42)", "late interaction, retrieval!"]


@pytest.fixture
def classifier(tiny: Any, tmp_path: Path) -> Callable[..., Path]:
    """Saves a BertForSequenceClassification of so many labels."""

    def save(n_labels: int = 1, **values: Any) -> Path:
        model = tiny.bert("BertForSequenceClassification", num_labels=n_labels, **values)
        return tiny.save(tmp_path / "model", model)

    return save


def by_library(parts: Callable[[str], Any], folder: Path, **values: Any) -> np.ndarray[Any, Any]:
    model = parts("cross_encoder.model.CrossEncoder")(str(folder), device="cpu")
    return model.predict([(QUERY, text) for text in TEXTS], **values)


def test_a_plain_classifier_is_what_cross_encoder_makes_of_it(
    classifier: Callable[..., Path], parts: Callable[[str], Any]
) -> None:
    folder = classifier()
    scorer = Encoders().load(folder)
    assert isinstance(scorer, PairScorer)
    assert scorer.spec == f"cross-encoder:{folder}"
    found = scorer.score(QUERY, TEXTS)
    assert (found.shape, found.dtype) == ((4,), np.float32)
    assert np.ptp(found) > 0.01
    np.testing.assert_allclose(found, by_library(parts, folder), atol=1e-5)


@pytest.mark.parametrize("function", ["Identity", "Sigmoid", "Tanh"])
def test_what_cross_encoder_saved(
    classifier: Callable[..., Path], parts: Callable[[str], Any], tmp_path: Path, function: str
) -> None:
    torch: Any = parts("base.modules.transformer.torch")
    model = parts("cross_encoder.model.CrossEncoder")(
        str(classifier()),
        device="cpu",
        activation_fn=getattr(torch.nn, function)(),
        prompts={"ask": "query: "},
        default_prompt_name="ask",
        max_length=20,
    )
    model.save(str(tmp_path / "saved"))
    expected = by_library(parts, tmp_path / "saved")
    found = load_cross_encoder(tmp_path / "saved").score(QUERY, TEXTS)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(
    "values",
    [
        {"sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity"}},
        {"sbert_ce_default_activation_function": "torch.nn.modules.activation.Tanh"},
    ],
    ids=["version 4", "version 3"],
)
def test_activations_of_older_versions(
    classifier: Callable[..., Path], parts: Callable[[str], Any], values: Any
) -> None:
    folder = classifier()
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    found = load_cross_encoder(folder).score(QUERY, TEXTS)
    np.testing.assert_allclose(found, by_library(parts, folder), atol=1e-5)


def test_one_of_several_labels_is_the_score(
    classifier: Callable[..., Path], parts: Callable[[str], Any]
) -> None:
    folder = classifier(3, id2label={0: "contradiction", 1: "entailment", 2: "neutral"})
    expected = by_library(parts, folder)
    by_name = Encoders().pairs(f"cross-encoder:{folder}?label=entailment")
    np.testing.assert_allclose(by_name.score(QUERY, TEXTS), expected[:, 1], atol=1e-5)
    by_number = load_cross_encoder(folder, label="2")
    np.testing.assert_allclose(by_number.score(QUERY, TEXTS), expected[:, 2], atol=1e-5)
    assert by_name.fingerprint != by_number.fingerprint
    for wrong in (None, "3", "relevant"):
        with pytest.raises(EncoderError, match=r"3 labels .* one of 0 \(contradiction\), 1 \(ent"):
            load_cross_encoder(folder, label=wrong)


def test_models_without_segments_are_given_none(
    tiny: Any, tmp_path: Path, parts: Callable[[str], Any]
) -> None:
    config = tiny.transformers.DistilBertConfig(
        vocab_size=len(tiny.tokenizer()), dim=32, n_layers=2, n_heads=4, hidden_dim=64,
        max_position_embeddings=48, initializer_range=0.4, num_labels=1,
    )  # fmt: skip
    tiny.torch.manual_seed(4)
    model = tiny.transformers.DistilBertForSequenceClassification(config).eval()
    tiny.save(tmp_path, model)
    found = load_cross_encoder(tmp_path).score(QUERY, TEXTS)
    np.testing.assert_allclose(found, by_library(parts, tmp_path), atol=1e-5)


def test_long_pairs_are_cut_as_the_library_cuts_them(
    classifier: Callable[..., Path], parts: Callable[[str], Any]
) -> None:
    folder = classifier()
    model = parts("cross_encoder.model.CrossEncoder")(str(folder), device="cpu", max_length=24)
    scorer = load_cross_encoder(folder, max_tokens=24)
    texts = ["token " * n for n in (1, 5, 9, 10, 11, 40)]
    for query in ("index " * n for n in (1, 9, 10, 11, 12, 40)):
        expected = model.predict([(query, text) for text in texts])
        np.testing.assert_allclose(scorer.score(query, texts), expected, atol=1e-5)


def test_batch_equals_single_in_any_order(classifier: Callable[..., Path]) -> None:
    scorer = load_cross_encoder(classifier())
    texts = TEXTS * 60
    together = scorer.score(QUERY, texts)
    for i in (0, 1, 2, 3, 239):
        np.testing.assert_allclose(together[i], scorer.score(QUERY, [texts[i]])[0], atol=1e-5)


def test_texts_without_words_are_last(classifier: Callable[..., Path]) -> None:
    scorer = load_cross_encoder(classifier())
    assert scorer.score(QUERY, ["", "token", " \n"]).tolist()[::2] == [-np.inf, -np.inf]
    assert np.isfinite(scorer.score(QUERY, ["", "token", ""])[1])
    assert scorer.score(" ", ["token"]).tolist() == [-np.inf]
    assert scorer.score(QUERY, []).shape == (0,)


def test_the_fingerprint_moves_with_the_folder(
    classifier: Callable[..., Path], tmp_path: Path
) -> None:
    folder = classifier()
    other = shutil.copytree(folder, tmp_path / "elsewhere")
    here, there = load_cross_encoder(folder), load_cross_encoder(other, max_tokens=48)
    assert here.fingerprint == there.fingerprint
    assert here.spec != there.spec


@pytest.mark.parametrize("name", ["bert.pooler.dense.weight", "classifier.bias"])
def test_a_head_that_lacks_weights_is_refused(classifier: Callable[..., Path], name: str) -> None:
    folder = classifier()
    weights = load_file(folder / "model.safetensors")
    del weights[name]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(EncoderError, match=f"the weights lack {name}"):
        load_cross_encoder(folder)


@pytest.mark.parametrize("max_tokens", [0, 4, 49])
def test_max_tokens_out_of_range(classifier: Callable[..., Path], max_tokens: int) -> None:
    with pytest.raises(EncoderError, match="expected"):
        load_cross_encoder(classifier(), max_tokens=max_tokens)


def test_activations_of_a_models_own_code_are_refused(classifier: Callable[..., Path]) -> None:
    folder = classifier()
    path = folder / "config.json"
    values = {"sentence_transformers": {"activation_fn": "my.code.Activation"}}
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    with pytest.raises(EncoderError, match=r"activation 'my\.code\.Activation'; expected one of"):
        load_cross_encoder(folder)
