from types import MappingProxyType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from lexmax.encoders.backbone import Backbone, States
from lexmax.encoders.heads.mlm import MlmHead
from lexmax.encoders.term_pruning import TermPruning
from lexmax.encoders.transformer_terms import KeptTerms, TransformerTerms
from lexmax.errors import EncoderError

N_TERMS = 30_522


class Words:
    """Pieces of one letter each, between markers 1 and 2."""

    names = MappingProxyType({i: chr(i + 94) for i in range(30)})

    def marked(self, text: str, max_tokens: int) -> np.ndarray:
        ids = [ord(letter) - 94 for letter in text if letter.isalpha()][: max_tokens - 2]
        return np.array([1, *ids, 2] if ids else [], dtype=np.int64)


def one_hot(ids: torch.Tensor, attention: torch.Tensor) -> Any:
    states = torch.nn.functional.one_hot(ids, 30).float() * attention[:, :, None]
    return SimpleNamespace(last_hidden_state=states)


def counted(hidden: torch.Tensor, content: torch.Tensor) -> torch.Tensor:
    """How often each piece stands in each text."""
    return (hidden * content[:, :, None]).sum(dim=1)


def side(**values: Any) -> TransformerTerms:
    backbone = Backbone(one_hot, dim=30, pad_id=0, fingerprint="")
    pieces: Any = Words()
    return TransformerTerms(backbone, counted, pieces, **{"max_tokens": 9, **values})


def rows_of(terms: TransformerTerms, texts: list[str]) -> list[dict[int, float]]:
    batch = terms.encode(texts)
    rows = [batch.row(i) for i in range(len(batch))]
    return [dict(zip(ids.tolist(), weights.tolist(), strict=True)) for ids, weights in rows]


def test_markers_count_and_padding_does_not() -> None:
    assert rows_of(side(), ["aab", "c"]) == [{1: 1, 2: 1, 3: 2, 4: 1}, {1: 1, 2: 1, 5: 1}]


def test_texts_are_cut_at_max_tokens() -> None:
    assert rows_of(side(max_tokens=4), ["abcdef"]) == [{1: 1, 2: 1, 3: 1, 4: 1}]


def test_prompts_stand_before_texts_that_have_pieces() -> None:
    assert rows_of(side(prompt="z"), ["a", "", "!"]) == [{1: 1, 2: 1, 3: 1, 28: 1}, {}, {}]


def test_terms_are_pruned() -> None:
    assert rows_of(side(pruning=TermPruning(top_k=1)), ["aab"]) == [{3: 2}]


def test_rows_keep_the_given_order_across_batches() -> None:
    texts = ["abcdefg"[: i % 8] for i in range(900)]  # Some 6,000 tokens, so several batches.
    alone = {text: rows_of(side(), [text])[0] for text in set(texts)}
    assert rows_of(side(), texts) == [alone[text] for text in texts]


@pytest.mark.parametrize("number", [torch.nan, torch.inf])
def test_weights_that_are_not_finite_are_refused(number: float) -> None:
    def broken(hidden: torch.Tensor, content: torch.Tensor) -> torch.Tensor:
        return counted(hidden, content).masked_fill(hidden[:, 1] > 0, number)

    backbone = Backbone(one_hot, dim=30, pad_id=0, fingerprint="")
    pieces: Any = Words()
    with pytest.raises(EncoderError, match="weights of NaN or infinity"):
        TransformerTerms(backbone, broken, pieces, max_tokens=9).encode(["a"])


@pytest.mark.parametrize("pool", ["max", "sum"])
def test_logits_of_a_batch_are_never_there_at_once(
    monkeypatch: pytest.MonkeyPatch, pool: Any
) -> None:
    """The largest tensor that the decoder makes is a part of those of all positions."""
    made: list[int] = []
    linear = torch.nn.functional.linear

    def recorded(*given: Any) -> torch.Tensor:
        result = linear(*given)
        made.append(result.numel() * result.element_size())
        return result

    monkeypatch.setattr(torch.nn.functional, "linear", recorded)
    generator = torch.Generator().manual_seed(0)
    decoder = torch.nn.Parameter(torch.randn((N_TERMS, 4), generator=generator))
    bias = torch.nn.Parameter(torch.zeros(N_TERMS))
    head = MlmHead(torch.nn.Identity(), decoder, bias, pool=pool)
    hidden = torch.randn((32, 64, 4), generator=generator)
    states = States(np.arange(32), torch.zeros(0), torch.ones((32, 64), dtype=torch.bool), hidden)
    kept = KeptTerms(32, head, TermPruning(top_k=7))
    kept.take(states)

    whole = 32 * 64 * N_TERMS * 4
    assert sum(made) == whole
    assert max(made) <= whole / 3
    assert max(made) <= 100 << 20
    assert kept.batch().indptr.tolist() == list(range(0, 32 * 7 + 1, 7))
