"""Pooled logits against the plain way, their gradients, and how much memory they take."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch
import transformers
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from lexmax.encoders.heads import largest_logits as module
from lexmax.encoders.heads.largest_logits import largest_logits
from lexmax.encoders.heads.mlm import ClsMlmHead, MlmHead
from lexmax.encoders.heads.transform import Transform
from lexmax.encoders.heads.weighting import PLAIN, SOFTPLUS, SPLADE, Weighting
from lexmax.errors import EncoderError

WEIGHTINGS = [
    SPLADE,
    PLAIN,
    SOFTPLUS,
    Weighting(log1p_twice=True),
    Weighting("identity", "identity"),
]


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two positions at a time, and a few gathered states."""
    monkeypatch.setattr(module, "CHUNK_BYTES", 2 * 3 * 11 * 8)


def example(seed: int = 0) -> tuple[MlmHead, torch.Tensor, torch.Tensor]:
    """A head over 11 terms, states (3, 7, 4), and content of which the last row has none."""
    torch.manual_seed(seed)
    head = MlmHead.tied(torch.nn.Parameter(torch.randn(11, 4))).double()
    torch.nn.init.normal_(head.bias)
    torch.nn.init.normal_(head.transform.dense.weight)  # type: ignore[union-attr, arg-type]
    content = torch.rand(3, 7) > 0.3
    content[:2, 1] = True
    content[2] = False
    return head, torch.randn(3, 7, 4).double(), content


def plainly(head: MlmHead, hidden: torch.Tensor, content: torch.Tensor) -> torch.Tensor:
    """All logits at once, weighted before they are pooled."""
    logits = head.transform(hidden) @ head.decoder.T + head.bias
    weights = head.weighting(logits)
    if head.pool == "sum":
        return weights.masked_fill(~content[..., None], 0).sum(dim=1)
    pooled = weights.masked_fill(~content[..., None], -torch.inf).amax(dim=1)
    return pooled.masked_fill(~content.any(dim=1, keepdim=True), 0)


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("pool", ["max", "sum"])
def test_weights_are_those_of_all_logits_at_once(weighting: Weighting, pool: Any) -> None:
    head, hidden, content = example()
    head.weighting, head.pool = weighting, pool
    expected = plainly(head, hidden, content)
    torch.testing.assert_close(head(hidden, content), expected)
    with torch.inference_mode():
        torch.testing.assert_close(head(hidden, content), expected)
    assert (head(hidden, content)[2] == 0).all()


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("pool", ["max", "sum"])
def test_weights_of_some_terms_are_those_columns(pool: Any) -> None:
    head, hidden, content = example()
    head.pool = pool
    terms = torch.tensor([7, 0, 7, 10])
    torch.testing.assert_close(head(hidden, content, terms), head(hidden, content)[:, terms])


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("pool", ["max", "sum"])
@pytest.mark.parametrize("terms", [None, torch.tensor([3, 8, 3])])
def test_gradients_are_those_of_all_logits_at_once(pool: Any, terms: torch.Tensor | None) -> None:
    head, hidden, content = example()
    head.pool = pool
    columns = slice(None) if terms is None else terms
    weights = torch.rand(3, 11).double()[:, columns]
    found, expected = [
        torch.autograd.grad((pooled * weights).sum(), [states, *head.parameters()])
        for states in [hidden.clone().requires_grad_()]
        for pooled in (
            head(states, content, terms),
            plainly(head, states, content)[:, columns],
        )
    ]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)
    assert found[0][2].abs().sum() == 0


def test_gradient_is_that_of_differences() -> None:
    torch.manual_seed(1)
    states = torch.randn(2, 5, 3, dtype=torch.float64, requires_grad=True)
    decoder = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    content = torch.tensor([[1, 1, 0, 1, 1], [0, 1, 0, 0, 1]]).bool()
    assert torch.autograd.gradcheck(lambda s, d: largest_logits(s, d, content), (states, decoder))


def test_frozen_decoders_get_no_gradient() -> None:
    head, hidden, content = example()
    head.decoder.requires_grad_(False)
    head(hidden, content).sum().backward()
    assert head.decoder.grad is None
    assert head.bias.grad is not None


def test_first_position_is_all_that_cls_reads() -> None:
    head, hidden, content = example()
    of_cls = ClsMlmHead(head.transform, head.decoder, head.bias)
    weights = of_cls(hidden, content)
    hidden[:, 1:] = torch.randn(3, 6, 4).double()
    torch.testing.assert_close(of_cls(hidden, content), weights)
    expected = SPLADE(head.transform(hidden[:, 0]) @ head.decoder.T + head.bias)
    torch.testing.assert_close(weights[:2], expected[:2])
    assert (weights[2] == 0).all()


@pytest.mark.parametrize("family", ["bert", "distilbert", "roberta", "modernbert"])
def test_head_of_a_masked_language_model_has_its_logits(
    family: str, tiny_checkpoints: ModuleType
) -> None:
    auto: Any = transformers
    if family == "modernbert":
        config = auto.ModernBertConfig(
            vocab_size=200, hidden_size=32, intermediate_size=32, num_hidden_layers=1,
            num_attention_heads=2, pad_token_id=0, cls_token_id=2, sep_token_id=3,
        )  # fmt: skip
        model = auto.ModernBertForMaskedLM(config)
    else:
        model = tiny_checkpoints.masked_lm(family, 200)
    model.eval()
    ids = torch.randint(5, 200, (2, 6))
    with torch.inference_mode():
        states = model.base_model(ids).last_hidden_state
        logits = model(ids).logits.amax(dim=1)
        weights = MlmHead.from_masked_lm(model)(states, torch.ones(2, 6, dtype=torch.bool))
    torch.testing.assert_close(weights, SPLADE(logits))


def test_parameters_are_shared_with_the_model(tiny_checkpoints: ModuleType) -> None:
    model = tiny_checkpoints.masked_lm("bert", 200)
    head = MlmHead.from_masked_lm(model)
    assert head.decoder is model.get_input_embeddings().weight
    assert isinstance(head.transform, Transform)


class LargestTensor(TorchDispatchMode):
    """Notes the bytes of the largest tensor that any operation gives."""

    def __init__(self) -> None:
        super().__init__()
        self.n_bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        sizes = [one.untyped_storage().nbytes() for one in tree_leaves(out) if torch.is_tensor(one)]
        self.n_bytes = max([self.n_bytes, *sizes])
        return out


def test_no_tensor_of_32_texts_of_256_tokens_comes_near_400_mib(
    record_property: Callable[[str, object], None],
) -> None:
    torch.manual_seed(0)
    head = MlmHead.tied(torch.nn.Parameter(torch.randn(30522, 64) * 0.1))
    hidden = torch.randn(32, 256, 64, requires_grad=True)
    content = torch.ones(32, 256, dtype=torch.bool)
    with LargestTensor() as largest:
        weights = head(hidden, content)
        (weights * (weights > weights.mean() * 3)).sum().backward()
    record_property("largest_tensor_bytes", largest.n_bytes)
    assert 32 * 30522 * 4 <= largest.n_bytes <= 100 << 20  # All logits at once would be 954 MiB.
    assert hidden.grad is not None


def test_damage_is_refused() -> None:
    decoder = torch.nn.Parameter(torch.zeros(5, 3))
    with pytest.raises(EncoderError, match=r"\(5, 3\) with a bias \(4,\)"):
        MlmHead(torch.nn.Identity(), decoder, torch.nn.Parameter(torch.zeros(4)))
    with pytest.raises(EncoderError, match="pool is 'mean'"):
        MlmHead.tied(decoder, pool="mean")  # type: ignore[arg-type]
    with pytest.raises(EncoderError, match="no value below -1"):
        Weighting("identity", "log1p")
    with pytest.raises(EncoderError, match="'gelo'"):
        Transform(torch.nn.Identity(), "gelo", torch.nn.Identity())
    with pytest.raises(EncoderError, match="T5Model has no head"):
        MlmHead.from_masked_lm(_t5())


def _t5() -> Any:
    auto: Any = transformers
    return auto.T5Model(
        auto.T5Config(vocab_size=8, d_model=4, d_kv=2, d_ff=4, num_layers=1, num_heads=1)
    )
